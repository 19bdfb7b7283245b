#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes what runs as JavaScript outside of the watched process, from src/js and
# pinned packages. Prints the folder that holds it:
#   page.html        report.html without the data of an incident, all in one file:
#                    styles, script, and a policy that allows those by their
#                    hashes and nothing else
#   report.js        CommonJS, one file, needs nothing but Node: report(dir)
#   helper.js        the helper process (src/js/helper/main.js), the same
#   helper_script.c  that, as src/helper_script.h declares it
#   LICENSE.NAME     of each package that is inside of one of them
#
#   usage: deps/scripts.sh [FOLDER]   (default: scripts in the cache)
# Files that are already there and fit are left alone. Packages come from
# DISTFILES, VIGIL_DISTFILES or the cache, or else by `npm pack`: in pins.tsv
# `esbuild` and `uplot`, and as `ship` whatever src/js/ship requires.
set -euo pipefail
shopt -s nullglob
here=$(cd "$(dirname "$0")" && pwd)
source=$here/../src/js
. "$here/packages.sh"
limit=$((100 * 1000))

# part, then what get_packages wants
pins=$(awk -F'\t' -v OFS='\t' '$1 == "uplot" || $1 == "esbuild" || $1 == "ship" { print $1, $3, $4, $5, $6, $7 }' "$here/pins.tsv")
stamp=$({ echo "$pins"; cat "$here"/{scripts.sh,packages.sh,report-page.py,embed.py}; find "$source"/*/ -type f | LC_ALL=C sort | xargs sha256sum | cut -d' ' -f1; } | sha256sum)
begin_folder scripts "${1:-${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}/scripts}" "$stamp"
get_packages < <(cut -f2- <<< "$pins")
modules=$tmp/node_modules
esbuild=$modules/@esbuild/linux-x64/bin/esbuild
[ -f "$modules/uplot/package.json" ] && [ -x "$esbuild" ] || die "pins.tsv does not name uplot and esbuild"
while IFS=$'\t' read -r part package _; do
  [ "$part" != esbuild ] || continue
  for text in "$modules/$package"/{LICENSE,LICENCE,License,license}{,.md,.txt}; do
    [ ! -f "$text" ] || cp "$text" "$tmp/LICENSE.$(tr / - <<< "${package#@}")"
  done
done <<< "$pins"

# In one folder and from there, so that the names that it puts into programs are
# the same everywhere.
cp -r "$source" "$tmp/js"
esbuild() { (cd "$tmp" && "$esbuild" --log-level=warning --charset=utf8 "$@"); }
page=$tmp/js/report/page
esbuild "$page/main.js" --bundle --format=iife --target=es2022 --minify --legal-comments=none \
  --alias:uplot="$modules/uplot/dist/uPlot.esm.js" --outfile="$tmp/script.js"
cat "$modules/uplot/dist/uPlot.min.css" "$page/style.css" > "$tmp/all.css"
esbuild "$tmp/all.css" --minify --legal-comments=none --outfile="$tmp/style.css"

/usr/bin/python3 "$here/report-page.py" "$page/page.html" "$tmp/style.css" "$tmp/script.js" \
  "$modules/uplot/LICENSE" > "$tmp/page.html" || die "cannot make the page"
bytes=$(stat -c %s "$tmp/page.html")
[ "$bytes" -le $limit ] || die "the page without data has $bytes bytes, more than $limit"

cat > "$tmp/entry.js" << 'end'
const page = require('./page.html');
const make = require('vigil-report/make.js');
exports.report = (dir, options) => make.report(dir, page, options);
end
program() {  # entry file flags...
  local entry=$1 file=$2; shift 2
  esbuild "$entry" --bundle --format=cjs --platform=node --target=node24 --loader:.html=text \
    --alias:vigil-report="$tmp/js/report" --alias:vigil-page="$tmp/page.html" --outfile="$file" "$@"
}
program "$tmp/entry.js" "$tmp/report.js"
program "$tmp/js/helper/main.js" "$tmp/helper.js" --minify-whitespace --minify-syntax --legal-comments=none
/usr/bin/python3 "$here/embed.py" vigil__helper_script < "$tmp/helper.js" > "$tmp/helper_script.c" || die "cannot embed helper.js"
# What has not changed keeps its time: it is compiled.
cmp -s "$tmp/helper_script.c" "$folder/helper_script.c" || mv "$tmp/helper_script.c" "$folder/"
mv "$tmp"/{page.html,report.js,helper.js} "$tmp"/LICENSE.* "$folder/"
end_folder "$stamp"
