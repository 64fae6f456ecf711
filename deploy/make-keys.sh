#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the keys for compose.yaml in deploy/secrets/: one for Prometheus, one for the shop, one for you.
# If stair is not in the PATH, set STAIR to a command that runs it, such as
# "docker run --rm --user $(id -u) -v $PWD/deploy:$PWD/deploy stair:0.2.0".
# The image's user 10001 must be able to read the file. Without root, this script therefore makes it
# readable for all users of this machine. It contains only hashes of the keys.
set -euo pipefail
cd "$(dirname "$0")"
read -ra stair <<<"${STAIR:-stair}"
keys=$PWD/secrets/keys
umask 077
mkdir -p secrets
[ ! -e secrets/keys ] || { echo "make-keys: secrets/keys exists" >&2; exit 1; }
"${stair[@]}" key new --role read --name prometheus --keys "$keys" >secrets/prometheus.key
"${stair[@]}" key new --role write --name shop --keys "$keys" >secrets/shop.key
"${stair[@]}" key new --role admin --name ops --keys "$keys" >secrets/ops.key
if [ "$(id -u)" -eq 0 ]; then
    chown 10001:10001 secrets/keys
else
    chmod 0644 secrets/keys
fi
chmod 0711 secrets
chmod 0644 secrets/prometheus.key
echo "make-keys: secrets/shop.key and secrets/ops.key hold the keys to call with"
