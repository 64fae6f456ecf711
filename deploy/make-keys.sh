#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Make the keys for compose.yaml in deploy/secrets/: one for Prometheus, one for the shop, one for you.
# The image's user is 10001: without root the file is readable by all users of this machine, as it
# holds hashes only.
set -euo pipefail
cd "$(dirname "$0")"
stair=${STAIR:-stair}
umask 077
mkdir -p secrets
[ ! -e secrets/keys ] || { echo "make-keys: secrets/keys exists" >&2; exit 1; }
"$stair" key new --role read --name prometheus --keys secrets/keys >secrets/prometheus.key
"$stair" key new --role write --name shop --keys secrets/keys >secrets/shop.key
"$stair" key new --role admin --name ops --keys secrets/keys >secrets/ops.key
if [ "$(id -u)" -eq 0 ]; then
    chown 10001:10001 secrets/keys
else
    chmod 0644 secrets/keys
fi
chmod 0711 secrets
chmod 0644 secrets/prometheus.key
echo "make-keys: secrets/shop.key and secrets/ops.key hold the keys to call with"
