variable "region" {
  description = "AWS region of the state bucket."
  type        = string
  default     = "ap-southeast-1"
}

variable "bucket" {
  description = "Name of the state bucket, unique in all of AWS."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name is 3 to 63 lower-case letters, digits and hyphens."
  }
}

variable "lock_table" {
  description = "Name of a DynamoDB lock table as the seed had (terraform-lock), or null: S3's own lock file."
  type        = string
  default     = null
}
