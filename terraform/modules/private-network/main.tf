# Private subnets for the announcement functions, their way out, and what they may talk to.

locals {
  zones    = { for i, zone in var.availability_zones : zone => var.private_subnets[i] }
  gateways = var.way_out == "nat" ? { for zone in slice(var.availability_zones, 0, var.nat_gateways) : zone => zone } : {}
  # Which gateway a zone uses: its own, or the first.
  way = { for zone in var.availability_zones : zone => contains(keys(local.gateways), zone) ? zone : try(keys(local.gateways)[0], null) }
  # Without a NAT each service is reached through an endpoint, paid by the hour and zone.
  endpoints = var.way_out == "endpoints" ? toset(["sqs", "sns", "email", "xray", "cognito-idp"]) : toset([])
}

resource "aws_subnet" "private" {
  for_each                = local.zones
  vpc_id                  = var.vpc_id
  cidr_block              = each.value
  availability_zone       = each.key
  map_public_ip_on_launch = false
  tags                    = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_eip" "nat" {
  for_each = local.gateways
  domain   = "vpc"
  tags     = { Name = "${var.name}-nat-${each.key}" }
}

resource "aws_nat_gateway" "this" {
  for_each      = local.gateways
  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = var.public_subnet_ids[each.key]
  tags          = { Name = "${var.name}-${each.key}" }
}

resource "aws_route_table" "private" {
  for_each = local.zones
  vpc_id   = var.vpc_id
  tags     = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route" "out" {
  for_each               = { for zone, gateway in local.way : zone => gateway if gateway != null }
  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[each.value].id
}

resource "aws_route_table_association" "private" {
  for_each       = local.zones
  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}

# Tables are reached without the NAT, at no price.
resource "aws_vpc_endpoint" "dynamodb" {
  vpc_id            = var.vpc_id
  service_name      = "com.amazonaws.${var.region}.dynamodb"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [for table in aws_route_table.private : table.id]
  tags              = { Name = "${var.name}-dynamodb" }
}

resource "aws_security_group" "functions" {
  #checkov:skip=CKV2_AWS_5:attached to the announcement functions, in another module
  name        = "${var.name}-functions"
  description = "announcement functions: nothing in, HTTPS out"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-functions" }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.functions.id
  description       = "AWS and the user pool's keys"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_security_group" "endpoints" {
  count       = length(local.endpoints) > 0 ? 1 : 0
  name        = "${var.name}-endpoints"
  description = "endpoints of AWS services: HTTPS from the functions"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  count                        = length(local.endpoints) > 0 ? 1 : 0
  security_group_id            = aws_security_group.endpoints[0].id
  description                  = "the functions"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.functions.id
}

resource "aws_vpc_endpoint" "services" {
  for_each            = local.endpoints
  vpc_id              = var.vpc_id
  service_name        = "com.amazonaws.${var.region}.${each.value}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoints[0].id]
  tags                = { Name = "${var.name}-${each.value}" }
}
