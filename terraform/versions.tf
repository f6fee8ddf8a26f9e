terraform {
  # 1.11: write-only arguments, and the lock in the bucket of the state.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Where the state stands is said when it is initialised: terraform/deploy/init, or docs/deploy/state.md
  # for S3 with its lock, and for HCP Terraform in place of this block.
  backend "s3" {
    key          = "nightbell/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.aws_region

  default_tags {
    tags = local.tags
  }

  # The tests' emulator answers on one address and knows no metadata service; it sometimes closes a
  # connection within an answer, which is worth another try, and what it lacks is not worth 25.
  s3_use_path_style           = var.emulated
  skip_credentials_validation = var.emulated
  skip_metadata_api_check     = var.emulated
  skip_requesting_account_id  = false
  max_retries                 = var.emulated ? 4 : 25
}

# CloudFront takes its certificates from here.
provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"

  default_tags {
    tags = local.tags
  }

  skip_credentials_validation = var.emulated
  skip_metadata_api_check     = var.emulated
  max_retries                 = var.emulated ? 4 : 25
}
