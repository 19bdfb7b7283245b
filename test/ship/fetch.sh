#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Prints a folder with ship.js: src/js/ship as one file, bundled with the pinned
# esbuild and aws4 as it is for the helper, but readable.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
. "$top/deps/packages.sh"

pins=$(awk -F'\t' -v OFS='\t' '$1 == "ship" || $1 == "esbuild" { print $3, $4, $5, $6, $7 }' "$top/deps/pins.tsv")
stamp=$({ echo "$pins"; cat "$here/fetch.sh" "$top/deps/packages.sh" "$top"/src/js/ship/*.js; } | sha256sum)
begin_folder ship "${1:-${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}/ship}" "$stamp"
get_packages <<< "$pins"
NODE_PATH=$tmp/node_modules "$tmp/node_modules/@esbuild/linux-x64/bin/esbuild" "$top/src/js/ship/main.js" \
  --log-level=warning --charset=utf8 --bundle --format=cjs --platform=node --target=node24 --outfile="$folder/ship.js"
end_folder "$stamp"
