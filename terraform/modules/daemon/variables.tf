variable "name" {
  description = "The estate's name."
  type        = string
}

variable "tags" {
  description = "Tags of instances and volumes, which the provider's default tags do not reach."
  type        = map(string)
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "region" {
  description = "The Region."
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

variable "alerts_key_arn" {
  description = "The key of topics."
  type        = string
}

variable "vpc_cidr" {
  description = "The network's addresses."
  type        = string
}

variable "availability_zones" {
  description = "Two zones."
  type        = list(string)
}

variable "public_subnets" {
  description = "Address ranges, one for each zone."
  type        = list(string)
}

variable "certificate_arn" {
  description = "The load balancer's certificate."
  type        = string
}

variable "sign_in" {
  description = "Who signs people in; null: nobody, and the balancer reaches the health check alone."
  type = object({
    issuer                 = string
    authorization_endpoint = string
    token_endpoint         = string
    user_info_endpoint     = string
    client_id              = string
    scope                  = string
    session_hours          = number
  })
  default = null
}

variable "instance_type" {
  description = "The instances' type."
  type        = string
}

variable "architecture" {
  description = "arm64 or x86_64, as the instance type is."
  type        = string
}

variable "size" {
  description = "How many instances."
  type        = object({ min = number, max = number, desired = number })
}

variable "image_tag" {
  description = "The commit that runs."
  type        = string
}

variable "queue_name" {
  description = "Where changes of alarms arrive."
  type        = string
}

variable "dead_letter_name" {
  description = "Where what cannot be read goes."
  type        = string
}

variable "queue_arn" {
  description = "The same as an ARN."
  type        = string
}

variable "dead_letter_arn" {
  description = "The same as an ARN."
  type        = string
}

variable "topic_arns" {
  description = "Topics that are told."
  type        = list(string)
}

variable "log_level" {
  description = "What the daemon logs: error, warn, info or debug."
  type        = string
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
}

variable "shell" {
  description = "Whether Session Manager may open a shell."
  type        = bool
}

variable "protected" {
  description = "Whether tables and the load balancer cannot be destroyed."
  type        = bool
}

variable "emulated" {
  description = "Whether AWS is the tests' emulator."
  type        = bool
}
