variable "name" {
  description = "The estate's name."
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

variable "region" {
  description = "The Region."
  type        = string
}

variable "deletion_days" {
  description = "Days that a deleted key can be brought back."
  type        = number
}
