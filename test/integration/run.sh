#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Runs the integration tests with the test runner of the binary VIGIL_NODE.
# Arguments: the files to run, default all. The last line is the sum.
#
# What they are about is time, and machines are noisy: of a few files that failed
# each is run once more, alone, and that counts. It is said which.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
node=${VIGIL_NODE:-$(echo "$top"/dist/node-v24.21.0-vigil.*-linux-x64/bin/node)}
[ -x "$node" ] || { echo "test: no binary at $node" >&2; exit 1; }
[ $# != 0 ] || set -- "$here"/*.test.mjs
FEW=6

VIGIL_STOCK=$("$top/test/stock.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Should the runner itself ever be blocked, that stays out of the tests.
export VIGIL_STOCK VIGIL_DIR=$work/vigil

run() {  # where the sums go, files at a time, files...
  local sums=$1 at_once=$2
  shift 2
  "$node" --test --test-concurrency="$at_once" --test-timeout=300000 \
    --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter="$here/sums.mjs" --test-reporter-destination="$sums" "$@" || true
}

# Passed, failed, skipped, todo. A file without a line has not come to its end.
sum_of() {  # sums file
  awk -F'\t' -v path="$(realpath "$2")" '
    $1 == path { found = 1; print $2, $3, $4, $5 }
    END { if (!found) print 0, 1, 0, 0 }' "$1"
}

# Two files at a time: most tests wait, and the machine has two cores.
run "$work/first" 2 "$@"
bad=()
for file in "$@"; do
  read -r _ failed _ _ <<< "$(sum_of "$work/first" "$file")"
  [ "$failed" = 0 ] || bad+=("$file")
done
if [ ${#bad[@]} -gt 0 ] && [ ${#bad[@]} -le $FEW ]; then
  for file in "${bad[@]}"; do
    echo "test: once more, alone: $(basename "$file")"
    run "$work/alone.$(basename "$file")" 1 "$file"
  done
fi

passed=0 failed=0 skipped=0 todo=0 again=()
for file in "$@"; do
  sums=$work/first
  [ ! -e "$work/alone.$(basename "$file")" ] || sums=$work/alone.$(basename "$file")
  read -r p f s t <<< "$(sum_of "$sums" "$file")"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s)) todo=$((todo + t))
  [ "$sums" = "$work/first" ] || [ "$f" != 0 ] || again+=("$(basename "$file")")
done
[ ${#again[@]} = 0 ] || echo "test: failed, and passed when run alone: ${again[*]}"
[ "$todo" = 0 ] || { echo "test: $todo tests are marked as todo" >&2; failed=$((failed + todo)); }
line="$passed passed, $failed failed"
[ "$skipped" = 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$failed" = 0 ]
