#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Applies one patch in the current folder; fuzz, an offset, or a patch without
# a change is an error, for each means the patch was not written for this tree.
set -euo pipefail
patch=$1
grep -q '^@@' "$patch" || { echo "build: patch $patch changes nothing" >&2; exit 1; }
out=$(patch -p1 --fuzz=0 --no-backup-if-mismatch --batch --forward < "$patch" 2>&1) || {
  echo "build: patch $patch does not apply: $(grep -m1 -i 'fail\|reject\|find' <<< "$out")" >&2; exit 1; }
if grep -qi 'offset\|fuzz' <<< "$out"; then
  echo "build: patch $patch applies only with $(grep -m1 -io 'offset.*\|fuzz.*' <<< "$out")" >&2; exit 1
fi
