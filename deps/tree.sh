#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Node's source tree as we build it, in two moves:
#   deps/tree.sh unpack   the pinned source, plus what Debian removed from it
#   deps/tree.sh patch    our patches and our src/ on top
#   deps/tree.sh check    applies every patch to fresh copies, changes nothing
# Wants WORK, PREFIX and DISTFILES in the environment.
set -euo pipefail
shopt -s nullglob
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
tree=$WORK/node

die() { echo "build: $*" >&2; exit 1; }
pinned() { awk -F'\t' -v p="$1" '$3==p {print $5; exit}' "$here/pins.tsv"; }
npm_into() {  # package folder: an npm package's files
  mkdir -p "$2"
  tar xf "$DISTFILES/$(pinned "$1")" -C "$2" --strip-components=1 --no-same-owner
}
series() { grep "^$1/" "$top/patches/series"; }

unpack() {
  local new=$WORK/node.new scratch=$WORK/scratch
  rm -rf "$new" "$scratch" "$tree"; mkdir -p "$new"
  tar xf "$DISTFILES/$(pinned nodejs)" -C "$new" --strip-components=1 --no-same-owner
  npm_into npm "$new/deps/npm"
  npm_into corepack "$new/deps/corepack"
  npm_into acorn "$new/deps/acorn/acorn"
  npm_into acorn-walk "$new/deps/acorn/acorn-walk"
  npm_into amaro "$new/deps/amaro"
  npm_into undici "$new/deps/undici/src"
  npm_into minimatch "$scratch/minimatch"
  npm_into brace-expansion "$scratch/node_modules/brace-expansion"
  npm_into balanced-match "$scratch/node_modules/balanced-match"
  mkdir -p "$new/deps/minimatch"
  local bundle=("$PREFIX/bin/esbuild" --bundle --platform=node --log-level=warning)
  "${bundle[@]}" "$new/deps/undici/src/index-fetch.js" --define:esbuildDetection=1 \
    --keep-names --outfile="$new/deps/undici/undici.js"
  "${bundle[@]}" "$scratch/minimatch/dist/commonjs/index.js" --outfile="$new/deps/minimatch/index.js"
  cp "$scratch/minimatch/package.json" "$new/deps/minimatch/"
  cp -r "$new/deps/npm/node_modules/node-gyp/gyp" "$new/tools/gyp"
  # Nothing reads it when OpenSSL comes from outside, but a rule names it.
  mkdir -p "$new/deps/openssl"; : > "$new/deps/openssl/nodejs-openssl.cnf"
  rm -rf "$scratch"
  mv "$new" "$tree"
}

# The files that any of the given patches touches, as they come from upstream.
originals() {  # folder distfile patches...
  local into=$1 file=$2 root; shift 2
  rm -rf "$into"; mkdir -p "$into"
  root=$( (tar tf "$DISTFILES/$file" 2>/dev/null || true) | head -n1 | cut -d/ -f1)
  sed -n 's,^--- a/\([^\t]*\).*,\1,p' "$@" | sort -u > "$into.list"
  sed "s,^,$root/," "$into.list" |
    tar xf "$DISTFILES/$file" -C "$into" --strip-components=1 --no-same-owner -T -
}
apply_all() {  # folder part
  local p
  for p in $(series "$2"); do (cd "$1" && "$here/apply.sh" "$top/patches/$p"); done
}
# Changes $2 only where it differs from $1, so that unchanged files keep their
# times and nothing is compiled twice.
put() { cmp -s "$1" "$2" || { mkdir -p "$(dirname "$2")"; cp "$1" "$2.new"; mv "$2.new" "$2"; }; }

patched() {  # into part distfile
  originals "$1" "$3" $(series "$2" | sed "s,^,$top/patches/,")
  apply_all "$1" "$2"
}

patch_tree() {
  local fresh=$WORK/patched f list=$tree/.vigil-patched old
  patched "$fresh" node "$(pinned nodejs)"
  old=$(cat "$list" 2>/dev/null || true)
  for f in $old; do  # no longer patched: back to upstream's
    [ -f "$fresh/$f" ] || tar xf "$DISTFILES/$(pinned nodejs)" -C "$tree" \
      --strip-components=1 --no-same-owner "node-v24.21.0/$f"
  done
  (cd "$fresh" && find . -type f | sed 's,^./,,') > "$list.new"
  while read -r f; do put "$fresh/$f" "$tree/$f"; done < "$list.new"
  mv "$list.new" "$list"
  for f in "$top"/src/*.{c,cc,h,gyp,gypi}; do put "$f" "$tree/deps/vigil/$(basename "$f")"; done
  for f in "$tree"/deps/vigil/*; do
    [ -f "$top/src/$(basename "$f")" ] || rm -f "$f"
  done
}

check() {
  local p n=0 listed
  dir=$(mktemp -d "$WORK/check.XXXXXX"); trap 'rm -rf "$dir"' EXIT
  for p in $(cd "$top/patches" && ls */*.patch); do
    grep -qx "$p" "$top/patches/series" || die "patch $p is not in patches/series"
    sed -n '1,/^---/p' "$top/patches/$p" | grep -q '^Why:' || die "patch $p does not say why"
  done
  patched "$dir/node" node "$(pinned nodejs)"
  patched "$dir/libuv" libuv "$(pinned libuv1)"
  for p in $(grep -v '^#' "$top/patches/series"); do
    [ -f "$top/patches/$p" ] || die "patches/series names $p, which is not there"
    n=$((n + 1))
  done
  for f in "$dir"/node.list "$dir"/libuv.list; do
    listed=$(wc -l < "$f"); [ "$listed" -gt 0 ] || die "the patches of $(basename "$f" .list) touch no file"
  done
  echo "$n patches apply cleanly: no fuzz, no offset"
}

case ${1:-} in
  unpack) unpack ;;
  patch) patch_tree ;;
  check) check ;;
  *) die "deps/tree.sh: want unpack, patch or check" ;;
esac
