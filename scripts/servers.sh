#!/usr/bin/env bash
# servers.sh BIN: make sure the tests find a RabbitMQ and a Redis: from the environment, from a
# Docker daemon, from programs on this machine; on a Debian machine as root it installs them.
set -euo pipefail
read -r -a missing <<<"$("$1/python" -m tests.servers --missing)"
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "servers: no ${missing[*]}: install, start Docker, or set ASR_BROKER_URL and ASR_REDIS_URL" >&2
  exit 1
fi
echo "servers: installing ${missing[*]} ..." >&2
export DEBIAN_FRONTEND=noninteractive
# The tests start private ones; the packages must not start any of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
log=$(mktemp)
{ apt-get -qq update && apt-get -qq install -y --no-install-recommends "${missing[@]}"; } \
  >"$log" 2>&1 </dev/null || { cat "$log" >&2; exit 1; }
rm -f "$log"
