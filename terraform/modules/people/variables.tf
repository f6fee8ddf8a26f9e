variable "name" {
  description = "The pool's name."
  type        = string
}

variable "domain_prefix" {
  description = "The first word of the address of the pool's own pages, unique in the Region."
  type        = string
}

variable "groups" {
  description = "Groups, which are what services read as roles, and what they may."
  type        = map(string)
}

variable "protected" {
  description = "Whether the pool cannot be destroyed."
  type        = bool
}
