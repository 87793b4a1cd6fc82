# The machine that puts checkpoints on EFS, with the user's own key: no private key is in the state.
data "aws_ssm_parameter" "ami" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

resource "aws_key_pair" "this" {
  key_name   = "${var.name}-uploader"
  public_key = var.public_key
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each          = var.ssh_cidrs
  security_group_id = var.security_group
  description       = "SSH from an operator"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
}

resource "aws_vpc_security_group_egress_rule" "out" {
  security_group_id = var.security_group
  description       = "Packages, SSM and EFS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_iam_role" "this" {
  name = "${var.name}-uploader"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "ssm" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "this" {
  name = "${var.name}-uploader"
  role = aws_iam_role.this.name
}

resource "aws_instance" "this" {
  # checkov:skip=CKV_AWS_88:operators copy models to it by scp, from the networks in ssh_cidrs only
  ami                         = data.aws_ssm_parameter.ami.value
  instance_type               = var.instance_type
  key_name                    = aws_key_pair.this.key_name
  subnet_id                   = var.subnet
  vpc_security_group_ids      = [var.security_group]
  associate_public_ip_address = true
  iam_instance_profile        = aws_iam_instance_profile.this.name
  monitoring                  = true
  ebs_optimized               = true
  user_data_replace_on_change = true # it is read at the first start only, and names the file system
  user_data                   = <<-EOT
    #!/bin/bash
    dnf install -y amazon-efs-utils
    mkdir -p /mnt/efs
    echo '${var.efs_id}:/ /mnt/efs efs _netdev,tls,accesspoint=${var.access_point} 0 0' >> /etc/fstab
    mount /mnt/efs
  EOT
  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }
  root_block_device {
    encrypted   = true
    volume_type = "gp3"
    volume_size = 50
  }
  lifecycle {
    ignore_changes = [ami]
  }
  tags = { Name = "${var.name}-uploader" }
}
