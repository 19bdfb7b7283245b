#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Runs the tests of build.sh that need no compiling. The last line is the sum.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp)
trap 'rm -f "$out"' EXIT
passed=0 failed=0
for test in "$here"/test-*.sh; do
  echo "# $(basename "$test")"
  bash "$test" < /dev/null 2>&1 | tee "$out"
  # A test that broke off has no sum, and fails.
  read -r p f <<< "$(tail -n1 "$out" | sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p')" || true
  passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1}))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
