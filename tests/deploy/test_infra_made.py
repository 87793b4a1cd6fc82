"""All of infra/, applied to a world that makes nothing: the wiring, and what k8s/ is told of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import build
from tests.deploy.manifests import ROOT, Manifests, container, pod
from tests.deploy.terraform import Made, Terraform
from tests.deploy.tools import tool

PODS = "pods.eks.amazonaws.com"
ROLES = {
    "asr-cluster": ("eks.amazonaws.com", {"AmazonEKSClusterPolicy"}),
    "asr-node": (
        "ec2.amazonaws.com",
        {"AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"},
    ),
    "asr-efs-csi": (PODS, {"AmazonEFSCSIDriverPolicy"}),
    "asr-ebs-csi": (PODS, {"AmazonEBSCSIDriverPolicy"}),
    "asr-uploader": ("ec2.amazonaws.com", {"AmazonSSMManagedInstanceCore"}),
    "asr-flow-logs": ("vpc-flow-logs.amazonaws.com", set[str]()),
    "asr-uploads": (PODS, set[str]()),
}
"""Whose each role is, and the policies of AWS that it has."""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Everything, the upload machine included."""
    terraform = Terraform.on_a_copy(tmp_path_factory.mktemp("made"))
    return Made.by(terraform, "whole.tftest.hcl", "an_upload_machine_with_a_key")


def statements(policy: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(policy)["Statement"]
    return found


def subnets_behind(made: Made, gateway: str) -> set[str]:
    """Subnets whose way to the internet is a gateway of that kind."""
    tables = {r["route_table_id"] for r in made.all("aws_route") if r.get(gateway)}
    links = made.all("aws_route_table_association")
    return {link["subnet_id"] for link in links if link["route_table_id"] in tables}


def test_nodes_and_checkpoints_are_private_and_in_three_zones(made: Made) -> None:
    private = subnets_behind(made, "nat_gateway_id")
    assert not private & subnets_behind(made, "gateway_id")
    zones = {s["availability_zone"] for s in made.all("aws_subnet") if s["id"] in private}
    assert len(zones) == len(private) == 3
    for pool in made.all("aws_eks_node_group"):
        assert set(pool["subnet_ids"]) == private
    assert set(made.one("aws_eks_cluster")["vpc_config"][0]["subnet_ids"]) == private
    assert sorted(t["subnet_id"] for t in made.all("aws_efs_mount_target")) == sorted(private)


def test_what_faces_the_internet_is_in_public_subnets(made: Made) -> None:
    public = subnets_behind(made, "gateway_id")
    assert len(public) == 3
    assert {nat["subnet_id"] for nat in made.all("aws_nat_gateway")} == public
    assert made.one("aws_instance")["subnet_id"] in public
    # Only the upload machine has an address of its own, and asks for it.
    assert not any(subnet.get("map_public_ip_on_launch") for subnet in made.all("aws_subnet"))


def test_whatever_keeps_data_is_encrypted_with_the_one_key(made: Made) -> None:
    keys = [one["kms_key_id"] for one in made.all("aws_cloudwatch_log_group")]
    keys += [
        one["encryption_configuration"][0]["kms_key"] for one in made.all("aws_ecr_repository")
    ]
    keys.append(made.one("aws_efs_file_system")["kms_key_id"])
    keys.append(made.one("aws_eks_cluster")["encryption_config"][0]["provider"][0]["key_arn"])
    bucket = made.one("aws_s3_bucket_server_side_encryption_configuration")["rule"][0]
    keys.append(bucket["apply_server_side_encryption_by_default"][0]["kms_master_key_id"])
    assert set(keys) == {made.one("aws_kms_key")["arn"]}
    assert made.one("aws_efs_file_system")["encrypted"] is True
    for template in made.all("aws_launch_template"):
        assert all(disk["ebs"][0]["encrypted"] for disk in template["block_device_mappings"])
    templates = {one["id"] for one in made.all("aws_launch_template")}
    for pool in made.all("aws_eks_node_group"):
        assert pool["launch_template"][0]["id"] in templates
    assert made.one("aws_instance")["root_block_device"][0]["encrypted"] is True


def test_every_bucket_is_closed_to_the_public(made: Made) -> None:
    [bucket] = made.all("aws_s3_bucket")
    block = made.one("aws_s3_bucket_public_access_block")
    assert block["bucket"] == bucket["id"]
    for key in ("block_public_acls", "block_public_policy", "ignore_public_acls"):
        assert block[key] is True
    assert block["restrict_public_buckets"] is True
    assert not bucket.get("force_destroy")


def test_no_policy_of_ours_has_a_wildcard_for_what_may_be_done_or_on_what(made: Made) -> None:
    for address, policy in made.of("aws_iam_role_policy").items():
        for one in statements(policy["policy"]):
            assert not any("*" in action for action in one["Action"]), address
            assert one["Resource"] != "*", address


def test_the_key_is_the_account_s_and_its_logs_alone(made: Made) -> None:
    root, logs = statements(made.one("aws_kms_key")["policy"])
    assert root["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert re.fullmatch(r"logs\.[a-z0-9-]+\.amazonaws\.com", logs["Principal"]["Service"])
    [log_groups] = logs["Condition"]["ArnLike"].values()
    assert ":123456789012:" in log_groups


def test_each_role_is_one_service_s_and_has_what_it_needs(made: Made) -> None:
    names = {role["name"]: role["name"] for role in made.all("aws_iam_role")}
    found: dict[str, tuple[str, set[str]]] = {}
    for role in made.all("aws_iam_role"):
        [trust] = statements(role["assume_role_policy"])
        assert set(trust["Principal"]) == {"Service"}
        found[role["name"]] = (trust["Principal"]["Service"], set())
    for attached in made.all("aws_iam_role_policy_attachment"):
        found[names[attached["role"]]][1].add(attached["policy_arn"].rsplit("/", 1)[1])
    assert found == ROLES


def test_every_role_for_pods_is_given_to_some(made: Made) -> None:
    given = {one["role_arn"] for one in made.all("aws_eks_pod_identity_association")}
    for addon in made.all("aws_eks_addon"):
        given |= {one["role_arn"] for one in addon["pod_identity_association"]}
    pods = {name for name, (service, _) in ROLES.items() if service == PODS}
    assert given == {r["arn"] for r in made.all("aws_iam_role") if r["name"] in pods}


def test_only_who_is_named_comes_in(made: Made) -> None:
    group = made.one("aws_instance")["vpc_security_group_ids"]
    nodes = made.one("aws_eks_cluster")["vpc_config"][0]["cluster_security_group_id"]
    rules = made.all("aws_vpc_security_group_ingress_rule")
    ssh = [rule for rule in rules if rule["from_port"] == 22]
    nfs = [rule for rule in rules if rule["from_port"] == 2049]
    assert len(ssh) + len(nfs) == len(rules)
    assert [rule["cidr_ipv4"] for rule in ssh] == ["192.0.2.1/32"]
    assert {rule["referenced_security_group_id"] for rule in nfs} == {nodes, *group}
    for target in made.all("aws_efs_mount_target"):
        assert target["security_groups"] == [rule["security_group_id"] for rule in nfs[:1]]


def test_gpu_workers_are_let_onto_the_gpu_pool_and_nobody_else_is(made: Made) -> None:
    [pool] = [p for p in made.all("aws_eks_node_group") if p["node_group_name"] == "gpu"]
    [taint] = pool["taint"]
    assert taint["effect"] == "NO_SCHEDULE"
    manifests = Manifests.parse("eks-gpu", build("eks-gpu"))
    workers = {one["metadata"]["name"] for one in manifests.worker_sets()}
    for one in manifests.workloads():
        tolerated = {t["key"]: t["effect"] for t in pod(one).get("tolerations", [])}
        assert (tolerated.get(taint["key"]) == "NoSchedule") == (one["metadata"]["name"] in workers)
        wanted = pod(one).get("nodeSelector", {})
        assert (wanted == pool["labels"]) == (one["metadata"]["name"] in workers)


def test_every_image_of_ours_has_a_repository_and_every_repository_an_image(made: Made) -> None:
    images = set[str]()
    for overlay in ("eks", "eks-gpu"):
        manifests = Manifests.parse(overlay, build(overlay))
        images |= {container(one)["image"] for _, one in manifests.ours()}
    names = {image.split("/")[1].split(":")[0] for image in images}
    assert names == {one["name"] for one in made.all("aws_ecr_repository")}


def test_who_may_use_the_bucket_is_who_uses_it(made: Made, eks: Manifests) -> None:
    users = {
        (one["metadata"]["namespace"], pod(one)["serviceAccountName"])
        for component, one in eks.ours()
        if component in {"gateway", "batch"}
    }
    given = made.all("aws_eks_pod_identity_association")
    assert {(one["namespace"], one["service_account"]) for one in given} == users


def test_the_drivers_are_those_of_the_volumes(made: Made, eks: Manifests) -> None:
    drivers = {one["spec"]["csi"]["driver"] for one in eks.of("PersistentVolume")}
    drivers |= {one["provisioner"] for one in eks.of("StorageClass")}
    addons = {one["addon_name"] for one in made.all("aws_eks_addon")}
    assert {f"aws-{name}-csi-driver" for name in ("efs", "ebs")} <= addons
    assert drivers == {"efs.csi.aws.com", "ebs.csi.aws.com"}


def test_what_is_uploaded_belongs_to_the_user_of_the_images(made: Made) -> None:
    [user] = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.M)
    [written] = made.one("aws_efs_access_point")["posix_user"]
    assert (str(written["uid"]), str(written["gid"])) == user


def test_the_overlay_takes_what_terraform_says(made: Made, tmp_path: Path) -> None:
    kubectl = tool("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl: `make setup`, or `make tools`")
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    env = tmp_path / "k8s/overlays/eks/infra/infra.env"
    env.write_text(made.outputs["kustomize_env"], "utf-8")
    built = subprocess.run(
        [kubectl, "kustomize", str(tmp_path / "k8s/overlays/eks")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    manifests = Manifests.parse("eks", built.stdout)
    # The driver's form for an access point: FILE-SYSTEM:SUBPATH:ACCESS-POINT.
    [volume] = manifests.of("PersistentVolume")
    assert volume["spec"]["csi"]["volumeHandle"] == "fs-1::fsap-1"
    for _, one in manifests.ours():
        assert container(one)["image"].startswith(made.outputs["registry"] + "/asr-")
    assert manifests.config("asr-settings")["data"]["ASR_UPLOADS"] == (
        "s3://asr-uploads-123456789012/uploads"
    )
    assert "asr.example.org" in json.dumps(manifests.of("Gateway", "HTTPRoute"))
