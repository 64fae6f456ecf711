#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the Kubernetes files of deploy/ against the schemas of their kinds. npm installs the schemas into build/.
set -euo pipefail
cd "$(dirname "$0")/../.."
models=5.1.0
operator=6.0.0
tools=build/kubernetes-$models-$operator
if [ ! -d "$tools/node_modules/kubernetes-models" ]; then
    rm -rf "$tools"
    mkdir -p "$tools"
    npm install --prefix "$tools" --no-save --no-audit --no-fund --ignore-scripts --silent \
        "kubernetes-models@$models" "@kubernetes-models/prometheus-operator@$operator"
fi
[ $# -gt 0 ] || set -- deploy/kubernetes.yaml deploy/kubernetes-train.yaml deploy/servicemonitor.yaml
/usr/bin/python3 -c 'import json, sys, yaml
print(json.dumps([d for name in sys.argv[1:] for d in yaml.safe_load_all(open(name)) if d], default=str))' "$@" |
    node tests/support/lint_kubernetes.mjs "$tools"
