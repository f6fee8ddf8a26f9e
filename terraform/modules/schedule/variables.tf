variable "name" {
  description = "The schedule's name."
  type        = string
}

variable "says" {
  description = "What it calls itself to whom it starts; null: its name."
  type        = string
  default     = null
}

variable "expression" {
  description = "rate(...) or cron(...)."
  type        = string
}

variable "zone" {
  description = "The time zone that the expression is read in."
  type        = string
  default     = "UTC"
}

variable "target" {
  description = "The ARN of a function's alias or of a queue."
  type        = string
}

variable "actions" {
  description = "The right that starting it takes."
  type        = list(string)
}

variable "dead_letters" {
  description = "The ARN of the queue for what could not be started."
  type        = string
}
