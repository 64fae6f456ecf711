#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the Debian package from the tracked files into build/: build_deb.sh VERSION PACKAGE...
# PACKAGE... are the packages that building needs.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$1
work=build/deb/stair-$version
rm -rf build/deb
mkdir -p "$work"
git ls-files -z | xargs -0 cp --parents -t "$work"
cp -r deploy/package/debian "$work/debian"
sed -e "s/@VERSION@/$version/" -e "s/@DATE@/$(git log -1 --format=%cD 2>/dev/null || date -R)/" \
    deploy/package/debian/changelog.in >"$work/debian/changelog"
rm "$work/debian/changelog.in"
# Packages that belong to build-essential are not named.
needed=$(printf '%s\n' "${@:2}" | grep -vxE 'gcc|g\+\+|make|libc6-dev' | paste -sd, | sed 's/,/, /g')
sed -i "s/@PACKAGES@/$needed/" "$work/debian/control"
(cd "$work" && DEB_BUILD_OPTIONS="parallel=$(nproc)" dpkg-buildpackage -b -us -uc) >build/deb/build.log 2>&1 ||
    { tail -n 40 build/deb/build.log; exit 1; }
cp build/deb/stair_"$version"_*.deb build/
ls build/stair_"$version"_*.deb
