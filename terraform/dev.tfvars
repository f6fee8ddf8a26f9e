# The whole estate, small. With `-var daemon_host=false` it needs no certificate and costs a few dollars; then most of
# it is CloudFront's additional metrics, which `-var cdn_metrics=false` leaves out.
environment = "dev"
aws_region  = "us-east-1"

vpc_cidr           = "10.0.0.0/16"
availability_zones = ["us-east-1a", "us-east-1b"]
public_subnets     = ["10.0.1.0/24", "10.0.2.0/24"]
private_subnets    = ["10.0.3.0/24", "10.0.4.0/24"]

instance_type        = "t4g.small"
asg_min_size         = 1
asg_max_size         = 2
asg_desired_capacity = 1

log_level          = "info"
log_retention_days = 14
trace_sampling     = 0.05
