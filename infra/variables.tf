variable "region" {
  description = "AWS region."
  type        = string
  default     = "ap-southeast-1"
}

variable "name" {
  description = "Name of the cluster and prefix of the rest."
  type        = string
  default     = "asr"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "The name is 2 to 21 lower-case letters, digits and hyphens."
  }
}

variable "cidr" {
  description = "Addresses of the VPC: every pod takes one."
  type        = string
  default     = "10.0.0.0/16"
  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 10)) && try(tonumber(split("/", var.cidr)[1]) <= 20, false)
    error_message = "The VPC needs a network of /20 or larger."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone (a zone's loss stops no other), or one for all (cheaper)."
  type        = bool
  default     = true
}

variable "kubernetes_version" {
  description = "Kubernetes version."
  type        = string
  default     = "1.34"
}

variable "api_cidrs" {
  description = "Who may reach the Kubernetes API from outside; empty: only the VPC."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for c in var.api_cidrs : can(cidrhost(c, 0)) && !endswith(c, "/0")])
    error_message = "Networks, and never the whole internet."
  }
}

variable "general" {
  description = "General-purpose pool: instance types, least and most nodes."
  type        = object({ instance_types = list(string), min = number, max = number })
  default     = { instance_types = ["m6i.2xlarge"], min = 3, max = 12 }
  validation {
    condition     = var.general.min >= 3 && var.general.max >= var.general.min
    error_message = "Three nodes at least: RabbitMQ and Valkey have one a zone."
  }
}

variable "gpu" {
  description = "GPU pool: instance types, least and most nodes."
  type        = object({ instance_types = list(string), min = number, max = number })
  default     = { instance_types = ["g5.xlarge"], min = 0, max = 4 }
  validation {
    condition     = var.gpu.min >= 0 && var.gpu.max >= max(1, var.gpu.min)
    error_message = "The most nodes are one at least, and no fewer than the least."
  }
}

variable "keep_days" {
  description = "Days until an uploaded recording is deleted."
  type        = number
  default     = 1
  validation {
    condition     = var.keep_days >= 1
    error_message = "One day at least."
  }
}

variable "uploader_public_key" {
  description = "OpenSSH public key for the upload machine; null: no machine."
  type        = string
  default     = null
}

variable "ssh_cidrs" {
  description = "Who may reach the upload machine by ssh; empty: SSM only."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for c in var.ssh_cidrs : can(cidrhost(c, 0)) && !endswith(c, "/0")])
    error_message = "Networks, and never the whole internet."
  }
}

variable "hostname" {
  description = "Host name of the service."
  type        = string
}

variable "image_version" {
  description = "Version of the images to run."
  type        = string
  default     = "0.1.0"
}
