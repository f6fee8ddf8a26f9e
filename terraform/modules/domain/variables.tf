variable "domain_name" {
  description = "A zone of Route 53 in this account."
  type        = string
}

variable "aliases" {
  description = "By host: where it leads."
  type        = map(object({ target = string, zone_id = string, ipv6 = bool }))
}

variable "records" {
  description = "Further records; key tells two of one type apart before their names are known."
  type        = list(object({ key = string, name = string, type = string, values = list(string) }))
  default     = []
}
