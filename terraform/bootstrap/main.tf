# Run once for a project, before anything else: the bucket of the state. Its own state stays on the
# machine that ran it, and can be imported again by names.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "project" {
  description = "The project, as in the root."
  type        = string
  default     = "nightbell"
}

variable "aws_region" {
  description = "The bucket's Region."
  type        = string
  default     = "us-east-1"
}

variable "emulated" {
  description = "For the tests: AWS is an emulator."
  type        = bool
  default     = false
}

provider "aws" {
  region                      = var.aws_region
  s3_use_path_style           = var.emulated
  skip_credentials_validation = var.emulated
  skip_metadata_api_check     = var.emulated
  max_retries                 = var.emulated ? 1 : 25

  default_tags {
    tags = { Project = var.project, ManagedBy = "terraform" }
  }
}

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

module "state" {
  source    = "../modules/state"
  name      = var.project
  partition = data.aws_partition.this.partition
  account   = data.aws_caller_identity.this.account_id
}

output "bucket" {
  description = "For `terraform/deploy/init`."
  value       = module.state.bucket
}

output "key_arn" {
  description = "The variable state_key_arn."
  value       = module.state.key_arn
}

output "lock_table" {
  description = "For Terraform before 1.10, as dynamodb_table."
  value       = module.state.lock_table
}
