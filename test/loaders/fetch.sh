#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Prints a folder with devtools.mjs and speedscope.cjs: the code with which
# Chrome DevTools and speedscope load files, made from the packages of
# pins.tsv. Fetches those into the cache first where they are not there, through
# the machine's own npm, or takes them from VIGIL_DISTFILES.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}
folder=$cache/loaders

die() { echo "loaders: $*" >&2; exit 1; }
good() {  # file size sha
  [ -f "$1" ] && [ "$(stat -c %s "$1")" = "$2" ] &&
    [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$3" ]
}

# The build has pinned, and mostly fetched, the bundler.
pins=$(grep -v '^#' "$here/pins.tsv"
       awk -F'\t' '$1 == "esbuild" { print $3 "\t" $4 "\t" $5 "\t" $6 "\t" $7 }' \
         "$here/../../deps/pins.tsv")
stamp=$({ echo "$pins"; cat "$here/fetch.sh"; } | sha256sum)

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

while IFS=$'\t' read -r package version file size sha; do
  from=
  for place in "$folder" "${VIGIL_DISTFILES:-}" "$cache/distfiles"; do
    if good "$place/$file" "$size" "$sha"; then from=$place/$file; break; fi
  done
  if [ -z "$from" ]; then
    (cd "$tmp" && npm pack --silent "$package@$version" > /dev/null 2> err) ||
      die "cannot get $file (npm pack $package@$version): $(tail -n1 "$tmp/err")" \
          "or put it into a folder and set VIGIL_DISTFILES to that"
    good "$tmp/$file" "$size" "$sha" || die "$file does not match its pin, SHA-256 $sha"
    from=$folder/$file
    mv "$tmp/$file" "$from"
  fi
  mkdir -p "$tmp/$package"
  tar xf "$from" -C "$tmp/$package" --no-same-owner --strip-components=1
done <<< "$pins"

# DevTools: TypeScript, bundled. The sampling heap profile's model stands in
# the file of its panel and needs nothing of it: its classes are taken out, or
# the whole user interface would come along. locales.js is made by DevTools'
# own build.
top=$tmp/chrome-devtools-frontend
view=$top/front_end/panels/profiler/HeapProfileView.ts
cat > "$top/front_end/core/i18n/locales.js" << 'end'
export const LOCALES = ['en-US'], BUNDLED_LOCALES = ['en-US'], DEFAULT_LOCALE = 'en-US';
export const LOCAL_FETCH_PATTERN = '', REMOTE_FETCH_PATTERN = '';
end
{
  cat << 'end'
import * as CPUProfile from './front_end/models/cpu_profile/cpu_profile.js';
import type * as Protocol from './front_end/generated/protocol.js';
export {CPUProfile};
export * as Trace from './front_end/models/trace/trace.js';
export * as HeapSnapshotModel from './front_end/models/heap_snapshot/heap_snapshot.js';
export * as HeapSnapshotWorker from './front_end/entrypoints/heap_snapshot_worker/heap_snapshot_worker.js';
end
  sed -n '/^export class SamplingHeapProfileNode /,/^export class NodeFormatter /p' "$view" | sed '$d'
} > "$top/entry.ts"
for name in SamplingHeapProfileNode SamplingHeapProfileModel; do
  grep -q "^export class $name " "$top/entry.ts" || die "no $name in $view"
done
(cd "$top" && "$tmp/@esbuild/linux-x64/bin/esbuild" entry.ts --bundle --format=esm \
  --platform=node --log-level=error --outfile="$folder/devtools.mjs") ||
  die "cannot bundle DevTools"

# speedscope: only its released program is on npm, so that one, taken apart by
# speedscope.mjs.
cp "$tmp"/speedscope/dist/release/speedscope-*.js "$folder/speedscope.cjs"
echo "$stamp" > "$folder/made"
echo "$folder"
