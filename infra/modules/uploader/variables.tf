variable "name" {
  description = "Prefix of names."
  type        = string
}

variable "subnet" {
  description = "A public subnet."
  type        = string
}

variable "security_group" {
  description = "The machine's own group."
  type        = string
}

variable "public_key" {
  description = "OpenSSH public key."
  type        = string
}

variable "ssh_cidrs" {
  description = "Who may use ssh; empty: SSM only."
  type        = set(string)
}

variable "instance_type" {
  description = "Instance type."
  type        = string
}

variable "efs_id" {
  description = "The file system."
  type        = string
}

variable "access_point" {
  description = "Its access point."
  type        = string
}

output "host" {
  description = "Its public name."
  value       = aws_instance.this.public_dns
}
