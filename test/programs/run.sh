#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Runs real programs and native add-ons with the official binary and with ours
# and prints a table. They come from npm by the lock files here, through the
# machine's own npm configuration. See README.md.
#
#   test/programs/run.sh [programs | addons] [NAME...]   (default: all)
#
#   VIGIL_NODE   our binary (default: that of dist/)
#   VIGIL_STOCK  the folder of the official one (default: test/stock.sh)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)

die() { echo "programs: $*" >&2; exit 1; }
ours=${VIGIL_NODE:-$(echo "$top"/dist/node-v24.21.0-vigil.*-linux-x64/bin/node)}
[ -x "$ours" ] || die "no binary of ours: build it, or name it in VIGIL_NODE"
ours=$(realpath "$ours")
package=$(dirname "$(dirname "$ours")")
npm=$package/lib/node_modules/npm
[ -d "$npm" ] || die "$ours has no package around it"
VIGIL_STOCK=${VIGIL_STOCK:-$("$top/test/stock.sh")}
work=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}/programs
mkdir -p "$work"
exec 9> "$work/lock"
flock -n 9 || { echo "programs: another run uses $work, waiting for it" >&2; flock 9; }

# A lock file must not say where packages come from: npm's configuration does.
grep -l '"resolved"\|://' "$here"/*/package-lock.json && die "a lock file names hosts"

install() {  # folder, then options of npm ci
  local folder=$work/$1 stamp
  stamp=$(cat "$here/$1"/package*.json | sha256sum)
  if [ "$(cat "$folder/installed" 2> /dev/null)" != "$stamp" ]; then
    echo "installing test/programs/$1 with our npm"
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$here/$1"/package*.json "$folder/"
    (cd "$folder" && "$ours" "$npm/bin/npm-cli.js" install --no-audit --no-fund --loglevel=error "${@:2}") ||
      die "npm install of test/programs/$1 failed"
    cp "$here/$1/package-lock.json" "$folder/"
    "$ours" "$here/locked.mjs" "$folder" || die "npm installed something else than test/programs/$1 pins"
    echo "$stamp" > "$folder/installed"
  fi
  rm -rf "$folder/cases"
  cp -r "$here/cases" "$folder/cases"
}

what=${1:-all}
case $what in programs | addons) shift ;; all) [ $# = 0 ] || shift ;; *) die "want programs or addons, not $what" ;; esac
code=0
compare() { "$ours" "$here/compare.mjs" "$@" || code=1; }
export VIGIL_OURS=$ours VIGIL_STOCK VIGIL_PACKAGE=$package
if [ "$what" != addons ]; then
  install npm
  compare "$work/npm" programs "$@"
fi
if [ "$what" != programs ]; then
  # No package's own script runs: what is prebuilt is in the packages, and what
  # is to be built is built here, against our headers.
  install addons --ignore-scripts
  "$here/build.sh" "$work/addons" "$package"
  compare "$work/addons" addons "$@"
fi
exit "$code"
