#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Runs Node's own test suite with the official binary and with ours, and
# prints who passed what. What passes only with the official one needs a reason
# in explained.txt. See README.md; --help for the options.
#
#   VIGIL_NODE   our binary (default: that of dist/)
#   VIGIL_STOCK  the folder of the official one (default: test/stock.sh)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)

die() { echo "upstream: $*" >&2; exit 1; }
ours=${VIGIL_NODE:-$(echo "$top"/dist/node-v24.21.0-vigil.*-linux-x64/bin/node)}
[ -x "$ours" ] || die "no binary of ours: build it, or name it in VIGIL_NODE"
ours=$(realpath "$ours")
stock=${VIGIL_STOCK:-$("$top/test/stock.sh")}
cache=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}
[ -x "$(command -v python3)" ] || die "upstream's runner wants python3"

# The tests come from the pinned source, without our patches.
export WORK=$cache/upstream PREFIX=$cache/upstream/prefix DISTFILES=$cache/distfiles \
       PARTS=$cache/upstream/built
mkdir -p "$WORK"
exec 9> "$WORK/lock"
flock -n 9 || { echo "upstream: another run uses $WORK, waiting for it" >&2; flock 9; }
good() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]; }
# What of the tests' fixtures Debian leaves out of the source.
fixture() {  # package, folder of the tree
  local version file sha place
  read -r version file sha <<< "$(awk -F'\t' -v p="$1" '$1 == p { print $2, $3, $5 }' "$here/pins.tsv")"
  for place in "$WORK" "${VIGIL_DISTFILES:-}"; do
    good "$place/$file" "$sha" && break
    place=
  done
  if [ -z "$place" ]; then
    place=$WORK
    (cd "$WORK" && npm pack --silent "$1@$version" > /dev/null 2> unpack.log) ||
      die "cannot get $file (npm pack $1@$version): $(tail -n1 "$WORK/unpack.log")"
    good "$WORK/$file" "$sha" || die "$file does not match its pin, SHA-256 $sha"
  fi
  rm -rf "$WORK/node/$2"
  mkdir -p "$WORK/node/$2"
  tar xf "$place/$file" -C "$WORK/node/$2" --strip-components=1 --no-same-owner
}

stamp=$(cat "$top/deps/pins.tsv" "$top/deps/tree.sh" "$here/pins.tsv" | sha256sum)
if [ "$(cat "$WORK/unpacked" 2> /dev/null)" != "$stamp" ]; then
  rm -rf "$WORK/unpacked" "$WORK/addons"
  mkdir -p "$PREFIX"
  { "$top/deps/fetch.sh" "$DISTFILES" && CC=true CXX=true "$top/deps/part.sh" esbuild &&
    "$top/deps/tree.sh" unpack; } > "$WORK/unpack.log" 2>&1 ||
    die "cannot make the source tree, see $WORK/unpack.log: $(tail -n1 "$WORK/unpack.log")"
  fixture postject test/fixtures/postject-copy/node_modules/postject
  fixture commander test/fixtures/postject-copy/node_modules/commander
  fixture typescript test/fixtures/snapshot/package
  ln -sf package/lib/typescript.js "$WORK/node/test/fixtures/snapshot/typescript.js"
  echo "$stamp" > "$WORK/unpacked"
fi

exec python3 "$here/suite.py" --tree "$WORK/node" --results "$WORK/results" \
  --stock "$stock" --ours "$ours" "$@"
