#!/bin/sh
# The certificates and tokens of deploy/compose.yaml, made once: each service mounts what is its own. The authority's key is mounted by this one alone.
set -eu
cd "${METATRAIN_SECRETS:-/secrets}"
metatrain() { node "${METATRAIN_PROGRAM:-/app/dist/client/cli/main.js}" "$@"; }

metatrain certs --out authority --host coordinator localhost 127.0.0.1
cp authority/ca.pem authority/coordinator.pem authority/coordinator-key.pem coordinator/
for service in worker client prometheus; do cp authority/ca.pem "$service/"; done

token() { # NAME ROLES FOLDER
  [ -e "$3/token" ] || metatrain token create --name "$1" --roles "$2" --tokens coordinator/tokens.jsonl --token-file "$3/token"
}
token workers worker worker
token example submit,read client
token prometheus read prometheus
# Prometheus is another user in its own image; nobody but it mounts this folder.
chmod 0444 prometheus/token
