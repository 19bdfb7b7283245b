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
. "$here/../../deps/packages.sh"

# The build has pinned, and mostly fetched, the bundler.
pins=$(grep -v '^#' "$here/pins.tsv"
       awk -F'\t' -v OFS='\t' '$1 == "esbuild" { print $3, $4, $5, $6, $7 }' "$here/../../deps/pins.tsv")
stamp=$({ echo "$pins"; cat "$here/fetch.sh" "$here/../../deps/packages.sh"; } | sha256sum)
begin_folder loaders "${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}/loaders" "$stamp"
get_packages <<< "$pins"
modules=$tmp/node_modules

# DevTools: TypeScript, bundled. The sampling heap profile's model stands in
# the file of its panel and needs nothing of it: its classes are taken out, or
# the whole user interface would come along. locales.js is made by DevTools'
# own build.
top=$modules/chrome-devtools-frontend
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
(cd "$top" && "$modules/@esbuild/linux-x64/bin/esbuild" entry.ts --bundle --format=esm \
  --platform=node --log-level=error --outfile="$folder/devtools.mjs") ||
  die "cannot bundle DevTools"

# speedscope: only its released program is on npm, so that one, taken apart by
# speedscope.mjs.
cp "$modules"/speedscope/dist/release/speedscope-*.js "$folder/speedscope.cjs"
end_folder "$stamp"
