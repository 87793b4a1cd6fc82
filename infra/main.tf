data "aws_caller_identity" "me" {}

resource "aws_kms_key" "asr" {
  description             = "Secrets, models, recordings, images and logs of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
        Resource  = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:${var.region}:${data.aws_caller_identity.me.account_id}:*" } }
      },
    ]
  })
}

module "network" {
  source       = "./modules/network"
  name         = var.name
  cidr         = var.cidr
  nat_per_zone = var.nat_per_zone
  kms_key_arn  = aws_kms_key.asr.arn
}

module "cluster" {
  source             = "./modules/cluster"
  name               = var.name
  kubernetes_version = var.kubernetes_version
  subnets            = module.network.private_subnets
  api_cidrs          = var.api_cidrs
  kms_key_arn        = aws_kms_key.asr.arn
  general            = var.general
  gpu                = var.gpu
}

resource "aws_security_group" "uploader" {
  # checkov:skip=CKV2_AWS_5:the module uploader attaches it, when there is a key
  name        = "${var.name}-uploader"
  description = "The machine for model uploads"
  vpc_id      = module.network.vpc_id
}

module "efs" {
  source      = "./modules/efs"
  name        = var.name
  cluster     = module.cluster.name
  vpc_id      = module.network.vpc_id
  subnets     = module.network.private_subnets
  clients     = { nodes = module.cluster.security_group, uploader = aws_security_group.uploader.id }
  kms_key_arn = aws_kms_key.asr.arn
}

module "ebs" {
  source  = "./modules/ebs"
  name    = var.name
  cluster = module.cluster.name
}

module "registry" {
  source      = "./modules/registry"
  kms_key_arn = aws_kms_key.asr.arn
}

module "storage" {
  source      = "./modules/storage"
  name        = var.name
  bucket      = "${var.name}-uploads-${data.aws_caller_identity.me.account_id}"
  cluster     = module.cluster.name
  kms_key_arn = aws_kms_key.asr.arn
  keep_days   = var.keep_days
}

module "uploader" {
  source         = "./modules/uploader"
  count          = var.uploader_public_key == null ? 0 : 1
  name           = var.name
  subnet         = module.network.public_subnets[0]
  security_group = aws_security_group.uploader.id
  public_key     = var.uploader_public_key
  ssh_cidrs      = var.ssh_cidrs
  instance_type  = "t3.small"
  efs_id         = module.efs.id
  access_point   = module.efs.access_point
}
