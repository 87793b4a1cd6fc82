variable "name" {
  description = "Prefix of names."
  type        = string
}

variable "cidr" {
  description = "Addresses of the VPC."
  type        = string
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone, rather than one for all."
  type        = bool
}

variable "kms_key_arn" {
  description = "Key that encrypts the flow logs."
  type        = string
}

output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "public_subnets" {
  description = "Public subnets, one a zone."
  value       = aws_subnet.public[*].id
}

output "private_subnets" {
  description = "Private subnets, one a zone."
  value       = aws_subnet.private[*].id
}
