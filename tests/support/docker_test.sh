#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the Dockerfile with buildah on a base made by debootstrap, and runs the image. It needs root and a
# Debian mirror, but no container engine.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" -eq 0 ] || { echo "docker-test: needs root (debootstrap, chroot)" >&2; exit 1; }

work=$(mktemp -d /var/tmp/stair-image-XXXXXX)
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
buildah() { command buildah --root "$work/root" --runroot "$work/run" "$@"; }
container=
cleanup() {
    [ -z "$container" ] || buildah rm "$container" >/dev/null 2>&1 || true
    buildah rmi --all --force >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT

# The archive that this machine's own packages come from.
mirror=${DEBIAN_MIRROR:-$(sed -nE 's/^(URIs:|deb( \[[^]]*\])?) +(\S+\/debian)\/?( .*)?$/\3/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1 || true)}
[ -n "$mirror" ] || { echo "docker-test: set DEBIAN_MIRROR, apt's sources name no Debian archive" >&2; exit 1; }
echo "== base: debootstrap"
debootstrap --variant=minbase bookworm "$work/base" "$mirror" >"$work/debootstrap.log" 2>&1 ||
    { tail -n 20 "$work/debootstrap.log"; exit 1; }
# The base gets packages as this machine does: from the same sources, through its proxies, with their certificates.
cp -a /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d "$work/base/etc/apt/" 2>/dev/null || true
cp -aL /usr/share/keyrings/. "$work/base/usr/share/keyrings/" 2>/dev/null || true
base=$(buildah from scratch)
buildah add -q "$base" "$work/base" / >/dev/null
buildah commit -q "$base" localhost/debian:12 >/dev/null
buildah rm "$base" >/dev/null
rm -rf "$work/base"

echo "== build"
mkdir "$work/context"
git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$work/context"
buildah build -q --build-arg BASE=localhost/debian:12 --format docker -t localhost/stair:test "$work/context" \
    >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log"; exit 1; }
buildah images --format '{{.Name}}:{{.Tag}} {{.Size}}' | grep stair

echo "== run"
container=$(buildah from localhost/stair:test)
[ "$(buildah inspect --format '{{.OCIv1.Config.User}}' "$container")" = 10001:10001 ]
[ "$(buildah run "$container" -- id -u)" = 10001 ]
buildah run "$container" -- stair --version
! buildah run "$container" -- sh -c 'command -v gcc' || { echo "docker-test: the image holds a compiler"; exit 1; }
buildah run "$container" -- sh -c '
    set -e
    stair demo --out /tmp/shop --users 200 --items 100 --interactions 2000
    stair import --store /data --interactions /tmp/shop/interactions.inter --items /tmp/shop/items.jsonl \
        --features text=/tmp/shop/text.npy --features image=/tmp/shop/image.npy
    stair train --store /data --epochs 3 --activate yes
    stair serve & server=$!
    for i in $(seq 100); do stair ping >/dev/null 2>&1 && break; sleep 0.1; done
    stair ping
    kill -TERM $server
    wait $server
    stair check --store /data
' >"$work/run.log" 2>&1 || { tail -n 40 "$work/run.log"; exit 1; }
tail -n 3 "$work/run.log"

echo "== compose.yaml: its services by their own commands, as docs/operations.md has them"
# A new named volume gets the owner and mode of the image's folder.
install -d -o 10001 -g 10001 -m 0700 "$work/volumes/data"
service() { # service NAME [-v FROM:TO:ro]... [COMMAND...]
    mapfile -t words < <("$work/context/tests/support/compose.py" "$1" "$work/volumes" "${@:2}")
    buildah run "${words[@]/#CONTAINER/$container}"
}
quietly() { # the output is shown only if the command fails
    "$@" >"$work/last.log" 2>&1 || { tail -n 40 "$work/last.log"; echo "docker-test: failed: $*"; exit 1; }
}
cat >"$work/stair" <<END
#!/bin/sh
exec buildah --root "$work/root" --runroot "$work/run" run --user 0 \
    --volume "$work/context/deploy:$work/context/deploy" "$container" -- stair "\$@"
END
chmod +x "$work/stair"
quietly env STAIR="$work/stair" "$work/context/deploy/make-keys.sh"
[ "$(stat -c '%u %a' "$work/context/deploy/secrets/keys")" = "10001 600" ]
cp -r docs/tutorial "$work/shop"
chmod -R a+rX "$work/shop"
quietly service stair -v "$work/shop:/shop:ro" import --interactions /shop/purchases.csv --items /shop/items.csv \
    --ignore-columns quantity --timezone Europe/Berlin
quietly service stair train --activate yes
if curl -s -o /dev/null http://127.0.0.1:8080/; then
    echo "docker-test: port 8080, which compose.yaml uses, is taken" >&2
    exit 1
fi
service stair >"$work/serve.log" 2>&1 &
engine=$!
for _ in $(seq 100); do
    curl -sf -o /dev/null http://127.0.0.1:8080/health/ready && break
    sleep 0.1
done
ask() { curl -s -w '\n%{http_code}' -H "Authorization: Bearer $1" "${@:2}"; }
ask "$(cat "$work/context/deploy/secrets/prometheus.key")" 'http://127.0.0.1:8080/recommend?user=C009&k=1' | grep -q '"item"'
[ "$(curl -s -o /dev/null -w '%{http_code}' 'http://127.0.0.1:8080/recommend?user=C009&k=1')" = 401 ]
quietly service stair ping # the image's health check
quietly service train
ask "$(cat "$work/context/deploy/secrets/ops.key")" -H 'Content-Type: application/json' -d '{"name":"first"}' \
    http://127.0.0.1:8080/snapshot | grep -qE '^20[0-9]$'
for _ in $(seq 100); do
    [ -f "$work/volumes/data/snapshots/first/data.mdb" ] && break
    sleep 0.1
done
served=$(sed -nE '1,/pid=/s/.*pid=([0-9]+).*/\1/p' "$work/serve.log" | head -n 1)
kill -TERM "${served:-$(pgrep -u 10001 -x stair)}"
wait "$engine" || { tail "$work/serve.log"; exit 1; }
quietly service stair generations
grep -q 2 "$work/last.log"
quietly service stair check
echo "docker-test: the image builds, serves as user 10001 and stops cleanly; compose.yaml's commands import, train, serve and snapshot"
