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

variable "key_arn" {
  description = "The key of topics, which lets alarms and events use it."
  type        = string
}

variable "emails" {
  description = "By topic: addresses."
  type        = map(list(string))
}

variable "daemon" {
  description = "Whether a daemon is there to be missed."
  type        = bool
}

variable "emulated" {
  description = "Whether AWS is the tests' emulator."
  type        = bool
}
