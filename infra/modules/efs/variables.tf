variable "name" {
  description = "Prefix of names."
  type        = string
}

variable "cluster" {
  description = "The cluster."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnets" {
  description = "Private subnets, one a zone."
  type        = list(string)
}

variable "clients" {
  description = "Security groups that may mount, by name."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "Key of the file system."
  type        = string
}

output "id" {
  description = "The file system."
  value       = aws_efs_file_system.models.id
}

output "access_point" {
  description = "Where uploads are written."
  value       = aws_efs_access_point.models.id
}
