mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["a", "b", "c"] }
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
}

run "ssh_from_everywhere_is_refused" {
  command = plan
  variables {
    ssh_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.ssh_cidrs]
}

run "two_nodes_are_too_few" {
  command = plan
  variables {
    general = { instance_types = ["m6i.2xlarge"], min = 2, max = 3 }
  }
  expect_failures = [var.general]
}
