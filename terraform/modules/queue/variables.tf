variable "name" {
  description = "The queue's name."
  type        = string
}

variable "dead_letter_name" {
  description = "Its dead-letter queue's name."
  type        = string
}

variable "visibility_timeout" {
  description = "Seconds that a received message is hidden, and so the distance of tries."
  type        = number
}

variable "max_receives" {
  description = "How often a message is tried before it is a dead letter."
  type        = number
}

variable "retention" {
  description = "Seconds that a message is kept."
  type        = number
  default     = 345600
}

variable "emulated" {
  description = "Whether AWS is the tests' emulator."
  type        = bool
  default     = false
}
