#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Builds the add-ons of built.txt by node-gyp, run by our binary, against the
# headers of our package. Called by run.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1 package=$2
gyp=$package/lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js
headers=$(cd "$package/include/node" && find . -type f -print0 | sort -z | xargs -0 cat | sha256sum)
while read -r name; do
  case $name in '' | \#*) continue ;; esac
  dir=$folder/node_modules/$name
  [ "$(cat "$dir/.built" 2> /dev/null)" != "$headers" ] || continue
  echo "building $name against the headers of $package"
  rm -rf "$dir/prebuilds" "$dir/build"
  (cd "$dir" && env -u npm_config_nodedir HOME="$folder" CC=gcc CXX=g++ "$package/bin/node" "$gyp" rebuild \
    --nodedir="$package" --python=/usr/bin/python3 -j 2) > "$dir/build.log" 2>&1 ||
    { echo "programs: $name does not build, see $dir/build.log" >&2; tail -n 5 "$dir/build.log" >&2; exit 1; }
  echo "$headers" > "$dir/.built"
done < "$here/built.txt"
