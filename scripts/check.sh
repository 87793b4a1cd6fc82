#!/usr/bin/env bash
# check.sh BIN: format, lint, types, import contracts, generated files. Silent when all is well.
set -euo pipefail
bin=$1
"$bin/ruff" format --check -q . || { echo "check: run \`make format\`" >&2; exit 1; }
"$bin/ruff" check -q .
"$bin/mypy" --no-error-summary
"$bin/lint-imports" --no-logo >/tmp/lint-imports.$$ 2>&1 || { cat /tmp/lint-imports.$$ >&2; rm -f /tmp/lint-imports.$$; exit 1; }
rm -f /tmp/lint-imports.$$
