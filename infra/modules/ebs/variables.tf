variable "name" {
  description = "Prefix of names."
  type        = string
}

variable "cluster" {
  description = "The cluster."
  type        = string
}

