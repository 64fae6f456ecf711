#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Writes the demo shop, imports it, trains on it, serves it, and prints calls to try. DEMO_DIR names the
# folder, DEMO_LISTEN the address. Ctrl-C ends the service.
set -euo pipefail
dir=${DEMO_DIR:-build/demo}
listen=${DEMO_LISTEN:-127.0.0.1:8080}

# If the port is taken, say so before the work.
if [ "${listen##*:}" != 0 ] && (: <"/dev/tcp/${listen%:*}/${listen##*:}") 2>/dev/null; then
    echo "demo: something listens on $listen already; stop it, or choose another address: DEMO_LISTEN=127.0.0.1:8081 make demo" >&2
    exit 1
fi
[ "$1" != --check-port ] || exit 0
stair=$(realpath "$1")

rm -rf "$dir"
mkdir -p "$dir"
dir=$(realpath "$dir")
echo "== the shop: 2,000 users, 1,000 items, 30,000 interactions, descriptions and image features"
"$stair" demo --out "$dir/shop"
echo "== import"
"$stair" import --store "$dir/store" --interactions "$dir/shop/interactions.inter" \
    --items "$dir/shop/items.jsonl" --features "image=$dir/shop/image.npy" --split time
echo "== train on the items' own words and the image features"
"$stair" train --store "$dir/store" --epochs "${DEMO_EPOCHS:-100}" --activate yes
echo "== serve"
"$stair" serve --store "$dir/store" --listen "$listen" 2>"$dir/server.log" &
server=$!
trap 'kill -TERM $server 2>/dev/null || true' INT TERM EXIT

address=
for _ in $(seq 200); do
    address=$(sed -n 's/.*event=listening.* address=\([^ ]*\).*/\1/p' "$dir/server.log" | head -n 1)
    [ -z "$address" ] || ! "$stair" ping --listen "$address" >/dev/null 2>&1 || break
    kill -0 $server 2>/dev/null || { cat "$dir/server.log" >&2; exit 1; }
    sleep 0.1
done
user=$(awk -F'\t' 'NR == 2 { print $1 }' "$dir/shop/interactions.inter")
item=$(awk -F'\t' 'NR == 2 { print $2 }' "$dir/shop/interactions.inter")
cat <<TEXT

The shop is open at http://$address/console (log: $dir/server.log). Try:

curl -s 'http://$address/recommend?user=$user&k=5&fields=title'
curl -s 'http://$address/similar?item=$item&k=5&fields=title'
curl -s -o /dev/null --json '{"id":"my-first","title":"Rustic camp stove","description":"A small stove for two, rough and warm."}' 'http://$address/items' --next -s 'http://$address/similar?text=rustic%20camp%20stove&k=5&fields=title'

The last line posts an item by its words alone and finds it beside others.

Ctrl-C ends it.
TEXT
wait $server
