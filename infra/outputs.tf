output "registry" {
  description = "The registry's host, to tag images with."
  value       = module.registry.host
}

output "kustomize_env" {
  description = "Contents of k8s/overlays/eks/infra/infra.env."
  value = join("\n", [
    "EFS_ID=${module.efs.id}::${module.efs.access_point}",
    "REGISTRY=${module.registry.host}",
    "UPLOADS=${module.storage.url}",
    "HOSTNAME=${var.hostname}",
    "VERSION=${var.image_version}",
    "",
  ])
}

output "cluster" {
  description = "The cluster's name, for aws eks update-kubeconfig."
  value       = module.cluster.name
}

output "vpc" {
  description = "The VPC, for the load balancer controller."
  value       = module.network.vpc_id
}

output "upload_host" {
  description = "The machine for model uploads, if there is one."
  value       = one(module.uploader[*].host)
}
