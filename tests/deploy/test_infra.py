"""What Terraform would make: read with a parser, and checked with its own tools where they are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hcl2
import pytest

from tests.deploy.manifests import ROOT
from tests.deploy.tools import tool, tools_folder

INFRA = ROOT / "infra"


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
def terraform(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Terraform on a copy of infra/, with the stand-in for the AWS provider; or skip."""
    program, rc = tool("terraform"), tools_folder() / "terraform.rc"
    if program is None or not rc.exists():
        pytest.skip("no terraform, or no stand-in for its AWS provider: `make tools`")
    copy = tmp_path / "infra"
    shutil.copytree(INFRA, copy, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))

    def run(folder: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, f"-chdir={copy / folder}", *arguments, "-no-color"],
            env=os.environ | {"TF_CLI_CONFIG_FILE": str(rc)},
            capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("folder", [".", "bootstrap"])
def test_terraform_plans_and_applies_it(
    terraform: Callable[..., subprocess.CompletedProcess[str]], folder: str
) -> None:
    for command in (["init", "-backend=false"], ["validate"], ["test"]):
        done = terraform(folder, *command)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "mistake",
    [
        'resource "aws_vpc" "wrong" { cidr_blok = "10.0.0.0/16" }',
        'resource "aws_vpc" "wrong" { enable_dns_support = "maybe" }',
        'resource "aws_eks_cluster" "wrong" { name = "a", role_arn = "b" }',
        'output "wrong" { value = aws_kms_key.asr.idd }',
    ],
)
def test_the_stand_in_knows_the_provider(
    terraform: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, mistake: str
) -> None:
    assert terraform(".", "init", "-backend=false").returncode == 0
    (tmp_path / "infra" / "wrong.tf").write_text(mistake, "utf-8")
    assert terraform(".", "validate").returncode != 0


def test_the_policies_hold_but_for_what_is_excused_with_a_reason() -> None:
    done = run("checkov", "-d", ".", "--framework", "terraform", "--compact", "--quiet",
               "--skip-download")  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    for file in INFRA.rglob("*.tf"):
        for reason in re.findall(r"checkov:skip=\w+(.*)", file.read_text("utf-8")):
            assert re.fullmatch(r":\S.{20,}", reason), file
