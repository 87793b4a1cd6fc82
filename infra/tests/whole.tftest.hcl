# The whole of infra/ against a provider that makes nothing: names, types, references, and the wiring.
mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["a", "b", "c", "d"] }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_efs_file_system" {
    defaults = { id = "fs-1" }
  }
  mock_resource "aws_efs_access_point" {
    defaults = { id = "fsap-1" }
  }
  mock_resource "aws_ecr_repository" {
    defaults = { repository_url = "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com/asr" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { id = "asr-uploads-123456789012" }
  }
  mock_resource "aws_instance" {
    defaults = { public_dns = "upload.example.org" }
  }
}

variables {
  hostname = "asr.example.org"
}

run "defaults_plan" {
  command = plan
  assert {
    condition     = aws_kms_key.asr.enable_key_rotation
    error_message = "The key rotates."
  }
  assert {
    condition     = length(module.uploader) == 0
    error_message = "Without a key there is no upload machine."
  }
}

run "defaults_apply" {
  assert {
    condition = output.kustomize_env == join("\n", [
      "EFS_ID=fs-1::fsap-1",
      "REGISTRY=123456789012.dkr.ecr.ap-southeast-1.amazonaws.com",
      "UPLOADS=s3://asr-uploads-123456789012/uploads",
      "HOSTNAME=asr.example.org",
      "VERSION=0.1.0",
      "",
    ])
    error_message = "The overlay is told of what was made."
  }
  assert {
    condition     = output.cluster == "asr"
    error_message = "The cluster has the prefix for a name."
  }
  assert {
    condition     = output.upload_host == null
    error_message = "There is no upload machine to name."
  }
}

run "an_upload_machine_with_a_key" {
  variables {
    uploader_public_key = "ssh-ed25519 AAAA someone"
    ssh_cidrs           = ["192.0.2.1/32"]
  }
  assert {
    condition     = output.upload_host == "upload.example.org"
    error_message = "It can be reached by its name."
  }
}

run "ssh_from_everywhere_is_refused" {
  command = plan
  variables {
    ssh_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.ssh_cidrs]
}

run "an_api_for_everybody_is_refused" {
  command = plan
  variables {
    api_cidrs = ["::/0"]
  }
  expect_failures = [var.api_cidrs]
}

run "two_nodes_are_too_few" {
  command = plan
  variables {
    general = { instance_types = ["m6i.2xlarge"], min = 2, max = 3 }
  }
  expect_failures = [var.general]
}

run "a_gpu_pool_that_can_have_no_node_is_refused" {
  command = plan
  variables {
    gpu = { instance_types = ["g5.xlarge"], min = 0, max = 0 }
  }
  expect_failures = [var.gpu]
}

run "a_network_that_is_too_small_is_refused" {
  command = plan
  variables {
    cidr = "10.0.0.0/24"
  }
  expect_failures = [var.cidr]
}

run "a_name_that_no_bucket_can_have_is_refused" {
  command = plan
  variables {
    name = "ASR"
  }
  expect_failures = [var.name]
}

run "recordings_that_are_gone_at_once_are_refused" {
  command = plan
  variables {
    keep_days = 0
  }
  expect_failures = [var.keep_days]
}
