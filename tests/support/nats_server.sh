#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints the path of a nats-server that the cluster's tests can use: 2.10.23 or newer.
#
#     nats_server.sh [FOLDER]     default: build/nats
#
# A new enough one in PATH is used; Debian 13 has it as a package. The one of Debian 12 is too old, but
# the binary of Debian 13 runs there. So apt downloads that package into FOLDER, and this script unpacks
# it there. Nothing is installed, and the system's own package lists do not change.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mkdir -p "${1:-build/nats}" && cd "${1:-build/nats}" && pwd)
least=2.10.23

new_enough() { # PROGRAM
    local version
    version=$("$1" --version 2>/dev/null | sed -nE 's/.* v?([0-9]+\.[0-9]+\.[0-9]+).*/\1/p') || return 1
    [ -n "$version" ] && [ "$(printf '%s\n%s\n' "$least" "$version" | sort -V | head -n 1)" = "$least" ]
}

fail() {
    echo "nats_server: $1" >&2
    exit 1
}

own=$(command -v nats-server || true)
if [ -n "$own" ] && new_enough "$own"; then
    echo "$own"
    exit
fi
exec 9>"$folder/lock"
flock 9 # test programs run side by side, and one of them fetches it
unpacked=$folder/usr/bin/nats-server
[ -x "$unpacked" ] || unpacked=$folder/usr/sbin/nats-server
if [ -x "$unpacked" ] && new_enough "$unpacked"; then
    echo "$unpacked"
    exit
fi

command -v apt-get >/dev/null || fail "no nats-server $least or newer in PATH, and no apt to fetch one"
mirror=${DEBIAN_MIRROR:-$(sed -nE 's/^(URIs:|deb( \[[^]]*\])?) +(\S+\/debian)\/?( .*)?$/\3/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1 || true)}
[ -n "$mirror" ] || fail "set DEBIAN_MIRROR, apt's sources name no Debian archive"

apt=$folder/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$apt/sources.list"
: >"$apt/status"
options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
    -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=2)
apt-get -qq "${options[@]}" update >"$apt/log" 2>&1 || fail "apt-get update for trixie: $(tail -n 1 "$apt/log")"
(cd "$folder" && apt-get -qq "${options[@]}" download nats-server >>"$apt/log" 2>&1) ||
    fail "apt-get download nats-server: $(tail -n 1 "$apt/log")"
for package in "$folder"/nats-server_*.deb; do
    dpkg-deb -x "$package" "$folder"
done
rm -rf "$apt"
for unpacked in "$folder/usr/bin/nats-server" "$folder/usr/sbin/nats-server"; do
    if [ -x "$unpacked" ] && new_enough "$unpacked"; then
        echo "$unpacked"
        exit
    fi
done
fail "what trixie has is no nats-server of $least or newer"
