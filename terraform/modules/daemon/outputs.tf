output "services" {
  description = "What $${host.KEY} refers to in alarms, dashboards and runbooks."
  value = {
    load_balancer     = aws_lb.this.arn_suffix
    load_balancer_arn = aws_lb.this.arn
    target_group      = aws_lb_target_group.daemon.arn_suffix
    group             = aws_autoscaling_group.daemon.name
    journal           = aws_dynamodb_table.journal.name
    sources           = aws_s3_bucket.sources.bucket
  }
}

output "vpc_id" {
  value = aws_vpc.this.id
}

output "public_subnet_ids" {
  value = { for zone, subnet in aws_subnet.public : zone => subnet.id }
}

output "address" {
  value = aws_lb.this.dns_name
}

output "zone_id" {
  value = aws_lb.this.zone_id
}

output "repository_url" {
  value = aws_ecr_repository.this.repository_url
}

output "sources_bucket" {
  value = aws_s3_bucket.sources.bucket
}

output "link_secret" {
  value = aws_secretsmanager_secret.links.name
}

output "listener_arn" {
  value = aws_lb_listener.https.arn
}

output "sign_in_secret" {
  description = "Where the client's secret is put; null where nobody is signed in."
  value       = one(aws_secretsmanager_secret.sign_in[*].name)
}

output "group" {
  value = aws_autoscaling_group.daemon.name
}

output "rights" {
  description = "What the daemon may, for tests."
  value       = aws_iam_role_policy.daemon.policy
}
