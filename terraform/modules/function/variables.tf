variable "name" {
  description = "The function's name."
  type        = string
}

variable "description" {
  description = "What it is for."
  type        = string
}

variable "package" {
  description = "The package's name without .zip."
  type        = string
}

variable "settings" {
  description = "What all functions of the estate share."
  type = object({
    packages           = string
    architecture       = string
    log_level          = string
    log_retention_days = number
    key_arn            = string
  })
}

variable "environment" {
  description = "Its variables. Names and addresses only: what is secret stands in Secrets Manager."
  type        = map(string)
  default     = {}
}

variable "statements" {
  description = "What it may do beside logging and tracing."
  type = list(object({
    sid       = string
    actions   = list(string)
    resources = list(string)
  }))
  default = []
}

variable "memory" {
  description = "MiB."
  type        = number
  default     = 256
}

variable "timeout" {
  description = "Seconds."
  type        = number
  default     = 10
}

variable "concurrency" {
  description = "Executions at once, reserved; -1 for the account's pool."
  type        = number
  default     = -1
}

variable "network" {
  description = "Subnets and security groups to stand in; null for none."
  type        = object({ subnets = list(string), security_groups = list(string) })
  default     = null
}
