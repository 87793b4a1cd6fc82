variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "kubernetes_version" {
  description = "Kubernetes version."
  type        = string
}

variable "subnets" {
  description = "Private subnets."
  type        = list(string)
}

variable "api_cidrs" {
  description = "Who may reach the API from outside; empty: nobody."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Key that encrypts Secrets and logs."
  type        = string
}

variable "general" {
  description = "The general-purpose pool."
  type        = object({ instance_types = list(string), min = number, max = number })
}

variable "gpu" {
  description = "The GPU pool."
  type        = object({ instance_types = list(string), min = number, max = number })
}

output "name" {
  description = "The cluster's name, once nodes and Pod Identity are there."
  value       = aws_eks_cluster.this.name
  depends_on  = [aws_eks_addon.pod_identity]
}

output "security_group" {
  description = "The nodes' security group."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}
