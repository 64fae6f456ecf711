#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command of README.md on a bare Debian made by debootstrap. It needs root and a Debian mirror.
#
#     platforms.sh bookworm|trixie [COMMAND]     default: make test
#
# The checkout's tracked files are copied to /src in a fresh root, so nothing that this machine has
# installed can hide a missing package. KEEP=DIR keeps the root there and uses it again.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=${1:?"usage: platforms.sh bookworm|trixie [COMMAND]"}
command=${2:-make test}
[ "$(id -u)" -eq 0 ] || { echo "platforms: needs root (debootstrap, chroot)" >&2; exit 1; }

# The archive that this machine's own packages come from.
mirror=${DEBIAN_MIRROR:-$(sed -nE 's/^(URIs:|deb( \[[^]]*\])?) +(\S+\/debian)\/?( .*)?$/\3/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1 || true)}
[ -n "$mirror" ] || { echo "platforms: set DEBIAN_MIRROR, apt's sources name no Debian archive" >&2; exit 1; }

root=${KEEP:-$(mktemp -d /var/tmp/stair-platform-XXXXXX)}
cleanup() {
    for at in proc dev/shm dev/pts dev sys; do umount -l "$root/$at" 2>/dev/null || true; done
    [ -n "${KEEP:-}" ] || rm -rf "$root"
}
trap cleanup EXIT

if [ ! -e "$root/etc/debian_version" ]; then
    echo "== $suite: debootstrap"
    mkdir -p "$root"
    debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 || { tail -n 20 "$root.log"; exit 1; }
    printf 'deb %s %s main\ndeb %s %s-updates main\n' "$mirror" "$suite" "$mirror" "$suite" >"$root/etc/apt/sources.list"
    # The root gets packages as this machine does: through its proxies, with their certificates.
    cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
    cp -aL /etc/ssl/certs/. "$root/etc/ssl/certs/" 2>/dev/null || true
    # The package ca-certificates rebuilds that folder from its own certificates and from these.
    mkdir -p "$root/usr/local/share/ca-certificates"
    cp -aL /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
    # README.md expects a machine with make and git.
    chroot "$root" apt-get update -qq
    chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends make git >/dev/null 2>&1
fi
rm -rf "$root/src"
mkdir -p "$root/src"
git ls-files -z | xargs -0 cp --parents -t "$root/src"
# debootstrap writes no /etc/hosts, as an installer does. Chromium needs the name localhost.
[ -e "$root/etc/hosts" ] || printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
for at in proc dev dev/shm dev/pts sys; do
    mkdir -p "$root/$at"
    mountpoint -q "$root/$at" || mount --bind "/$at" "$root/$at"
done
echo "== $suite ($(cat "$root/etc/debian_version")): $command"
chroot "$root" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    sh -c "cd /src && git init -q . && git add -A && git -c user.name=test -c user.email=test@localhost commit -qm test && $command"
