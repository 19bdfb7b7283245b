#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes a Debian package of the built one: docs/packages.md.
#   usage: deps/deb.sh PACKAGE_FOLDER OUT_FOLDER
# PACKAGE_FOLDER is that of dist/. DEBFULLNAME and DEBEMAIL name who made it. Wants
# dpkg-dev; the same input and SOURCE_DATE_EPOCH give the same bytes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
package=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
name=nodejs-vigil
node=$("$package/bin/node" -p process.versions.node)
npm=$("$package/bin/node" -p 'require(process.argv[1]).version' "$package/lib/node_modules/npm/package.json")
version=$node+vigil.$("$package/bin/node" -p process.versions.vigil)-1
who="${DEBFULLNAME:-Node Vigil contributors} <${DEBEMAIL:-packages@node-vigil.invalid}>"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1700000000} LC_ALL=C
command -v dpkg-shlibdeps > /dev/null || { echo "deb: no dpkg-shlibdeps: it is in the Debian package dpkg-dev" >&2; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root
doc=$root/usr/share/doc/$name
mkdir -p "$root/DEBIAN" "$root/usr/share/lintian/overrides" "$doc" "$tmp/debian"

cp -a --no-preserve=ownership "$package"/{bin,include,lib} "$root/usr/"
ln -s node "$root/usr/bin/nodejs"
# For node-gyp and for people; npm's help finds its own copies in its folder.
mkdir -p "$root/usr/share/man/man1"
gzip -9nc "$package/share/man/man1/node.1" > "$root/usr/share/man/man1/node.1.gz"
ln -s node.1.gz "$root/usr/share/man/man1/nodejs.1.gz"
for page in npm npx; do
  gzip -9nc "$package/lib/node_modules/npm/man/man1/$page.1" > "$root/usr/share/man/man1/$page.1.gz"
done
gzip -9nc "$here/deb/corepack.1" > "$root/usr/share/man/man1/corepack.1.gz"
cp "$package"/share/doc/node-vigil/*.{md,yml,json} "$package"/share/doc/node/* "$doc/"
find "$doc" -name '*.md' -size +4k -exec gzip -9n {} +

cat "$here/deb/copyright" "$package/share/doc/node-vigil/LICENSE" <(printf '\n\nNode.js and its parts\n=====================\n\n') \
  "$package/LICENSE" > "$doc/copyright"
printf '%s (%s) bookworm; urgency=medium\n\n  * Node Vigil %s, of the package %s.\n\n -- %s  %s\n' \
  "$name" "$version" "${version%-1}" "$(basename "$package")" "$who" "$(date -uRd "@$SOURCE_DATE_EPOCH")" |
  gzip -9n > "$doc/changelog.Debian.gz"
cp "$here/deb/lintian-overrides" "$root/usr/share/lintian/overrides/$name"

# What is executable without an interpreter line, or the other way round, came so.
chmod -R u+rwX,go+rX,go-w "$root"
chmod 755 "$root/usr/bin/node"
printf 'Source: %s\n\nPackage: %s\nArchitecture: amd64\n' "$name" "$name" > "$tmp/debian/control"
depends=$(cd "$tmp" && dpkg-shlibdeps -O root/usr/bin/node 2> err | sed -n 's/^shlibs:Depends=//p') ||
  { cat "$tmp/err" >&2; exit 1; }
[ -n "$depends" ] || { echo "deb: dpkg-shlibdeps found no library" >&2; cat "$tmp/err" >&2; exit 1; }
cat > "$root/DEBIAN/control" << CONTROL
Package: $name
Version: $version
Architecture: amd64
Maintainer: $who
Installed-Size: $(du -k --apparent-size -s "$root/usr" | cut -f1)
Depends: $depends
Recommends: ca-certificates
Suggests: python3, make, g++
Provides: nodejs (= $node), npm (= $npm), corepack
Conflicts: nodejs, npm, corepack, libnode-dev
Replaces: nodejs, npm, corepack, libnode-dev
Section: javascript
Priority: optional
Description: Node.js that keeps watch on its own event loop
 Node.js $node with npm, npx and corepack, for programs that want nodejs. It
 measures how long a request waits for the event loop, and when that stays too
 high writes a CPU profile, one of the minute before, and a heap snapshot.
 .
 Environment variables set the thresholds; nothing else has to be changed.
CONTROL
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum > DEBIAN/md5sums)
chmod 644 "$root/DEBIAN"/*
dpkg-deb --root-owner-group -Zxz -z1 --build "$root" "$tmp/deb" > /dev/null
mv "$tmp/deb" "$out/${name}_${version}_amd64.deb.new"
mv "$out/${name}_${version}_amd64.deb.new" "$out/${name}_${version}_amd64.deb"
echo "$out/${name}_${version}_amd64.deb"
