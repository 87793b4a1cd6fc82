"""The overlays, built once a run with the Kustomize that is in kubectl."""

from __future__ import annotations

import functools
import subprocess

import pytest

from tests.deploy.manifests import ROOT, Manifests
from tests.deploy.tools import tool


@functools.cache
def build(overlay: str) -> str:
    """An overlay as text, or the error that says why there is none."""
    kubectl = tool("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl: `make setup`, or `make tools`")
    done = subprocess.run(
        [kubectl, "kustomize", f"k8s/overlays/{overlay}"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session", params=["dev", "eks", "eks-gpu", "eks-nginx"])
def manifests(request: pytest.FixtureRequest) -> Manifests:
    """Each overlay that runs the system."""
    return Manifests.parse(request.param, build(request.param))


@pytest.fixture(scope="session")
def eks() -> Manifests:
    """The overlay for Amazon EKS."""
    return Manifests.parse("eks", build("eks"))


@pytest.fixture(scope="session")
def dev() -> Manifests:
    """The overlay for a laptop."""
    return Manifests.parse("dev", build("dev"))
