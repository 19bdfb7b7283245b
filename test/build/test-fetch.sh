#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Source files: wrong ones are not taken, missing ones are named.
. "$(dirname "$0")/lib.sh"

file=$(pin undici 5)
size=$(pin undici 6)
cached=$VIGIL_CACHE/distfiles/$file
offline() {  # no way to get a file but from a folder
  fake npm 'echo "npm error network unreachable" >&2; exit 1'
  fake apt-get 'echo "E: Unable to connect" >&2; exit 100'
  fake apt-cache 'exit 100'
}
# The same length, so that only the hash can tell.
wrong_file() { head -c "$size" /dev/zero > "$1"; }

fresh; offline
build --check-patches
ok "with every file in the cache nothing is fetched" works 'patches apply cleanly'

fresh; offline
rm "$cached"
build --check-patches
ok "a file that cannot be had is named, and how to give it" fails "cannot get $file .*VIGIL_DISTFILES"
ok "the reason is told" grep -q 'network unreachable' <<< "$out"
ok "nothing is left of it" test ! -e "$cached"

mkdir "$work/folder"
wrong_file "$work/folder/$file"
VIGIL_DISTFILES=$work/folder build --check-patches
ok "a wrong file in VIGIL_DISTFILES is not taken" fails "cannot get $file"
ok "that it is wrong is told" grep -q "$work/folder/$file does not match its pin" <<< "$out"
ok "nothing is left of it either" test ! -e "$cached"

cp "$downloads/$file" "$work/folder/another-name.tgz"
VIGIL_DISTFILES=$work/folder build --check-patches
ok "the right file in VIGIL_DISTFILES is taken under any name" works '1?[0-9]/[0-9]+ folder +undici'
ok "and is in the cache then" cmp -s "$cached" "$downloads/$file"

VIGIL_CACHE=$work/other VIGIL_DISTFILES=$work/nowhere build --check-patches
ok "VIGIL_DISTFILES that is no folder is said" fails "VIGIL_DISTFILES=$work/nowhere is not a folder"

fresh
fake npm "head -c $size /dev/zero > $file; echo $file"
rm "$cached"
build --check-patches
ok "a download with a wrong hash is refused" fails "$file from npm does not match its pin"
ok "and not kept" test ! -e "$cached"

fake npm "head -c 1000 $downloads/$file > $file; echo $file"
build --check-patches
ok "a truncated download is refused" fails "$file from npm does not match its pin.*got 1000 bytes"
ok "and not kept either" test ! -e "$cached"

fake npm "cp $downloads/$file $file; echo $file"
build --check-patches
ok "a run after that goes on where it stopped" works "npm +undici"

fresh; offline
rm "$cached"
wrong_file "$cached"
build --check-patches
ok "a file that went bad in the cache is noticed" fails "cannot get $file"

fresh
rm "$cached"
# Killed in the middle of a download, with half of the file there.
fake npm "head -c 1000 $downloads/$file > $file
  until [ -s $work/pid ]; do sleep 0.1; done
  kill -9 -- -\$(cat $work/pid)"
(cd "$work/tree" && PATH=$work/bin:$PATH exec setsid ./build.sh --check-patches > /dev/null 2>&1 < /dev/null) &
echo $! > "$work/pid"
wait $! 2> /dev/null || true
ok "a run killed in a download leaves no half file" test ! -e "$cached"
fake npm "cp $downloads/$file $file; echo $file"
build --check-patches
ok "and the next run completes it" works 'patches apply cleanly'

fresh
build --check-patches
ok "a run with everything there" works 'patches apply cleanly'
rm "$cached"
fake npm "cp $downloads/$file $file; echo $file"
build --check-patches
ok "a download that went away after it was checked is fetched again" works "npm +undici"

source_file=$(pin libuv1 5)
fresh; offline
rm "$VIGIL_CACHE/distfiles/$source_file"
build --check-patches
ok "a source package that cannot be had is named" fails "(cannot get $source_file|apt ).*VIGIL_DISTFILES|apt could not read"
finish
