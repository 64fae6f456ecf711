#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs those of the named Debian packages that are missing, without questions. If all are installed,
# it does nothing, and needs neither a network nor root.
set -euo pipefail

missing=()
for package in "$@"; do
    case "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" in
    installed) ;;
    *) missing+=("$package") ;;
    esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "deps: missing packages, and neither root nor sudo; run as root: apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    root=(sudo)
fi

echo "deps: installing ${missing[*]}"
install() {
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=3 install -y -qq --no-install-recommends "${missing[@]}" </dev/null
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The package lists are downloaded only if they are missing or too old.
if ! install >"$log" 2>&1; then
    if ! "${root[@]}" apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update -qq </dev/null >>"$log" 2>&1 ||
        ! install >>"$log" 2>&1; then
        tail -n 30 "$log" >&2
        echo "deps: apt-get could not install ${missing[*]}" >&2
        exit 1
    fi
fi
