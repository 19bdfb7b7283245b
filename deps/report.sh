#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes the page of report.html, without the data of an incident, and the program
# that fills it, from src/js/report and the pinned uPlot. Prints the folder that
# holds them:
#   page.html   all in one file: styles, script, and a policy that allows those
#               by their hashes and nothing else
#   report.js   CommonJS, one file, needs nothing but Node: report(dir)
#   LICENSE.uplot
#
#   usage: deps/report.sh [FOLDER]   (default: report in the cache)
# Files that are already there and fit are left alone. uPlot and esbuild come
# from DISTFILES, VIGIL_DISTFILES or the cache, or else by `npm pack`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$here/../src/js/report
cache=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}
folder=${1:-$cache/report}
limit=$((100 * 1000))

die() { echo "report: $*" >&2; exit 1; }
good() {  # file size sha
  [ -f "$1" ] && [ "$(stat -c %s "$1")" = "$2" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$3" ]
}

pins=$(awk -F'\t' '$1 == "uplot" || $1 == "esbuild"' "$here/pins.tsv")
stamp=$({ echo "$pins"; cat "$here/report.sh"; find "$source" -type f -name '*.*' | LC_ALL=C sort | xargs cat; } | sha256sum)
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

while IFS=$'\t' read -r part source_ package version file size sha; do
  from=
  for place in "${DISTFILES:-}" "${VIGIL_DISTFILES:-}" "$cache/distfiles" "$folder"; do
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
  mkdir -p "$tmp/$part"
  tar xf "$from" -C "$tmp/$part" --no-same-owner --strip-components=1
done <<< "$pins"
[ -f "$tmp/uplot/package.json" ] && [ -x "$tmp/esbuild/bin/esbuild" ] || die "pins.tsv does not name uplot and esbuild"

esbuild() { "$tmp/esbuild/bin/esbuild" --log-level=warning --charset=utf8 "$@"; }
esbuild "$source/page/main.js" --bundle --format=iife --target=es2022 --minify --legal-comments=none \
  --alias:uplot="$tmp/uplot/dist/uPlot.esm.js" --outfile="$tmp/script.js"
cat "$tmp/uplot/dist/uPlot.min.css" "$source/page/style.css" > "$tmp/all.css"
esbuild "$tmp/all.css" --minify --legal-comments=none --outfile="$tmp/style.css"

/usr/bin/python3 "$here/report-page.py" "$source/page/page.html" "$tmp/style.css" "$tmp/script.js" \
  "$tmp/uplot/LICENSE" > "$tmp/page.html" || die "cannot make the page"
bytes=$(stat -c %s "$tmp/page.html")
[ "$bytes" -le $limit ] || die "the page without data has $bytes bytes, more than $limit"

cat > "$tmp/entry.js" << 'end'
const page = require('./page.html');
const make = require('vigil-report/make.js');
exports.report = (dir, options) => make.report(dir, page, options);
end
esbuild "$tmp/entry.js" --bundle --format=cjs --platform=node --target=node24 --loader:.html=text \
  --alias:vigil-report="$source" --outfile="$tmp/report.js"
cp "$tmp/uplot/LICENSE" "$tmp/LICENSE.uplot"
mv "$tmp/page.html" "$tmp/report.js" "$tmp/LICENSE.uplot" "$folder/"
echo "$stamp" > "$folder/made"
echo "$folder"
