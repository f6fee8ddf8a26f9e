variable "name" {
  description = "The API's name, which is the dimension ApiName of its metrics."
  type        = string
}

variable "description" {
  description = "What it is for."
  type        = string
}

variable "routes" {
  description = "By path and method: the request model, whether one has to be signed in, seconds that an answer is cached, and by what."
  type = map(map(object({
    model      = optional(string)
    signed_in  = optional(bool, false)
    cache_ttl  = optional(number)
    cache_keys = optional(list(string), [])
  })))
}

variable "models" {
  description = "JSON Schemas by name, for the routes' request models."
  type        = any
  default     = {}
}

variable "binary_media_types" {
  description = "Content types that are no text."
  type        = list(string)
  default     = []
}

variable "function_arn" {
  description = "The alias of the function behind it, as an ARN made of names: the function's own variables may name this API."
  type        = string
}

variable "function" {
  description = "The same as it was made: who may be invoked."
  type        = object({ name = string, alias = string })
}

variable "user_pool_arn" {
  description = "Whose tokens `signed_in` means; null without."
  type        = string
  default     = null
}

variable "authorizer_arn" {
  description = "The alias of a function that judges tokens in the pool's place, as an ARN made of names; null for the pool."
  type        = string
  default     = null
}

variable "authorizer" {
  description = "The same as it was made: who may be invoked."
  type        = object({ name = string, alias = string })
  default     = null
}

variable "signs_in" {
  description = "Whether any route asks for a token of the pool."
  type        = bool
  default     = false
}

variable "caches" {
  description = "Whether any route may be cached."
  type        = bool
  default     = false
}

variable "settings" {
  description = "What all APIs of the estate share. cache_size: GB of the stage's cache, null for none."
  type = object({
    partition          = string
    region             = string
    stage              = string
    rate_limit         = number
    burst_limit        = number
    cache_size         = optional(string)
    log_retention_days = number
    key_arn            = string
  })
}
