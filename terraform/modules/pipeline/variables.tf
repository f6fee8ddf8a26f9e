variable "name" {
  description = "The estate's name."
  type        = string
}

variable "environment" {
  description = "dev or prod: which variables are applied."
  type        = string
}

variable "repository" {
  description = "OWNER/NAME."
  type        = string
}

variable "connection_arn" {
  description = "The connection to the repository, confirmed once by hand."
  type        = string
}

variable "branch" {
  description = "What is deployed."
  type        = string
  default     = "main"
}

variable "state_bucket" {
  description = "The bucket of the state."
  type        = string
}

variable "apply_policy_arns" {
  description = "What the stage Apply may."
  type        = list(string)
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "account" {
  description = "The account's number."
  type        = string
}

variable "key_arn" {
  description = "The key of what is stored."
  type        = string
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
}
