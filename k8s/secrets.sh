#!/usr/bin/env bash
# secrets.sh dev|eks: make the Secrets that the manifests refer to, with random passwords, in the namespace
# asr. What exists stays as it is. No password is printed, or written to a file.
#
#   rabbitmq-default-user  dev only (on EKS the RabbitMQ operator makes it): connection_string, default_user.conf
#   asr-redis              password, url (what our processes connect to), redis.conf
#   asr-api                api_keys, webhook_secret: of the HTTP API
#   asr-flower             flowerconfig.py: who may look, and with which password
#   asr-tls                eks: not made here; a certificate of your own, or of cert-manager
set -euo pipefail
overlay=${1:?dev or eks}
[[ $overlay == dev || $overlay == eks ]] || { echo "secrets: dev or eks, not $overlay" >&2; exit 2; }
namespace=asr
kubectl get namespace "$namespace" >/dev/null 2>&1 || kubectl create namespace "$namespace"

password() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

# secret NAME KEY=VALUE…: from standard input, so that no password is in the list of processes.
secret() {
  local name=$1 pair
  shift
  if kubectl -n "$namespace" get secret "$name" >/dev/null 2>&1; then
    echo "secrets: $name is there"
    return
  fi
  {
    printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\ndata:\n' "$name" "$namespace"
    for pair in "$@"; do
      printf '  %s: %s\n' "${pair%%=*}" "$(printf '%s' "${pair#*=}" | base64 -w 0)"
    done
  } | kubectl create -f - >/dev/null
  echo "secrets: $name made"
}

redis=$(password)
secret asr-redis "password=$redis" "url=redis://:$redis@redis:6379/0" "redis.conf=requirepass $redis"
# Who uses the HTTP API shows the key; who is told by a webhook checks the signature.
secret asr-api "api_keys=$(password)" "webhook_secret=$(head -c 32 /dev/urandom | base64)"
secret asr-flower "flowerconfig.py=basic_auth = ['asr:$(password)']"
if [[ $overlay == dev ]]; then
  rabbit=$(password)
  secret rabbitmq-default-user "connection_string=amqp://asr:$rabbit@rabbitmq:5672/" \
    "default_user.conf=default_user = asr
default_pass = $rabbit
"
fi
