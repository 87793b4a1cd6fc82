variable "kms_key_arn" {
  description = "Key of the images."
  type        = string
}

output "host" {
  description = "The registry, as in front of an image's name."
  value       = split("/", aws_ecr_repository.this["asr-gateway"].repository_url)[0]
}
