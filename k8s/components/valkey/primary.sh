# primary.sh (sourced): who is primary, as far as anybody knows.
# SELF, FIRST: addresses of this node and of the one that is primary at the very first start;
# SENTINELS: where any sentinel answers; PORT, SENTINEL_PORT; DATA: the folder on this node's disk.

# Empty when no sentinel answers. One that answers after all others have started anew knows from its disk.
asked() {
  timeout 3 valkey-cli -h "$SENTINELS" -p "$SENTINEL_PORT" \
    sentinel get-master-addr-by-name asr 2>/dev/null | head -n 1 || true
}

# What this node's own sentinel wrote down last.
remembered() {
  sed -n 's/^sentinel monitor asr \([^ ]*\) .*/\1/p' "$DATA/sentinel.conf" 2>/dev/null || true
}

primary() {
  found=$(asked)
  [ -n "$found" ] || found=$(remembered)
  echo "${found:-$FIRST}"
}
