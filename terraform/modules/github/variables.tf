variable "name" {
  description = "The estate's name."
  type        = string
}

variable "environment" {
  description = "The workflow environment that may apply."
  type        = string
}

variable "repository" {
  description = "OWNER/NAME."
  type        = string
}

variable "provider_arn" {
  description = "GitHub's identity provider, where the account has it already; null to make it."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "account" {
  description = "The account's number."
  type        = string
}

variable "state_bucket_arn" {
  description = "The bucket of the state."
  type        = string
}

variable "state_key_arn" {
  description = "Its key."
  type        = string
}
