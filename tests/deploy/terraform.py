"""Terraform on a copy of infra/, with a stand-in for the AWS provider, and what it would make."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.tools import ROOT, tool, tools_folder

INFRA = ROOT / "infra"
Values = dict[str, Any]

# What belongs to somebody's own cluster: `terraform test`, too, would read the variables.
OWN = (".terraform*", "*.tfstate*", "*.tfvars", "backend.hcl")


@dataclass(frozen=True)
class Terraform:
    """The program, and the copy that it works on."""

    program: str
    config: Path
    folder: Path

    @classmethod
    def on_a_copy(cls, folder: Path) -> Terraform:
        """Copy infra/ into a folder; skip without the tools."""
        program, config = tool("terraform"), tools_folder() / "terraform.rc"
        if program is None or not config.exists():
            pytest.skip("no terraform, or no stand-in for its AWS provider: `make tools`")
        copy = folder / "infra"
        shutil.copytree(INFRA, copy, ignore=shutil.ignore_patterns(*OWN))
        return cls(program, config, copy)

    def __call__(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder of the copy."""
        return subprocess.run(
            [self.program, f"-chdir={self.folder / module}", *arguments, "-no-color"],
            env=os.environ | {"TF_CLI_CONFIG_FILE": str(self.config)},
            capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip

    def must(self, module: str, *arguments: str) -> str:
        """The same, and what it printed; or fail."""
        done = self(module, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@dataclass(frozen=True)
class Made:
    """What a run of Terraform's tests left behind; ids are invented, and differ from each other."""

    resources: dict[str, tuple[str, Values]]
    outputs: dict[str, str]

    @classmethod
    def by(cls, terraform: Terraform, file: str, run: str) -> Made:
        """Apply one file of tests, and keep what a run of it made."""
        terraform.must(".", "init", "-backend=false")
        for line in terraform.must(
            ".", "test", "-json", "-verbose", f"-filter=tests/{file}"
        ).splitlines():
            event = json.loads(line)
            if event["type"] == "test_state" and event["@testrun"] == run:
                state = event["test_state"]
                outputs = {name: one["value"] for name, one in state["outputs"].items()}
                return cls(dict(_resources(state["root_module"])), outputs)
        raise AssertionError(f"{file} has no run {run} that is applied")

    def of(self, kind: str) -> dict[str, Values]:
        """Every resource of a kind by its address, or fail: no check is of nothing."""
        found = {at: values for at, (one, values) in self.resources.items() if one == kind}
        assert found, kind
        return found

    def all(self, kind: str) -> list[Values]:
        """The same without the addresses."""
        return list(self.of(kind).values())

    def one(self, kind: str) -> Values:
        """The only resource of a kind."""
        [values] = self.all(kind)
        return values


def _resources(module: Values) -> list[tuple[str, tuple[str, Values]]]:
    here = [(one["address"], (one["type"], one["values"])) for one in module.get("resources", [])]
    below = [found for one in module.get("child_modules", []) for found in _resources(one)]
    return here + below
