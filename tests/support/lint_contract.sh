#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Redocly and Spectral must read openapi.yaml without an error or a warning. npm installs both into build/.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v npm >/dev/null || { echo "lint-contract: npm is missing" >&2; exit 1; }
# Redocly 2 needs Node.js 20.19; Debian 12 has 18.
if node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
    redocly=2.77.0
else
    redocly=1.34.20
fi
spectral=6.16.3
tools=build/node-$redocly-$spectral
if [ ! -x "$tools/node_modules/.bin/spectral" ]; then
    rm -rf "$tools"
    mkdir -p "$tools"
    npm install --prefix "$tools" --no-save --no-audit --no-fund --ignore-scripts --silent \
        "@redocly/cli@$redocly" "@stoplight/spectral-cli@$spectral"
fi
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
bad=0
out=$("$tools/node_modules/.bin/redocly" lint openapi.yaml 2>&1) && ! grep -qiE '[1-9][0-9]* warning' <<<"$out" || { echo "$out"; bad=1; }
printf 'extends: ["spectral:oas"]\n' >"$tools/spectral.yaml"
"$tools/node_modules/.bin/spectral" lint --quiet --fail-severity warn -r "$tools/spectral.yaml" openapi.yaml || bad=1
exit $bad
