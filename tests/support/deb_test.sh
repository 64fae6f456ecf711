#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks a package with lintian, then installs, uses, upgrades, removes and purges it in a bare root: deb_test.sh FILE.deb
set -euo pipefail
deb=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
lintian --fail-on warning,error "$deb"

suite=$(. /etc/os-release; echo "$VERSION_CODENAME")
root=$(mktemp -d /var/tmp/stair-deb-XXXXXX)
trap 'umount -l "$root/root/proc" 2>/dev/null || true; rm -rf "$root"' EXIT
KEEP=$root/root "$here/platforms.sh" "$suite" true >/dev/null
mount -t proc proc "$root/root/proc"
inside() { chroot "$root/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
expect() { inside sh -c "$1" || { echo "deb_test: failed: $1" >&2; exit 1; }; }

cp "$deb" "$root/root/tmp/stair.deb"
inside apt-get install -y -qq --no-install-recommends /tmp/stair.deb >"$root/install.log" 2>&1 || { tail "$root/install.log"; exit 1; }
expect 'stair --version'
expect 'getent passwd stair >/dev/null'
expect 'test "$(stat -c "%U %a" /var/lib/stair)" = "stair 700"'
expect 'test -f /etc/stair/stair.conf && test -f /usr/share/bash-completion/completions/stair'
for unit in stair.service stair@.service stair-snapshot.service stair-snapshot.timer stair-snapshot@.service stair-snapshot@.timer; do
    expect "test -f /lib/systemd/system/$unit"
    expect "! grep -q /usr/local /lib/systemd/system/$unit"
done
expect 'test ! -e /etc/systemd/system/timers.target.wants/stair-snapshot.timer'
expect 'stair demo --out /tmp/shop --users 200 --items 100 --interactions 2000 2>/dev/null'
expect 'stair import --store /var/lib/stair/shop --interactions /tmp/shop/interactions.inter --items /tmp/shop/items.jsonl 2>/dev/null'

# An upgrade keeps edited settings and the store.
inside sh -c 'echo "work = kept" >>/etc/stair/stair.conf'
mkdir "$root/next"
dpkg-deb -R "$deb" "$root/next"
sed -i -E 's/^(Version: .*)$/\1+next/' "$root/next/DEBIAN/control"
dpkg-deb --root-owner-group -b "$root/next" "$root/root/tmp/next.deb" >/dev/null
inside dpkg --force-confold -i /tmp/next.deb >/dev/null
expect 'grep -q "work = kept" /etc/stair/stair.conf && stair check --store /var/lib/stair/shop >/dev/null 2>&1'

inside dpkg --remove stair >/dev/null
expect 'test ! -e /usr/bin/stair && test -f /etc/stair/stair.conf'
inside dpkg --purge stair >/dev/null
expect 'test ! -e /etc/stair && test -d /var/lib/stair/shop'
echo "deb_test: installs, serves its commands, upgrades, and leaves the stores when purged"
