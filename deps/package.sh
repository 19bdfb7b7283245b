#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Lays the build out like the official tarball, and packs it.
#   usage: deps/package.sh NAME DIST_FOLDER
# Wants WORK and PREFIX. Works in a temporary folder and renames it, so that a
# folder or tarball with the final name is always whole.
set -euo pipefail
name=$1
dist=$2
top=$(cd "$(dirname "$0")/.." && pwd)
tree=$WORK/node

mkdir -p "$dist"
rm -rf "$dist"/.new "$dist/$name" "$dist/$name.tar.xz"
out=$dist/.new/$name
mkdir -p "$out"
(cd "$tree" && /usr/bin/python3 tools/install.py install --dest-dir "$out" --prefix / \
  --config-gypi-path "$WORK/as-configured/config.gypi") \
  > "$WORK/install.log" 2>&1 ||
  { tail -n 5 "$WORK/install.log" >&2; echo "build: install failed, see $WORK/install.log" >&2; exit 1; }

# Headers of the libraries inside, which install.py leaves to the system when
# they come from outside of the tree.
cp -r "$PREFIX/include/openssl" "$PREFIX/include/uv" "$PREFIX/include/uv.h" \
  "$PREFIX/include/zlib.h" "$PREFIX/include/zconf.h" "$out/include/node/"
cp "$tree/config.gypi" "$out/include/node/"
cp "$tree"/{README.md,CHANGELOG.md} "$out/"
cp "$tree/LICENSE" "$out/LICENSE"
mkdir -p "$out/share/doc/node-vigil/pictures" "$out/include/node-vigil"
cp "$top/LICENSE" "$top/README.md" "$top"/docs/{api,cli,control,incidents,log,metrics,reading-an-incident}.md "$top"/docs/*.{yml,json} \
  "$WORK"/scripts/LICENSE.* "$out/share/doc/node-vigil/"
cp "$top"/docs/pictures/* "$out/share/doc/node-vigil/pictures/"
cp "$top"/src/js/*.d.ts "$out/include/node-vigil/"
# The command `vigil`: its launcher, its program, and what makes reports.
$CC -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -s -o "$out/bin/vigil" "$top/src/cli/launch.c"
mkdir -p "$out/lib/vigil/cli" "$out/lib/vigil/report"
cp "$top"/src/js/cli/*.js "$out/lib/vigil/cli/"
cp "$top"/src/js/report/*.js "$out/lib/vigil/report/"
cp "$WORK/scripts/page.html" "$out/lib/vigil/"
chmod -R u+rwX,go+rX,go-w "$out"

mv "$out" "$dist/$name"
rmdir "$dist/.new"
tar -C "$dist" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@"$SOURCE_DATE_EPOCH" \
  -cf - "$name" | xz -1 -T0 > "$dist/$name.tar.xz.new"
mv "$dist/$name.tar.xz.new" "$dist/$name.tar.xz"
echo "  $name.tar.xz: $(stat -c %s "$dist/$name.tar.xz") bytes"
