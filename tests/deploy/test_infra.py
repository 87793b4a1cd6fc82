"""What Terraform would make: read with a parser, and checked with its own tools where they are."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import hcl2
import pytest

from tests.deploy.manifests import ROOT, Manifests
from tests.deploy.terraform import INFRA, Terraform
from tests.deploy.tools import tool


def resources(folder: str, kind: str) -> list[dict[str, Any]]:
    """Every resource of a kind in a folder of infra/, or fail: no check is of nothing."""
    found = [
        body
        for file in sorted((INFRA / folder).glob("*.tf"))
        for block in hcl2.loads(file.read_text("utf-8")).get("resource", [])
        for label, named in block.items()
        if label.strip('"') == kind
        for body in named.values()
        if isinstance(body, dict)
    ]
    assert found, f"no {kind} in {folder}"
    return found


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a tool in infra/, or skip."""
    program = tool(name)
    if program is None:
        pytest.skip(f"no {name}")
    return subprocess.run(
        [program, *arguments], cwd=INFRA, capture_output=True, text=True, timeout=150, check=False
    )


@pytest.mark.parametrize("folder", ["bootstrap", "modules/storage"])
def test_buckets_are_private_and_encrypted_and_keep_versions(folder: str) -> None:
    [block] = resources(folder, "aws_s3_bucket_public_access_block")
    for key in ("block_public_acls", "block_public_policy", "ignore_public_acls"):
        assert block[key] is True
    assert block["restrict_public_buckets"] is True
    [versioning] = resources(folder, "aws_s3_bucket_versioning")
    assert "Enabled" in str(versioning["versioning_configuration"])
    [encryption] = resources(folder, "aws_s3_bucket_server_side_encryption_configuration")
    assert "aws:kms" in str(encryption)
    [policy] = resources(folder, "aws_s3_bucket_policy")
    assert "aws:SecureTransport" in policy["policy"]


def test_images_cannot_be_replaced_and_are_scanned() -> None:
    [repository] = resources("modules/registry", "aws_ecr_repository")
    names = set(re.findall(r"asr-[a-z-]+", repository["for_each"]))
    assert names == {"asr-gateway", "asr-allocator", "asr-worker", "asr-worker-cuda", "asr-flower"}
    assert repository["image_tag_mutability"].strip('"') == "IMMUTABLE"
    assert repository["image_scanning_configuration"][0]["scan_on_push"] is True


def test_secrets_of_the_cluster_are_encrypted() -> None:
    [cluster] = resources("modules/cluster", "aws_eks_cluster")
    assert cluster["encryption_config"][0]["resources"] == ['"secrets"']


def test_the_gpu_pool_is_as_the_overlay_wants_it() -> None:
    [pool] = [
        p
        for p in resources("modules/cluster", "aws_eks_node_group")
        if "gpu" in p["node_group_name"]
    ]
    assert "asr/pool" in str(pool["labels"])
    assert pool["taint"][0]["key"].strip('"') == "nvidia.com/gpu"


def test_nobody_comes_in_from_everywhere() -> None:
    for folder in ("modules/uploader", "modules/efs"):
        for rule in resources(folder, "aws_vpc_security_group_ingress_rule"):
            assert "0.0.0.0/0" not in str(rule)
    [machine] = resources("modules/uploader", "aws_instance")
    assert machine["metadata_options"][0]["http_tokens"].strip('"') == "required"
    assert machine["root_block_device"][0]["encrypted"] is True


def test_the_output_has_the_lines_of_the_overlay() -> None:
    env = (ROOT / "k8s/overlays/eks/infra/infra.env").read_text("utf-8")
    wanted = re.findall(r"^([A-Z_]+)=", env, re.M)
    text = (INFRA / "outputs.tf").read_text("utf-8")
    assert re.findall(r'"([A-Z_]+)=', text) == wanted
    assert 'output "registry"' in text


def test_terraform_is_formatted() -> None:
    done = run("terraform", "fmt", "-check", "-recursive")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def terraform(tmp_path: Path) -> Terraform:
    return Terraform.on_a_copy(tmp_path)


@pytest.mark.parametrize("folder", [".", "bootstrap"])
def test_terraform_plans_and_applies_it(terraform: Terraform, folder: str) -> None:
    terraform.must(folder, "init", "-backend=false")
    terraform.must(folder, "validate")
    terraform.must(folder, "test")


def test_the_state_bucket_can_be_applied_too(terraform: Terraform) -> None:
    """What is protected cannot be taken down after a test: so without that protection, here."""
    folder = terraform.folder / "bootstrap"
    main, tests = folder / "main.tf", folder / "tests" / "bootstrap.tftest.hcl"
    bare, protections = re.subn(r"prevent_destroy = true", "", main.read_text("utf-8"))
    assert protections == 1
    main.write_text(bare, "utf-8")
    # Values that are invented for a plan would be invented anew for its apply.
    text = tests.read_text("utf-8").replace("override_during = plan", "")
    runs = re.split(r"(?m)^(?=run )", text)
    applied = [r if "expect_failures" in r else r.replace("command = plan", "") for r in runs]
    assert len([run for run in applied if "command = plan" not in run]) == 3  # the head is one
    tests.write_text("".join(applied), "utf-8")
    terraform.must("bootstrap", "init", "-backend=false")
    terraform.must("bootstrap", "test")


MISTAKES = {
    "an argument": 'resource "aws_vpc" "a" { cidr_blok = "10.0.0.0/16" }',
    "a type": 'resource "aws_vpc" "b" { enable_dns_support = "maybe" }',
    "a missing block": 'resource "aws_eks_cluster" "c" { name = "a", role_arn = "b" }',
    "an attribute": 'output "d" { value = aws_kms_key.asr.idd }',
    "a data source's argument": 'data "aws_availability_zones" "e" { stat = "available" }',
    "an argument of a block": 'resource "aws_eip" "f" { timeouts { red = "1m" } }',
}


def test_the_stand_in_knows_the_provider(terraform: Terraform) -> None:
    terraform.must(".", "init", "-backend=false")
    for number, text in enumerate(MISTAKES.values()):
        text = text.replace("{ ", "{\n").replace(" }", "\n}").replace(", ", "\n")
        (terraform.folder / f"wrong{number}.tf").write_text(text, "utf-8")
    done = terraform(".", "validate", "-json")
    found = {one["range"]["filename"] for one in json.loads(done.stdout)["diagnostics"]}
    assert found == {f"wrong{number}.tf" for number in range(len(MISTAKES))}


def test_every_module_has_tests() -> None:
    tests = "\n".join(one.read_text("utf-8") for one in (INFRA / "tests").glob("*.hcl"))
    modules = {one.name for one in (INFRA / "modules").iterdir()}
    assert set(re.findall(r'source = "\./modules/(\w+)"', tests)) == modules


@pytest.mark.parametrize("folder", [".", "bootstrap"])
def test_every_rule_for_a_variable_is_seen_to_refuse_something(folder: str) -> None:
    ruled = {
        label.strip('"')
        for block in hcl2.loads((INFRA / folder / "variables.tf").read_text("utf-8"))["variable"]
        for label, body in block.items()
        if "validation" in body
    }
    tests = "\n".join(one.read_text("utf-8") for one in (INFRA / folder / "tests").glob("*.hcl"))
    assert ruled
    assert set(re.findall(r"expect_failures = \[var\.(\w+)\]", tests)) == ruled


def test_the_volume_has_the_form_that_terraform_gives_it(eks: Manifests) -> None:
    [volume] = eks.of("PersistentVolume")
    handle = volume["spec"]["csi"]["volumeHandle"]
    assert re.fullmatch(r"fs-[0-9a-f]{17}::fsap-[0-9a-f]{17}", handle)


def test_the_guide_names_variables_and_outputs_that_there_are() -> None:
    guide = (ROOT / "docs/eks.md").read_text("utf-8")
    [written] = re.findall(r"```hcl\n(.*?)```", guide, re.S)
    named = set(re.findall(r"^ *(\w+) +=", written, re.M))
    variables = {
        label.strip('"'): body
        for block in hcl2.loads((INFRA / "variables.tf").read_text("utf-8"))["variable"]
        for label, body in block.items()
    }
    needed = {name for name, body in variables.items() if "default" not in body}
    assert needed <= named <= variables.keys()
    outputs = set(re.findall(r'^output "(\w+)"', (INFRA / "outputs.tf").read_text("utf-8"), re.M))
    assert set(re.findall(r"-chdir=infra output -raw (\w+)", guide)) == outputs


def test_the_policies_hold_but_for_what_is_excused_with_a_reason() -> None:
    done = run("checkov", "-d", ".", "--framework", "terraform", "--compact", "--quiet",
               "--skip-download")  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    for file in INFRA.rglob("*.tf"):
        for reason in re.findall(r"checkov:skip=\w+(.*)", file.read_text("utf-8")):
            assert re.fullmatch(r":\S.{20,}", reason), file
