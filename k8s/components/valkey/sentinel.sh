#!/bin/sh
# Start this pod's sentinel. What it learns is on the node's disk: after all pods have started anew the
# last primary is still known.
set -eu
. "$(dirname "$0")/primary.sh"
umask 077
if [ ! -s "$DATA/sentinel.conf" ]; then
  leader=$(primary)
  {
    echo "bind ${BIND:-* -::*}"
    echo "port $SENTINEL_PORT"
    echo "dir $RUN"
    echo "sentinel resolve-hostnames yes"
    echo "sentinel announce-hostnames yes"
    echo "sentinel announce-ip $SELF"
    echo "sentinel monitor asr $leader $PORT 2"
    echo "sentinel auth-pass asr $(cat "$PASSWORD_FILE")"
    echo "sentinel down-after-milliseconds asr 3000"
    echo "sentinel failover-timeout asr 15000"
    echo "sentinel parallel-syncs asr 1"
  } >"$DATA/sentinel.conf.new"
  mv "$DATA/sentinel.conf.new" "$DATA/sentinel.conf"
fi
exec valkey-server "$DATA/sentinel.conf" --sentinel
