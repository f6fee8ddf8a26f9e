# Two daemons in two zones, a NAT for each, the stages' own cache, nothing that can be destroyed by mistake.
environment = "prod"
aws_region  = "us-east-1"
protected   = true

vpc_cidr           = "10.1.0.0/16"
availability_zones = ["us-east-1a", "us-east-1b"]
public_subnets     = ["10.1.1.0/24", "10.1.2.0/24"]
private_subnets    = ["10.1.3.0/24", "10.1.4.0/24"]
nat_gateways       = 2

instance_type        = "t4g.medium"
asg_min_size         = 2
asg_max_size         = 4
asg_desired_capacity = 2

rate_limit     = 2000
burst_limit    = 4000
api_cache_size = "0.5"

log_level          = "info"
log_retention_days = 90
trace_sampling     = 0.01
