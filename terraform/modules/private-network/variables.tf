variable "name" {
  description = "The estate's name."
  type        = string
}

variable "region" {
  description = "The Region."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "public_subnet_ids" {
  description = "By zone, where NAT gateways stand."
  type        = map(string)
}

variable "availability_zones" {
  description = "Zones, one for each private subnet."
  type        = list(string)
}

variable "private_subnets" {
  description = "Address ranges, one for each zone."
  type        = list(string)
}

variable "way_out" {
  description = "nat, or endpoints."
  type        = string
}

variable "nat_gateways" {
  description = "How many NAT gateways: one for all zones, or one for each."
  type        = number
}
