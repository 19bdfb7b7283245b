#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Prints a folder with ship.js: src/js/ship as one file, bundled with the pinned
# esbuild and aws4 as it is for the helper, but readable.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
cache=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}
folder=${1:-$cache/ship}

die() { echo "ship: $*" >&2; exit 1; }
good() {  # file size sha
  [ -f "$1" ] && [ "$(stat -c %s "$1")" = "$2" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$3" ]
}

pins=$(awk -F'\t' '$1 == "ship" || $1 == "esbuild"' "$top/deps/pins.tsv")
stamp=$({ echo "$pins"; cat "$here/fetch.sh" "$top"/src/js/ship/*.js; } | sha256sum)
mkdir -p "$folder"
exec 9> "$folder/lock"
flock 9
if [ "$(cat "$folder/made" 2>/dev/null)" = "$stamp" ]; then
  echo "$folder"
  exit
fi
rm -rf "$folder/made" "$folder"/tmp.*
tmp=$(mktemp -d "$folder/tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
while IFS=$'\t' read -r _ _ package version file size sha; do
  from=
  for place in "${VIGIL_DISTFILES:-}" "$cache/distfiles" "$folder"; do
    if [ -n "$place" ] && good "$place/$file" "$size" "$sha"; then from=$place/$file; break; fi
  done
  if [ -z "$from" ]; then
    (cd "$tmp" && npm pack --silent "$package@$version" > /dev/null 2> err) ||
      die "cannot get $file (npm pack $package@$version): $(tail -n1 "$tmp/err")" \
          "or put it into a folder and set VIGIL_DISTFILES to that"
    good "$tmp/$file" "$size" "$sha" || die "$file does not match its pin, SHA-256 $sha"
    mv "$tmp/$file" "$folder/$file"
    from=$folder/$file
  fi
  mkdir -p "$tmp/node_modules/$package"
  tar xf "$from" -C "$tmp/node_modules/$package" --no-same-owner --strip-components=1
done <<< "$pins"
NODE_PATH=$tmp/node_modules "$tmp/node_modules/@esbuild/linux-x64/bin/esbuild" "$top/src/js/ship/main.js" \
  --log-level=warning --charset=utf8 --bundle --format=cjs --platform=node --target=node24 --outfile="$folder/ship.js"
echo "$stamp" > "$folder/made"
echo "$folder"
