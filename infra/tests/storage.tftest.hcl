mock_provider "aws" {
  mock_resource "aws_s3_bucket" {
    defaults = { id = "asr-uploads", arn = "arn:aws:s3:::asr-uploads" }
  }
  mock_resource "aws_efs_file_system" {
    defaults = { id = "fs-1" }
  }
}

variables {
  name        = "asr"
  cluster     = "asr"
  kms_key_arn = "arn:aws:kms:ap-southeast-1:123456789012:key/1"
}

run "recordings_are_private_and_do_not_stay" {
  module {
    source = "./modules/storage"
  }
  variables {
    bucket    = "asr-uploads"
    keep_days = 1
  }
  assert {
    condition     = alltrue([for key in ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"] : aws_s3_bucket_public_access_block.uploads[key]])
    error_message = "Nothing of it is public."
  }
  assert {
    condition     = jsondecode(aws_s3_bucket_policy.uploads.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false" && jsondecode(aws_s3_bucket_policy.uploads.policy).Statement[0].Effect == "Deny"
    error_message = "Without TLS nobody reads it."
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.uploads.rule[0].expiration[0].days == 1 && aws_s3_bucket_lifecycle_configuration.uploads.rule[0].status == "Enabled"
    error_message = "A recording is deleted after a day."
  }
  assert {
    condition     = alltrue([for s in jsondecode(aws_iam_role_policy.uploads.policy).Statement : s.Resource != "*" && !contains(s.Action, "s3:*")])
    error_message = "The role may do what it needs, on this bucket alone."
  }
  assert {
    condition     = toset([for a in aws_eks_pod_identity_association.uploads : a.service_account]) == toset(["asr-gateway", "asr-batch"])
    error_message = "Gateways and batch workers, and nobody else."
  }
  assert {
    condition     = aws_s3_bucket_versioning.uploads.versioning_configuration[0].status == "Enabled" && aws_s3_bucket_server_side_encryption_configuration.uploads.rule[0].apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_arn
    error_message = "Each is kept until its day is over, encrypted with our key."
  }
  assert {
    condition     = output.url == "s3://asr-uploads/uploads"
    error_message = "The overlay is told where uploads go."
  }
}

run "checkpoints" {
  module {
    source = "./modules/efs"
  }
  variables {
    vpc_id  = "vpc-1"
    subnets = ["subnet-a", "subnet-b", "subnet-c"]
    clients = { nodes = "sg-nodes", uploader = "sg-uploader" }
  }
  assert {
    condition     = aws_efs_file_system.models.encrypted && aws_efs_file_system.models.kms_key_id == var.kms_key_arn
    error_message = "Models are encrypted with our key."
  }
  assert {
    condition     = tolist(aws_efs_mount_target.models[*].subnet_id) == tolist(var.subnets)
    error_message = "A mount target in each zone."
  }
  assert {
    condition     = alltrue([for r in aws_vpc_security_group_ingress_rule.nfs : r.from_port == 2049 && r.to_port == 2049 && r.cidr_ipv4 == null])
    error_message = "NFS from two groups, and from no address."
  }
  assert {
    condition     = aws_efs_access_point.models.posix_user[0].uid == 10001 && aws_efs_access_point.models.root_directory[0].creation_info[0].owner_uid == 10001
    error_message = "What is uploaded belongs to the user that workers run as."
  }
  assert {
    condition     = aws_eks_addon.csi.addon_name == "aws-efs-csi-driver" && aws_eks_addon.csi.pod_identity_association[0].service_account == "efs-csi-controller-sa" && aws_eks_addon.csi.pod_identity_association[0].role_arn == aws_iam_role.csi.arn
    error_message = "The driver has its role."
  }
  assert {
    condition     = aws_efs_backup_policy.models.backup_policy[0].status == "ENABLED"
    error_message = "Models are backed up."
  }
}

run "disks" {
  module {
    source = "./modules/ebs"
  }
  assert {
    condition     = aws_eks_addon.csi.addon_name == "aws-ebs-csi-driver" && aws_eks_addon.csi.pod_identity_association[0].service_account == "ebs-csi-controller-sa" && aws_eks_addon.csi.pod_identity_association[0].role_arn == aws_iam_role.csi.arn
    error_message = "The driver has its role."
  }
}

run "images" {
  module {
    source = "./modules/registry"
  }
  assert {
    condition     = alltrue([for r in aws_ecr_repository.this : r.image_tag_mutability == "IMMUTABLE" && r.image_scanning_configuration[0].scan_on_push && r.encryption_configuration[0].kms_key == var.kms_key_arn])
    error_message = "A version names one image for ever; each is scanned, and encrypted."
  }
  assert {
    condition     = toset([for p in aws_ecr_lifecycle_policy.this : p.repository]) == toset([for r in aws_ecr_repository.this : r.name])
    error_message = "Old images go, in every repository."
  }
}

run "the_upload_machine" {
  module {
    source = "./modules/uploader"
  }
  variables {
    subnet         = "subnet-a"
    security_group = "sg-uploader"
    public_key     = "ssh-ed25519 AAAA someone"
    ssh_cidrs      = ["192.0.2.1/32"]
    instance_type  = "t3.small"
    efs_id         = "fs-1"
    access_point   = "fsap-1"
  }
  assert {
    condition     = strcontains(aws_instance.this.user_data, "fs-1:/ /mnt/efs efs _netdev,tls,accesspoint=fsap-1")
    error_message = "It mounts the checkpoints, over TLS, as the workers' user."
  }
  assert {
    condition     = aws_instance.this.user_data_replace_on_change
    error_message = "Another file system means another machine: it mounts what its first start named."
  }
  assert {
    condition     = aws_instance.this.metadata_options[0].http_tokens == "required" && aws_instance.this.root_block_device[0].encrypted
    error_message = "IMDSv2, and an encrypted disk."
  }
  assert {
    condition     = [for r in aws_vpc_security_group_ingress_rule.ssh : r.cidr_ipv4] == ["192.0.2.1/32"]
    error_message = "Whoever is named may use ssh, and nobody else."
  }
}
