variable "name" {
  description = "The estate's name: project and environment."
  type        = string
}

variable "context" {
  description = "Where this stands."
  type = object({
    partition   = string
    region      = string
    account     = string
    key_arn     = string
    emulated    = bool
    protected   = bool
    cdn_metrics = bool
  })
}

variable "functions" {
  description = "What all functions of the estate share; see modules/function."
  type        = any
}

variable "apis" {
  description = "What all APIs of the estate share; see modules/api."
  type        = any
}

variable "host" {
  description = "The site's own name; null for CloudFront's."
  type        = string
  default     = null
}

variable "certificate_arn" {
  description = "A certificate of us-east-1 for that name."
  type        = string
  default     = null
}

variable "people" {
  description = "The user pool; see modules/people."
  type        = object({ id = string, arn = string, issuer = string, domain_prefix = string })
}

variable "zone" {
  description = "The time zone of the schedule."
  type        = string
}

variable "image_model" {
  description = "The model of the OpenAI images API; empty for the service's default."
  type        = string
}
