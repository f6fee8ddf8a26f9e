variable "name" {
  description = "The project: one bucket holds the states of all its environments."
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
