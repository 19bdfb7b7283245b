#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Options, and what is wrong with the machine.
. "$(dirname "$0")/lib.sh"

fresh
build --help
ok "--help tells the options" works '--check-patches'
ok "--help tells the variables" works 'VIGIL_DISTFILES'
build -h
ok "-h is --help" works '--clean'

build --frobnicate
ok "an unknown option is named" fails 'unknown option --frobnicate'
for jobs in 0 -1 many ''; do
  build --jobs "$jobs"
  ok "--jobs \"$jobs\" is refused" fails '--jobs wants a number'
done

mkdir -p "$work/tree/dist" "$VIGIL_CACHE/work/node"
build --clean
ok "--clean says what it removed" works 'removed dist/'
ok "--clean removes the result and the tree" \
  test ! -e "$work/tree/dist" -a ! -e "$VIGIL_CACHE/work/node"
ok "--clean keeps downloads" test -e "$VIGIL_CACHE/distfiles/$(pin undici 5)"

fake df 'echo Filesystem; echo "none 9000000 0 1048576 0% /"'
build
ok "no disk space is said before anything else" fails 'needs 8 GiB of disk.*1 GiB'
ok "and nothing is begun" test ! -e "$VIGIL_CACHE/work/node"
rm "$work/bin/df"

fake uname 'echo Darwin arm64'
build
ok "another system is refused" fails 'Linux x86-64 only'
rm "$work/bin/uname"

# /proc/meminfo is read with awk.
fake awk 'case "$*" in *meminfo*) echo 1;; *) exec /usr/bin/awk "$@";; esac'
build
ok "too little memory is refused" fails 'at least 3 GiB.*1 GiB'
rm "$work/bin/awk"

out= code=
VIGIL_CACHE=/proc/vigil build
ok "a cache that cannot be written is named" fails 'cannot write to /proc/vigil'

# A machine without ninja: all other programs, by links.
mkdir "$work/programs"
for folder in /usr/local/bin /usr/bin /bin /usr/sbin /sbin; do
  find "$folder" -maxdepth 1 \( -type f -o -type l \) ! -name ninja -exec ln -sf -t "$work/programs" {} +
done
code=0
out=$(cd "$work/tree" && PATH=$work/programs VIGIL_NO_INSTALL=1 timeout 60 ./build.sh 2>&1 < /dev/null) || code=$?
ok "a missing tool is named, with its package" fails 'missing tools: ninja[; ].*ninja-build'
ok "in one line" test "$(grep -c '^build: missing' <<< "$out")" = 1
ok "and nothing is fetched or unpacked" test ! -e "$VIGIL_CACHE/work/node"
finish
