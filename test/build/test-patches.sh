#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# --check-patches: a patch must have been written for exactly this tree.
. "$(dirname "$0")/lib.sh"

patch=libuv/vigil-hooks.patch
victim=$work/tree/patches/$patch

fresh
build --check-patches
ok "all patches apply" works "^$(grep -vc '^#' "$work/tree/patches/series") patches apply cleanly"

# Every hunk one line further down: found again by patch, with an offset.
fresh
perl -pi -e 's/^@@ -(\d+),(\d+) \+(\d+),/"\@\@ -" . ($1 + 1) . ",$2 +" . ($3 + 1) . ","/e' "$victim"
build --check-patches
ok "an offset is an error and names the patch" fails "$patch.*offset"

# A context line that differs: found again by patch, with fuzz.
fresh
sed -i '0,/^   int can_sleep;/s//   int can_sleeep;/' "$victim"
ok "the patch was changed" grep -q can_sleeep "$victim"
build --check-patches
ok "fuzz is an error and names the patch" fails "$patch.*(fuzz|fail|FAILED)"

# What it removes is not there.
fresh
sed -i '0,/^-.*[a-z]/s/^-\( .*\)/-\1 what is not there/' "$work/tree/patches/libuv/backport-1.52.patch"
printf 'Why: a test.\n---\n--- a/src/unix/core.c\n+++ b/src/unix/core.c\n@@ -1,1 +1,1 @@\n-not there\n+new\n' > "$victim"
build --check-patches
ok "a patch that does not apply is named" fails 'patch .* does not apply'

fresh
printf 'Subject: nothing\n\nWhy: a test.\n---\n' > "$victim"
build --check-patches
ok "an empty patch is an error" fails "$patch"

# Headers of files, and no hunk.
fresh
printf 'Why: a test.\n---\n--- a/src/unix/core.c\n+++ b/src/unix/core.c\n' > "$victim"
build --check-patches
ok "a patch without a hunk is an error" fails "$patch changes nothing"

fresh
sed -i '/^Why:/d' "$victim"
build --check-patches
ok "a patch must say why it is there" fails "$patch does not say why"

fresh
sed -i "\,^$patch,d" "$work/tree/patches/series"
build --check-patches
ok "a patch that is not in the series is an error" fails "$patch is not in patches/series"

fresh
rm "$victim"
build --check-patches
ok "a patch of the series that is not there is an error" fails "$patch"

fresh
echo 'libuv/nothing.patch' >> "$work/tree/patches/series"
build --check-patches
ok "a name in the series without a patch is an error" fails 'libuv/nothing.patch'
finish
