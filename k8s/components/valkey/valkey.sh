#!/bin/sh
# Start this pod's Valkey as what the sentinels say it is: the primary, or a replica of it.
set -eu
. "$(dirname "$0")/primary.sh"
umask 077
{
  echo "bind ${BIND:-* -::*}"
  echo "port $PORT"
  echo "dir $DATA"
  echo "appendonly yes"
  echo "appendfsync everysec"
  echo "requirepass $(cat "$PASSWORD_FILE")"
  echo "masterauth $(cat "$PASSWORD_FILE")"
  echo "replica-announce-ip $SELF"
  # A primary that nobody follows may be one that has been replaced and does not know it yet: what it
  # accepted would be lost. It refuses writes, and our commits wait.
  echo "min-replicas-to-write 1"
  echo "min-replicas-max-lag 5"
  echo "maxmemory-policy noeviction"
} >"$RUN/valkey.conf"
leader=$(primary)
[ "$leader" = "$SELF" ] || echo "replicaof $leader $PORT" >>"$RUN/valkey.conf"
exec valkey-server "$RUN/valkey.conf"
