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

variable "alerts_key_arn" {
  description = "The key of topics."
  type        = string
}

variable "people" {
  description = "The user pool; see modules/people."
  type        = object({ id = string, arn = string, issuer = string, domain_prefix = string })
}

variable "mail_from" {
  description = "Who sends, as in `Events <events@example.org>`; null: mail goes by the SNS topic."
  type        = string
}

variable "sends_per_second" {
  description = "The account's quota of SES."
  type        = number
}

variable "fan_out_concurrency" {
  description = "Executions of the fan-out at once; 1, or -1 where the account is too new to reserve any."
  type        = number
}

variable "network" {
  description = "Subnets and security groups of the functions; null for none."
  type        = object({ subnets = list(string), security_groups = list(string) })
  default     = null
}
