# The checkpoints: workers read the file system, the upload machine writes it.
resource "aws_efs_file_system" "models" {
  creation_token  = "${var.name}-models"
  encrypted       = true
  kms_key_id      = var.kms_key_arn
  throughput_mode = "elastic"
  tags            = { Name = "${var.name}-models" }
}

resource "aws_efs_backup_policy" "models" {
  file_system_id = aws_efs_file_system.models.id
  backup_policy {
    status = "ENABLED"
  }
}

resource "aws_security_group" "efs" {
  name        = "${var.name}-efs"
  description = "NFS to the checkpoints"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "nfs" {
  for_each                     = var.clients
  security_group_id            = aws_security_group.efs.id
  description                  = "NFS from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
}

resource "aws_efs_mount_target" "models" {
  count           = 3
  file_system_id  = aws_efs_file_system.models.id
  subnet_id       = var.subnets[count.index]
  security_groups = [aws_security_group.efs.id]
}

# Writes through it belong to the user that workers run as.
resource "aws_efs_access_point" "models" {
  file_system_id = aws_efs_file_system.models.id
  posix_user {
    uid = 10001
    gid = 10001
  }
  root_directory {
    path = "/models"
    creation_info {
      owner_uid   = 10001
      owner_gid   = 10001
      permissions = "0755"
    }
  }
}

resource "aws_iam_role" "csi" {
  name = "${var.name}-efs-csi"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["sts:AssumeRole", "sts:TagSession"], Principal = { Service = "pods.eks.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "csi" {
  role       = aws_iam_role.csi.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEFSCSIDriverPolicy"
}

resource "aws_eks_addon" "csi" {
  cluster_name = var.cluster
  addon_name   = "aws-efs-csi-driver"
  pod_identity_association {
    role_arn        = aws_iam_role.csi.arn
    service_account = "efs-csi-controller-sa"
  }
}
