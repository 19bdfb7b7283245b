#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Lays out what the image adds to Debian, where the official one has it.
#   usage: deps/image/layout.sh FOLDER_OF_DIST|"" OUT
# Wants no tool that Debian's base has not.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
package=${1:-$(cd "$top/dist" && echo node-v*-linux-x64)}
out=$2
yarn=1.22.22

[ -x "$top/dist/$package/bin/node" ] ||
  { echo "image: no package in dist/$package" >&2; exit 1; }
mkdir -p "$out/usr/local/bin" "$out/opt"
cp -a --no-preserve=ownership "$top/dist/$package/." "$out/usr/local/"
install -m 755 "$here/docker-entrypoint.sh" "$out/usr/local/bin/"
ln -s /usr/local/bin/node "$out/usr/local/bin/nodejs"

files=$(mktemp -d)
PATH=$out/usr/local/bin:$PATH "$top/deps/fetch.sh" "$files" "$here/pins.tsv"
tar -C "$out/opt" --no-same-owner -xzf "$files/yarn-$yarn.tgz"
rm -rf "$files"
mv "$out/opt/package" "$out/opt/yarn-v$yarn"
# npm packs for itself to set the modes.
chmod -R u+rwX,go+rX,go-w "$out/opt/yarn-v$yarn"
chmod 755 "$out/opt/yarn-v$yarn/bin/"{yarn,yarnpkg,yarn.js}
ln -s "/opt/yarn-v$yarn/bin/yarn" "/opt/yarn-v$yarn/bin/yarnpkg" "$out/usr/local/bin/"
