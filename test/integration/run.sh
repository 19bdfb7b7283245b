#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Runs the integration tests with the test runner of the binary VIGIL_NODE.
# Arguments: the files to run, default all. The last line is the sum.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
node=${VIGIL_NODE:-$(echo "$top"/dist/node-v24.21.0-vigil.*-linux-x64/bin/node)}
[ -x "$node" ] || { echo "test: no binary at $node" >&2; exit 1; }
[ $# != 0 ] || set -- "$here"/*.test.mjs

VIGIL_STOCK=$("$top/test/stock.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Should the runner itself ever be blocked, that stays out of the tests.
export VIGIL_STOCK VIGIL_DIR=$work/vigil
code=0
# Two files at a time: most tests wait, and the machine has two cores.
"$node" --test --test-concurrency=2 --test-timeout=300000 \
  --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter=tap --test-reporter-destination="$work/tap" "$@" || code=$?

count() { sed -n "s/^# $1 //p" "$work/tap" | tail -n1; }
failed=$(($(count fail) + $(count cancelled)))
[ "$(count todo)" = 0 ] || { echo "test: $(count todo) tests are marked as todo" >&2; code=1; }
skipped=$(count skipped)
line="$(count pass) passed, $failed failed"
[ "$skipped" = 0 ] || line="$line, $skipped skipped"
echo "$line"
exit "$code"
