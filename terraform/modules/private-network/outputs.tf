output "network" {
  description = "Where functions stand."
  value = {
    subnets         = [for subnet in aws_subnet.private : subnet.id]
    security_groups = [aws_security_group.functions.id]
  }
}
