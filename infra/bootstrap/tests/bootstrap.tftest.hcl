# Planned, not applied: what is protected from being destroyed cannot be taken down after a test.
# tests/deploy applies it without that protection.
mock_provider "aws" {
  override_during = plan
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:ap-southeast-1:123456789012:key/1" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { id = "state", arn = "arn:aws:s3:::state" }
  }
}

variables {
  bucket = "asr-state-123456789012"
}

run "a_bucket_with_a_lock_file_of_its_own" {
  command = plan
  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled"
    error_message = "A state that was overwritten can be had back."
  }
  assert {
    condition     = alltrue([for key in ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"] : aws_s3_bucket_public_access_block.state[key]])
    error_message = "Nothing of it is public."
  }
  assert {
    condition     = aws_s3_bucket_server_side_encryption_configuration.state.rule[0].apply_server_side_encryption_by_default[0].kms_master_key_id == aws_kms_key.state.arn
    error_message = "It is encrypted with a key of its own."
  }
  assert {
    condition     = jsondecode(aws_s3_bucket_policy.state.policy).Statement[0].Effect == "Deny" && jsondecode(aws_s3_bucket_policy.state.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "Without TLS nobody reads it."
  }
  assert {
    condition     = aws_kms_key.state.enable_key_rotation
    error_message = "The key rotates."
  }
  assert {
    condition     = length(aws_dynamodb_table.lock) == 0 && strcontains(output.backend, "use_lockfile = true") && !strcontains(output.backend, "dynamodb_table")
    error_message = "Locks are S3's own."
  }
}

run "the_seeds_lock_table" {
  command = plan
  variables {
    lock_table = "terraform-lock"
  }
  assert {
    condition     = aws_dynamodb_table.lock[0].hash_key == "LockID" && aws_dynamodb_table.lock[0].server_side_encryption[0].kms_key_arn == aws_kms_key.state.arn && aws_dynamodb_table.lock[0].point_in_time_recovery[0].enabled
    error_message = "The table is as Terraform wants it, and encrypted."
  }
  assert {
    condition     = strcontains(output.backend, "dynamodb_table = \"terraform-lock\"") && !strcontains(output.backend, "use_lockfile")
    error_message = "The backend is told of it."
  }
}

run "no_bucket_has_such_a_name" {
  command = plan
  variables {
    bucket = "Asr_State"
  }
  expect_failures = [var.bucket]
}
