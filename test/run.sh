#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Builds and runs all tests. The last line is the sum of all parts:
# "N passed, N failed", and ", N skipped" where there are any.
#
#   test/run.sh            ./build.sh first (an unchanged tree takes seconds)
#   VIGIL_NODE=… test/run.sh   tests that binary, builds nothing
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
passed=0 failed=0 skipped=0

finish() {
  local line="$passed passed, $failed failed"
  [ "$skipped" = 0 ] || line="$line, $skipped skipped"
  echo "$line"
  [ "$failed" = 0 ] && exit 0
  exit 1
}

# Adds what a part counted. A part that crashed, or ran no test, or fails
# without saying which test, counts as one failure more.
add() {  # name, exit code, "passed failed skipped"
  local p f s
  read -r p f s <<< "$3" || true
  p=${p:-0} f=${f:-0} s=${s:-0}
  if [ $((p + f)) = 0 ] || { [ "$2" != 0 ] && [ "$f" = 0 ]; }; then
    echo "test: the $1 part ended with $2 after $p passed, $f failed" >&2
    f=$((f + 1))
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  echo "== $1: $p passed, $f failed, $s skipped, ${SECONDS}s since start"
}

# Parts in shell and C print their own sum as the last line.
sum_of() {
  tail -n1 "$1" | sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\1 \2 \4/p'
}
part() {  # name command...
  local name=$1 code=0
  shift
  echo "== $name"
  "$@" < /dev/null 2>&1 | tee "$out/$name" || code=${PIPESTATUS[0]}
  add "$name" "$code" "$(sum_of "$out/$name")"
}

if [ -z "${VIGIL_NODE:-}" ]; then
  echo "== build"
  if ! ./build.sh < /dev/null; then
    failed=1
    finish
  fi
  VIGIL_NODE=$(echo "$top"/dist/node-v24.21.0-vigil.*-linux-x64/bin/node)
fi
export VIGIL_NODE
[ -x "$VIGIL_NODE" ] || { echo "test: no binary at $VIGIL_NODE" >&2; failed=1; finish; }

part unit test/unit/run.sh
part build test/build/run.sh
part integration test/integration/run.sh
finish
