# What an estate is called and where it stands.

variable "project" {
  description = "The project; with the environment it names and tags everything."
  type        = string
  default     = "nightbell"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.project))
    error_message = "project names buckets and roles: 3 to 20 lower-case letters, digits and hyphens, beginning with a letter, as in nightbell."
  }
}

variable "environment" {
  description = "dev, prod, or another short word."
  type        = string
  default     = "dev"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.environment))
    error_message = "environment is one short word, 2 to 10 lower-case letters and digits, as in dev or prod."
  }
}

variable "aws_region" {
  description = "The Region. CloudFront's metrics and certificates are in us-east-1 whatever it is."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-gov)?-[a-z]+-[0-9]$", var.aws_region))
    error_message = "aws_region is a Region's name, as in us-east-1."
  }
}

# The daemon's host.

variable "daemon_host" {
  description = "Whether the daemon runs on instances behind a load balancer. Without: no EC2, no load balancer, no NAT; alarms act on the topics themselves and the pipeline applies alarms and dashboards."
  type        = bool
  default     = true
}

variable "instance_type" {
  description = "The instances' type."
  type        = string
  default     = "t4g.small"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9]+$", var.instance_type))
    error_message = "instance_type is a type of EC2, as in t4g.small."
  }
}

variable "asg_min_size" {
  description = "The fewest instances."
  type        = number
  default     = 1

  validation {
    condition     = var.asg_min_size >= 1 && floor(var.asg_min_size) == var.asg_min_size
    error_message = "asg_min_size is at least 1: without a daemon nobody is told of alarms. To have no host at all set daemon_host = false."
  }
}

variable "asg_max_size" {
  description = "The most instances."
  type        = number
  default     = 2

  validation {
    condition     = var.asg_max_size >= var.asg_min_size && floor(var.asg_max_size) == var.asg_max_size
    error_message = "asg_max_size is at least asg_min_size."
  }
}

variable "asg_desired_capacity" {
  description = "How many instances to begin with; target tracking decides afterwards."
  type        = number
  default     = 1

  validation {
    condition     = var.asg_desired_capacity >= var.asg_min_size && var.asg_desired_capacity <= var.asg_max_size
    error_message = "asg_desired_capacity lies between asg_min_size and asg_max_size."
  }
}

variable "certificate_arn" {
  description = "A certificate for the load balancer, in aws_region. Not needed with domain_name."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_arn == null || can(regex("^arn:aws[a-z-]*:acm:", var.certificate_arn))
    error_message = "certificate_arn is the ARN of a certificate of ACM."
  }
  validation {
    condition     = !var.daemon_host || var.domain_name != null || var.certificate_arn != null
    error_message = "The load balancer speaks TLS only. Set domain_name, or certificate_arn (terraform/deploy/certificate makes one for a trial), or daemon_host = false."
  }
}

variable "sign_in" {
  description = "Who signs people in to the console: an OpenID Connect issuer with its endpoints, and the load balancer's client there, whose redirect address is https://CONSOLE/oauth2/idpresponse. claim and roles say who may what (docs/aws.md). Null, as it is while no issuer and client are given: off; nobody is signed in, and the console is not to be reached from outside. The client's secret is no variable, since it would be in the state: terraform/deploy/sign-in puts it."
  type = object({
    issuer                 = string
    authorization_endpoint = string
    token_endpoint         = string
    user_info_endpoint     = string
    client_id              = string
    scope                  = optional(string, "openid email")
    session_hours          = optional(number, 8)
    claim                  = optional(string, "groups")
    roles = object({
      viewer    = optional(list(string), [])
      responder = optional(list(string), [])
      admin     = optional(list(string), [])
    })
  })
  default = null

  validation {
    condition = var.sign_in == null || try(alltrue([for address in [var.sign_in.issuer, var.sign_in.authorization_endpoint, var.sign_in.token_endpoint, var.sign_in.user_info_endpoint] :
      can(regex("^https://[^/ ?#]+(/[^ ?#]*)?$", address))
    ]), false)
    error_message = "sign_in has issuer, authorization_endpoint, token_endpoint and user_info_endpoint as https:// addresses without a query, as ISSUER/.well-known/openid-configuration says them."
  }
  validation {
    condition     = var.sign_in == null || try(length(trimspace(var.sign_in.client_id)) > 0 && contains(split(" ", var.sign_in.scope), "openid"), false)
    error_message = "sign_in needs the client_id that the issuer gave, and openid in its scope."
  }
  validation {
    condition     = var.sign_in == null || try(var.sign_in.session_hours >= 1 && var.sign_in.session_hours <= 168, false)
    error_message = "sign_in.session_hours is from 1 to 168: the load balancer keeps nobody longer than a week."
  }
  validation {
    condition     = var.sign_in == null || try(length(flatten(values(var.sign_in.roles))) > 0, false)
    error_message = "sign_in.roles says who may what: values of the claim under viewer, responder and admin; viewer = [\"*\"] is whoever is signed in."
  }
  validation {
    condition     = var.sign_in == null || var.daemon_host
    error_message = "sign_in is the load balancer's, which daemon_host = false leaves out: take sign_in away, or set daemon_host = true."
  }
}

variable "image_tag" {
  description = "The commit whose image runs: the tag that the pipeline pushed."
  type        = string
  default     = "none-yet"
}

variable "shell" {
  description = "Whether Session Manager may open a shell on the instances."
  type        = bool
  default     = false
}

# The network.

variable "vpc_cidr" {
  description = "The network's addresses."
  type        = string
  default     = "10.0.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24
    error_message = "vpc_cidr is an address range between /16 and /24, as in 10.0.0.0/16."
  }
}

variable "availability_zones" {
  description = "Two zones of the Region, or more."
  type        = list(string)
  default     = ["us-east-1a", "us-east-1b"]

  validation {
    condition     = length(distinct(var.availability_zones)) == length(var.availability_zones) && length(var.availability_zones) >= 2
    error_message = "availability_zones are at least two different zones: a load balancer does not stand in one."
  }
  validation {
    condition     = alltrue([for zone in var.availability_zones : startswith(zone, var.aws_region)])
    error_message = "availability_zones are zones of aws_region, as us-east-1a is of us-east-1."
  }
}

variable "public_subnets" {
  description = "Address ranges of the public subnets, one for each zone."
  type        = list(string)
  default     = ["10.0.1.0/24", "10.0.2.0/24"]

  validation {
    condition     = length(var.public_subnets) == length(var.availability_zones) && alltrue([for range in var.public_subnets : can(cidrhost(range, 0))])
    error_message = "public_subnets are address ranges, one for each of availability_zones."
  }
}

variable "private_subnets" {
  description = "Address ranges of the private subnets, one for each zone."
  type        = list(string)
  default     = ["10.0.3.0/24", "10.0.4.0/24"]

  validation {
    condition     = length(var.private_subnets) == length(var.availability_zones) && alltrue([for range in var.private_subnets : can(cidrhost(range, 0))])
    error_message = "private_subnets are address ranges, one for each of availability_zones."
  }
  validation {
    condition     = length(setintersection(var.private_subnets, var.public_subnets)) == 0
    error_message = "private_subnets and public_subnets do not share a range."
  }
}

variable "private_network" {
  description = "How the announcement functions stand in private subnets: nat, endpoints (about 7 dollars a month for each of five services and zone), or none. Null: nat with the daemon's host, none without."
  type        = string
  default     = null

  validation {
    condition     = var.private_network == null || contains(["nat", "endpoints", "none"], coalesce(var.private_network, "none"))
    error_message = "private_network is nat, endpoints or none."
  }
  validation {
    condition     = var.daemon_host || contains(["none"], coalesce(var.private_network, "none"))
    error_message = "private_network needs the network of the daemon's host: set daemon_host = true, or private_network = \"none\"."
  }
}

variable "nat_gateways" {
  description = "NAT gateways: 1 for all zones, or one for each."
  type        = number
  default     = 1

  validation {
    condition     = var.nat_gateways >= 1 && var.nat_gateways <= length(var.availability_zones)
    error_message = "nat_gateways is between 1 and the number of availability_zones."
  }
}

# Names of one's own.

variable "domain_name" {
  description = "A zone of Route 53 in this account; sites are SERVICE.DOMAIN, the console is nightbell.DOMAIN. Null: the addresses that AWS gives, whose TLS policy is AWS's."
  type        = string
  default     = null

  validation {
    condition     = var.domain_name == null || can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", var.domain_name))
    error_message = "domain_name is a zone's name, as in example.org."
  }
}

# Who is told.

variable "emails" {
  description = "By topic (oncall, web): addresses. Each gets a mail that asks to confirm."
  type        = map(list(string))
  default     = { oncall = [], web = [] }

  validation {
    condition     = alltrue([for topic in keys(var.emails) : contains(["oncall", "web"], topic)])
    error_message = "emails has the topics oncall and web."
  }
  validation {
    condition     = alltrue([for address in flatten(values(var.emails)) : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "emails are addresses, as in you@example.org."
  }
}

variable "mail_from" {
  description = "Who sends the announcements, as in `Events <events@example.org>`: that domain is verified at SES with DKIM. Null: mail goes by the SNS topic."
  type        = string
  default     = null

  validation {
    condition     = var.mail_from == null || can(regex("[^<> @]+@[^<> @]+\\.[a-z]{2,}>?$", var.mail_from))
    error_message = "mail_from is an address, with a name or without: Events <events@example.org>."
  }
}

variable "sends_per_second" {
  description = "The account's quota of SES; 14 is what a new account has, 1 one in the sandbox."
  type        = number
  default     = 14
}

variable "fan_out_concurrency" {
  description = "Executions of the fan-out at once: 1, or -1 where the account is too new to reserve any."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, -1], var.fan_out_concurrency)
    error_message = "fan_out_concurrency is 1, or -1 for no reserve: SES's quota is one process's."
  }
}

# The services.

variable "packages" {
  description = "The folder of the functions' packages, which terraform/deploy/package makes."
  type        = string
  default     = "../target/packages/arm64"
}

variable "architecture" {
  description = "arm64 or x86_64: of the functions and the instances."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture is arm64 or x86_64."
  }
}

variable "stage" {
  description = "The REST APIs' stage."
  type        = string
  default     = "prod"

  validation {
    condition     = contains(["prod", "Prod"], var.stage)
    error_message = "stage is prod or Prod: these are what the services leave out of a path."
  }
}

variable "rate_limit" {
  description = "Requests a second that a stage lets through."
  type        = number
  default     = 100
}

variable "burst_limit" {
  description = "Requests at once that a stage lets through."
  type        = number
  default     = 200
}

variable "api_cache_size" {
  description = "GB of each stage's own cache (0.5, 1.6, ...; the smallest costs 14 dollars a month); null: the CDN caches alone."
  type        = string
  default     = null

  validation {
    condition     = var.api_cache_size == null || contains(["0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237"], coalesce(var.api_cache_size, "0.5"))
    error_message = "api_cache_size is one that API Gateway has: 0.5, 1.6, 6.1, 13.5, 28.4, 58.2, 118 or 237."
  }
}

variable "keep_days" {
  description = "Days that uploaded pictures are kept."
  type        = number
  default     = 365

  validation {
    condition     = var.keep_days >= 1
    error_message = "keep_days is at least 1."
  }
}

variable "anonymous_upload" {
  description = "Whether who has no token may upload pictures."
  type        = bool
  default     = true
}

variable "time_zone" {
  description = "The time zone of the posting schedule."
  type        = string
  default     = "America/New_York"
}

variable "image_model" {
  description = "The model of the OpenAI images API; empty for the service's default."
  type        = string
  default     = ""
}

# What is observed, and what that costs: each is a line of docs/deploy/cost.md.

variable "log_level" {
  description = "error, warn, info or debug: the least that is logged."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["error", "warn", "info", "debug"], var.log_level)
    error_message = "log_level is error, warn, info or debug."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 14

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days is one that CloudWatch Logs has: 1, 3, 5, 7, 14, 30, 60, 90, 180, 365, ..."
  }
}

variable "cdn_metrics" {
  description = "Whether CloudFront's additional metrics are on (hit rate, latency of origins): 2.40 dollars a month for each of four sites."
  type        = bool
  default     = true
}

variable "trace_sampling" {
  description = "The share of requests that are traced beyond one a second, 0 to 1."
  type        = number
  default     = 0.05

  validation {
    condition     = var.trace_sampling >= 0 && var.trace_sampling <= 1
    error_message = "trace_sampling is a share, from 0 to 1."
  }
}

# Where this comes from.

variable "github_repo" {
  description = "OWNER/NAME of the repository; null: no roles for its workflows."
  type        = string
  default     = null

  validation {
    condition     = var.github_repo == null || can(regex("^[\\w.-]+/[\\w.-]+$", var.github_repo))
    error_message = "github_repo is OWNER/NAME."
  }
}

variable "github_connection_arn" {
  description = "A connection to the repository, for CodePipeline; null: no pipeline here."
  type        = string
  default     = null

  validation {
    condition     = var.github_connection_arn == null || can(regex("^arn:aws[a-z-]*:(codestar-connections|codeconnections):", var.github_connection_arn))
    error_message = "github_connection_arn is the ARN of a connection (console: Developer Tools, Connections)."
  }
  validation {
    condition     = var.github_connection_arn == null || var.github_repo != null
    error_message = "github_connection_arn needs github_repo: which repository the pipeline takes."
  }
}

variable "github_provider_arn" {
  description = "GitHub's identity provider, where the account has it already; null to make it."
  type        = string
  default     = null
}

variable "state_bucket" {
  description = "The bucket of this state, which the workflows' roles may lock; null: PROJECT-terraform-ACCOUNT."
  type        = string
  default     = null
}

variable "state_key_arn" {
  description = "That bucket's key; null where github_repo is."
  type        = string
  default     = null

  validation {
    condition     = var.github_repo == null || var.state_key_arn != null
    error_message = "The workflows' roles read the state: set state_key_arn to what terraform/bootstrap printed."
  }
}

variable "pipeline_policy_arns" {
  description = "What the pipeline's stage Apply may."
  type        = list(string)
  default     = ["arn:aws:iam::aws:policy/AdministratorAccess"]
}

variable "gateway_account" {
  description = "Whether API Gateway's role for logs, of which an account and Region have one, is kept here."
  type        = bool
  default     = true
}

variable "protected" {
  description = "Whether tables, buckets with data, the user pool and the load balancer cannot be destroyed; true for prod."
  type        = bool
  default     = false
}

variable "emulated" {
  description = "For the tests: AWS is an emulator. Leaves out exactly what emulation.toml lists."
  type        = bool
  default     = false
}
