variable "name" {
  description = "The site's name."
  type        = string
}

variable "bucket" {
  description = "The bucket's name."
  type        = string
}

variable "key_arn" {
  description = "The key of what is stored."
  type        = string
}

variable "api" {
  description = "The API behind the CDN: its host and stage."
  type        = object({ host = string, stage = string })
}

variable "api_paths" {
  description = "What of the address space is the API's; ttl: seconds that the CDN keeps an answer, null for never."
  type        = list(object({ pattern = string, ttl = optional(number) }))
}

variable "pictures" {
  description = "The regional host of the bucket of pictures; null without."
  type        = string
  default     = null
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

variable "price_class" {
  description = "Where the CDN answers: PriceClass_100, _200 or _All."
  type        = string
  default     = "PriceClass_100"
}

variable "metrics" {
  description = "Whether the additional metrics are on."
  type        = bool
  default     = true
}

variable "emulated" {
  description = "Whether AWS is the tests' emulator."
  type        = bool
  default     = false
}
