#!/usr/bin/env bash
# servers.sh: make sure the tests find a RabbitMQ and a Redis: from the environment, from a
# Docker daemon, from programs on this machine; on a Debian machine as root it installs them.
set -euo pipefail
[ -n "${ASR_BROKER_URL:-}" ] && [ -n "${ASR_REDIS_URL:-}" ] && exit 0
docker info >/dev/null 2>&1 && exit 0
missing=()
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing+=(rabbitmq-server)
command -v redis-server >/dev/null || command -v valkey-server >/dev/null || missing+=(redis-server)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "servers: installing ${missing[*]} ..." >&2
  export DEBIAN_FRONTEND=noninteractive
  # The tests start private ones; the packages must not start any of their own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get -qq update >/dev/null
  apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "servers: ${missing[*]} missing: install them, start Docker, or set ASR_BROKER_URL and ASR_REDIS_URL" >&2
  exit 1
fi
