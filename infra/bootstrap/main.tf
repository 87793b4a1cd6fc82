# The bucket that holds Terraform's state. Its own state stays local: it is made once.
resource "aws_kms_key" "state" {
  # checkov:skip=CKV2_AWS_64:the default policy leaves it to IAM of this account, which is meant
  description             = "Terraform state"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_s3_bucket" "state" {
  # checkov:skip=CKV_AWS_18:CloudTrail data events say who read what, without another bucket
  # checkov:skip=CKV2_AWS_62:nothing waits for events of this bucket
  # checkov:skip=CKV_AWS_144:versions protect the state; a lost region is built anew with its own
  # checkov:skip=CKV2_AWS_61:old versions of the state are few, small, and wanted
  bucket = var.bucket
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.state.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
  depends_on = [aws_s3_bucket_public_access_block.state]
}

# Terraform's DynamoDB locking is deprecated; only for those who still run the seed's.
resource "aws_dynamodb_table" "lock" {
  count        = var.lock_table == null ? 0 : 1
  name         = var.lock_table
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "LockID"
  attribute {
    name = "LockID"
    type = "S"
  }
  point_in_time_recovery {
    enabled = true
  }
  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.state.arn
  }
}

output "backend" {
  description = "Contents of infra/backend.hcl."
  value = join("\n", concat([
    "bucket = \"${var.bucket}\"",
    "key = \"asr/terraform.tfstate\"",
    "region = \"${var.region}\"",
    "encrypt = true",
    ], var.lock_table == null ? ["use_lockfile = true"] : ["dynamodb_table = \"${var.lock_table}\""]
  ))
}
