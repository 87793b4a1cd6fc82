#!/usr/bin/env bash
# check.sh BIN: format, lint, types. Silent when all is well. Import rules, generated files and
# pictures are tests (tests/unit/test_architecture.py).
set -euo pipefail
bin=$1
"$bin/ruff" format --check -q . >/dev/null || {
  "$bin/ruff" format --check . 2>&1 | grep '^Would\|^unformatted\|-->' >&2
  echo "check: run \`make format\`" >&2
  exit 1
}
"$bin/ruff" check -q .
"$bin/mypy" --no-error-summary
