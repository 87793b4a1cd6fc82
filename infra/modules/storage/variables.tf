variable "name" {
  description = "Prefix of names."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket."
  type        = string
}

variable "cluster" {
  description = "The cluster."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the recordings."
  type        = string
}

variable "keep_days" {
  description = "Days until a recording is deleted."
  type        = number
}

output "url" {
  description = "Where uploads go, as ASR_UPLOADS wants it."
  value       = "s3://${aws_s3_bucket.uploads.id}/uploads"
}
