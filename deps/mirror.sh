#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Lays the package out as a mirror of the official downloads, for nvm, n, setup-node
# and node-gyp: docs/packages.md.
#   usage: deps/mirror.sh PACKAGE_FOLDER OUT
# PACKAGE_FOLDER is that of dist/. OUT appears when it is whole.
set -euo pipefail
package=$(cd "$1" && pwd)
out=$2
[ ! -e "$out" ] || { echo "mirror: $out is there already" >&2; exit 1; }
tmp=$(mktemp -d "$(dirname "$out")/.mirror.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
version=$("$package/bin/node" -p process.version)
name=node-$version-linux-x64
mkdir "$tmp/$version"

pack() {  # name of the top folder, what is in it...
  local as=$1
  shift
  tar -C "$package" --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime=@"${SOURCE_DATE_EPOCH:-1700000000}" --transform "s,^\.,$as,rSH" -cf - "$@"
}
pack "$name" . | tee >(gzip -9n > "$tmp/$version/$name.tar.gz") | xz -1 -T0 > "$tmp/$version/$name.tar.xz"
pack "node-$version" ./include | tee >(gzip -9n > "$tmp/$version/node-$version-headers.tar.gz") |
  xz -1 -T0 > "$tmp/$version/node-$version-headers.tar.xz"
wait
for file in "$tmp/$version"/*.gz; do gzip -t "$file"; done
(cd "$tmp/$version" && sha256sum -- *.tar.* > SHASUMS256.txt)

NPM=$("$package/bin/node" -p 'require(process.argv[1]).version' "$package/lib/node_modules/npm/package.json") \
  "$package/bin/node" - "$tmp" << 'JS'
const { versions: v, release, version } = process;
const day = new Date((process.env.SOURCE_DATE_EPOCH ?? Date.now() / 1000) * 1000).toISOString().slice(0, 10);
const row = { version, date: day, files: ['headers', 'linux-x64'], npm: process.env.NPM, v8: v.v8.replace(/-node.*/, ''),
  uv: v.uv, zlib: v.zlib, openssl: v.openssl, modules: v.modules, lts: release.lts || false, security: false };
const fs = require('node:fs');
fs.writeFileSync(`${process.argv[2]}/index.json`, `${JSON.stringify([row], null, 1)}\n`);
fs.writeFileSync(`${process.argv[2]}/index.tab`, `${Object.keys(row).join('\t')}\n${
  Object.values(row).map((x) => x === false ? '-' : String(x)).join('\t')}\n`);
JS
chmod -R u+rwX,go+rX "$tmp"
mv "$tmp" "$out"
trap - EXIT
echo "$out: $version"
