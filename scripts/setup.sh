#!/usr/bin/env bash
# setup.sh PYTHON VENV: the virtual environment with everything a developer needs.
set -euo pipefail
python=$1 venv=$2
command -v "$python" >/dev/null || python=python3
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Python 3.11 or newer is needed; set PYTHON=" >&2; exit 1; }
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1
quiet() { grep -v '^WARNING: Location\|^ *DEPRECATION' || true; }
pip=("$venv/bin/python" -m pip install --quiet)
echo "setup: torch (a CPU build where one is offered) ..." >&2
# First and pinned: with no torch installed, NeMo's own requirement takes a build of gigabytes.
"${pip[@]}" 'torch==2.13.0' 2> >(quiet >&2)
echo "setup: NeMo, Celery and the rest ..." >&2
"${pip[@]}" -e '.[gateway,allocator,worker,media,nemo,cli,dev]' 2> >(quiet >&2)
echo "setup: done" >&2
