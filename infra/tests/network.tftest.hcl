mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["a", "b", "c", "d"] }
  }
}

variables {
  name         = "asr"
  cidr         = "10.0.0.0/16"
  nat_per_zone = true
  kms_key_arn  = "arn:aws:kms:ap-southeast-1:123456789012:key/1"
}

run "three_zones_each_with_a_way_out_of_its_own" {
  module {
    source = "./modules/network"
  }
  assert {
    condition     = [for s in aws_subnet.private : s.availability_zone] == ["a", "b", "c"]
    error_message = "A private subnet in each of three zones."
  }
  assert {
    condition     = length(distinct(concat(aws_subnet.private[*].cidr_block, aws_subnet.public[*].cidr_block))) == 6
    error_message = "No two subnets have the same addresses."
  }
  assert {
    condition     = [for r in aws_route.private : r.nat_gateway_id] == aws_nat_gateway.this[*].id && length(distinct(aws_nat_gateway.this[*].id)) == 3
    error_message = "The loss of a zone leaves the others their way out."
  }
  assert {
    condition     = aws_nat_gateway.this[*].subnet_id == aws_subnet.public[*].id
    error_message = "NAT gateways are in public subnets."
  }
  assert {
    condition     = alltrue([for s in aws_subnet.private : s.tags["kubernetes.io/role/internal-elb"] == "1"])
    error_message = "Load balancers find their subnets by these tags."
  }
  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_cloudwatch_log_group.flow.kms_key_id == var.kms_key_arn
    error_message = "All traffic is logged, encrypted."
  }
  assert {
    condition     = aws_default_security_group.none.vpc_id == aws_vpc.this.id && aws_default_security_group.none.ingress == null && aws_default_security_group.none.egress == null
    error_message = "The default group lets nothing through."
  }
}

run "one_way_out_for_all_where_that_is_wanted" {
  module {
    source = "./modules/network"
  }
  variables {
    nat_per_zone = false
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(distinct(aws_route.private[*].nat_gateway_id)) == 1
    error_message = "One NAT gateway, and every zone uses it."
  }
}
