#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Checks docs/examples: the Kubernetes and the Compose file by their schemas (npm
# packages, pinned by package-lock.json), Prometheus' by promtool. 15 s, of them 10 for
# npm; what it gets stays in the cache. The last line is the sum.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
node=${VIGIL_NODE:-$(echo "$top"/dist/node-v24.21.0-vigil.*-linux-x64/bin/node)}
[ -x "$node" ] || { echo "examples: no binary at $node" >&2; exit 1; }
folder=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}/examples
want=$(cat "$here"/package*.json | sha256sum | cut -d' ' -f1)
mkdir -p "$folder"
exec 9> "$folder/lock"
flock 9
if [ "$(cat "$folder/installed" 2> /dev/null)" != "$want" ]; then
  rm -rf "$folder"/{node_modules,installed}
  cp "$here"/package*.json "$folder/"
  (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel error) >&2
  echo "$want" > "$folder/installed"
fi

failed=0
MODULES=$folder "$node" --test --test-reporter=tap "$here/check.mjs" > "$folder/tap" || failed=1
grep -E '^(not )?ok' "$folder/tap" || true
[ $failed = 0 ] || cat "$folder/tap"
passed=$(sed -n 's/^# pass //p' "$folder/tap") failed=$(sed -n 's/^# fail //p' "$folder/tap")

tools=$("$top/test/prometheus.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$top/docs/examples/prometheus.yml" "$top/docs/prometheus-rules.yml" "$work/"
if "$tools/promtool" check config "$work/prometheus.yml" > "$work/log" 2>&1; then
  echo "ok - prometheus.yml"; passed=$((passed + 1))
else
  echo "not ok - prometheus.yml"; cat "$work/log"; failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
