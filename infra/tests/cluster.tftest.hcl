mock_provider "aws" {}

variables {
  name               = "asr"
  kubernetes_version = "1.34"
  subnets            = ["subnet-a", "subnet-b", "subnet-c"]
  api_cidrs          = []
  kms_key_arn        = "arn:aws:kms:ap-southeast-1:123456789012:key/1"
  general            = { instance_types = ["m6i.2xlarge"], min = 3, max = 12 }
  gpu                = { instance_types = ["g5.xlarge"], min = 0, max = 4 }
}

run "the_api_is_the_vpcs_alone_unless_somebody_is_named" {
  module {
    source = "./modules/cluster"
  }
  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_private_access && !aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    error_message = "Nobody outside reaches the API."
  }
  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].resources == tolist(["secrets"]) && aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == var.kms_key_arn
    error_message = "Secrets are encrypted with our key."
  }
  assert {
    condition     = contains(aws_eks_cluster.this.enabled_cluster_log_types, "audit")
    error_message = "Who did what is kept."
  }
  assert {
    condition     = aws_cloudwatch_log_group.control_plane.name == "/aws/eks/${aws_eks_cluster.this.name}/cluster"
    error_message = "The group is the one that EKS writes to; else it makes one of its own, unencrypted."
  }
}

run "whoever_is_named_reaches_it" {
  module {
    source = "./modules/cluster"
  }
  variables {
    api_cidrs = ["192.0.2.1/32"]
  }
  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_public_access && aws_eks_cluster.this.vpc_config[0].public_access_cidrs == tolist(["192.0.2.1/32"])
    error_message = "They, and nobody else."
  }
}

run "pools" {
  module {
    source = "./modules/cluster"
  }
  assert {
    condition     = aws_eks_node_group.general.subnet_ids == tolist(var.subnets) && aws_eks_node_group.general.scaling_config[0].min_size == 3
    error_message = "The general pool has a node in each zone."
  }
  assert {
    condition     = aws_eks_node_group.gpu.taint[0].key == "nvidia.com/gpu" && aws_eks_node_group.gpu.taint[0].effect == "NO_SCHEDULE" && aws_eks_node_group.gpu.labels["asr/pool"] == "gpu"
    error_message = "Only GPU workers run on GPU nodes."
  }
  assert {
    condition     = aws_eks_node_group.gpu.scaling_config[0].desired_size == 0
    error_message = "No GPU is paid for before one is needed."
  }
  assert {
    condition     = aws_launch_template.node.metadata_options[0].http_tokens == "required" && aws_launch_template.node.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "A pod cannot take the node's role."
  }
  assert {
    condition     = aws_launch_template.node.block_device_mappings[0].ebs[0].encrypted
    error_message = "The nodes' disks are encrypted."
  }
  assert {
    condition     = jsondecode(aws_eks_addon.vpc_cni.configuration_values).enableNetworkPolicy == "true"
    error_message = "Something enforces the NetworkPolicies of k8s/."
  }
  assert {
    condition     = toset([for a in aws_iam_role_policy_attachment.node : a.policy_arn]) == toset([for p in ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"] : "arn:aws:iam::aws:policy/${p}"])
    error_message = "Nodes may pull images, and not push them."
  }
}
