#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Installs the packages into a clean Debian 12 root made by debootstrap: the .deb by
# dpkg, the .tar.xz by hand, and by n (of npm), node-gyp, and the URLs that nvm
# and setup-node ask for, from the mirror layout, served on loopback. On demand;
# wants root; 4 minutes. The last line is the sum.
#
#   VIGIL_PACKAGE  the folder of the package, its .tar.xz beside it (default: dist/)
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
package=${VIGIL_PACKAGE:-$(echo "$top"/dist/node-v24.21.0-vigil.*-linux-x64)}
work=$(mktemp -d "${TMPDIR:-/tmp}/vigil-packages.XXXXXX")
passed=0 failed=0 server=

die() { echo "packages: $*" >&2; exit 1; }
clean() {
  [ -z "$server" ] || kill "$server" 2> /dev/null || true
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM
[ -x "$package/bin/node" ] && [ -s "$package.tar.xz" ] || die "no package at $package: ./build.sh makes it"
[ "$(id -u)" = 0 ] || die "chroot needs root"
missing=
for w in debootstrap=debootstrap lintian=lintian dpkg-shlibdeps=dpkg-dev; do
  command -v ${w%=*} > /dev/null || missing="$missing ${w#*=}"
done
[ -z "$missing" ] || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
  apt-get -qq install -y --no-install-recommends $missing; } > "$work/apt.log" 2>&1 || die "apt-get could not install$missing"

is() {  # what, got, want
  if [ "$2" = "$3" ]; then
    passed=$((passed + 1)); echo "ok - $1"
  else
    failed=$((failed + 1)); printf 'not ok - %s\n    got:  %s\n    want: %s\n' "$1" "$2" "$3"
  fi
}
root() { mkdir "$work/$1"; tar -C "$work/$1" -xf "$(cd "$top" && test/rootfs.sh)"; }
# /proc is there for it, and goes with it.
in_root() {  # root, command...
  local r=$work/$1
  shift
  unshare -m --propagation private sh -c 'mount -t proc proc "$0/proc"; exec chroot "$0" env -i \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"' "$r" "$@" 2>&1
}
vigil=$("$package/bin/node" -p process.versions.vigil)
works='node -p "[process.version, process.versions.vigil, process.execPath].join()" && npm --version && npx --version && corepack --version'
versions() { echo "v24.21.0,$vigil,$1
$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$package"/lib/node_modules/{npm,npm,corepack}/package.json)"; }

echo "== .deb"
deb=$("$top/deps/deb.sh" "$package" "$work/deb")
again=$("$top/deps/deb.sh" "$package" "$work/deb2")
is "made twice it is the same" "$(sha256sum < "$again")" "$(sha256sum < "$deb")"
is "lintian has nothing to say but what is overridden" "$(lintian --no-cfg --fail-on none "$deb" 2> /dev/null)" ""
root debian
cp "$deb" "$work/debian/vigil.deb"
is "dpkg installs it on a bare Debian" "$(in_root debian dpkg -i /vigil.deb > "$work/log" || tail -n3 "$work/log")" ""
is "node, npm, npx, corepack" "$(in_root debian sh -c "$works")" "$(versions /usr/bin/node)"
is "nodejs is there, too" "$(in_root debian nodejs -p 1+1)" 2
is "its files are as packed" "$(in_root debian dpkg --verify nodejs-vigil)" ""
is "manual pages, copyright, changelog" "$(in_root debian sh -c 'cd /usr/share; ls man/man1/node.1.gz man/man1/npm.1.gz doc/nodejs-vigil/copyright; zcat doc/nodejs-vigil/changelog.Debian.gz | head -n1 | cut -d" " -f1')" \
"doc/nodejs-vigil/copyright
man/man1/node.1.gz
man/man1/npm.1.gz
nodejs-vigil"
is "it measures" "$(in_root debian sh -c 'VIGIL=on node -p "require(\"node:vigil\").lag(1000).loops.length > 0" 2> /dev/null')" true
dummy() {  # name, fields
  mkdir -p "$work/dummy/$1/DEBIAN"
  printf 'Package: %s\nVersion: 18.0\nArchitecture: all\nMaintainer: x <x@x.invalid>\nDescription: x\n%s\n' "$1" "$2" > "$work/dummy/$1/DEBIAN/control"
  dpkg-deb --root-owner-group -b "$work/dummy/$1" "$work/debian/$1.deb" > /dev/null
}
dummy wants-nodejs 'Depends: nodejs (>= 24), npm (>= 11)'
is "what wants nodejs and npm gets them" "$(in_root debian dpkg -i /wants-nodejs.deb > "$work/log" || cat "$work/log")" ""
dummy nodejs 'Section: x'
is "beside another nodejs it cannot be" "$(in_root debian dpkg -i /nodejs.deb | grep -c 'conflicting packages')" 1
is "npm installs globally where it did before" "$(in_root debian sh -c 'mkdir /p && cd /p && npm init -y > /dev/null && npm install -g --loglevel error . > /dev/null; npm root -g; ls /usr/lib/node_modules')" \
"/usr/lib/node_modules
corepack
npm
p"
in_root debian sh -c 'npm uninstall -g p; dpkg -P wants-nodejs nodejs-vigil' > /dev/null || true
is "purged it leaves nothing" "$(in_root debian sh -c 'find /usr -name "*node*" -path "*/bin/*"; ls -d /usr/lib/node_modules /usr/include/node /usr/share/doc/nodejs-vigil 2> /dev/null')" ""

echo "== .tar.xz"
root plain
xz -dc "$package.tar.xz" | tar -C "$work/plain/usr/local" --strip-components=1 -x
is "unpacked into /usr/local of a bare Debian" "$(in_root plain sh -c "$works")" "$(versions /usr/local/bin/node)"

echo "== mirror"
"$top/deps/mirror.sh" "$package" "$work/mirror" > /dev/null
mkfifo "$work/stdin"
"$package/bin/node" "$here/serve.mjs" "$work/mirror" < "$work/stdin" > "$work/asked" &
server=$!
exec 8> "$work/stdin"
for _ in $(seq 100); do [ ! -s "$work/asked" ] || break; sleep 0.1; done
mirror=http://127.0.0.1:$(head -n1 "$work/asked")
(cd "$work/mirror"/v*/ && sha256sum --quiet -c SHASUMS256.txt) && sums=good || sums=bad
is "the sums are right" $sums good
# What nvm (NVM_NODEJS_ORG_MIRROR), setup-node (mirror:) and node-gyp (disturl) ask for.
for path in index.tab index.json v24.21.0/SHASUMS256.txt v24.21.0/node-v24.21.0-linux-x64.tar.xz \
    v24.21.0/node-v24.21.0-linux-x64.tar.gz v24.21.0/node-v24.21.0-headers.tar.gz; do
  is "GET /$path" "$("$package/bin/node" -e 'fetch(process.argv[1]).then(async (r) => console.log(r.status, (await r.arrayBuffer()).byteLength))' "$mirror/$path")" "200 $(stat -c %s "$work/mirror/$path")"
done
is "index.tab as nvm reads it" "$(awk -F'\t' 'NR > 1 { print $1, $10 }' "$work/mirror/index.tab")" "v24.21.0 Krypton"
is "index.json as setup-node reads it" "$("$package/bin/node" -p 'const [r] = JSON.parse(fs.readFileSync(process.argv[1])); [r.version, r.files.includes("linux-x64"), r.lts].join()' "$work/mirror/index.json")" "v24.21.0,true,Krypton"
is "the top folder is the official one" "$(tar tf "$work/mirror/v24.21.0/node-v24.21.0-linux-x64.tar.gz" | cut -d/ -f1 | sort -u)" "node-v24.21.0-linux-x64"

cp /etc/resolv.conf "$work/plain/etc/"
rm -rf "$work"/plain/usr/local/{bin,lib,include,share}/{node,npm,npx,corepack,node_modules}
in_root plain sh -c 'apt-get -qq update && apt-get -qq install -y --no-install-recommends curl xz-utils' > "$work/log" 2>&1 ||
  die "apt-get failed in the root: $(tail -n2 "$work/log")"
"$top/deps/fetch.sh" "$work/files" "$here/pins.tsv" > /dev/null
tar -C "$work/plain/opt" -xzf "$work/files/n-10.2.0.tgz"
is "n installs from it" "$(in_root plain env N_NODE_MIRROR="$mirror" bash /opt/package/bin/n 24 > "$work/log" || tail -n3 "$work/log")" ""
is "and it works" "$(in_root plain sh -c "$works")" "$(versions /usr/local/bin/node)"
is "node-gyp gets its headers from it" "$(in_root plain sh -c "node /usr/local/lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js install --dist-url=$mirror > /log 2>&1 || tail -n5 /log; ls /root/.cache/node-gyp/24.21.0/include/node/node.h")" \
  "/root/.cache/node-gyp/24.21.0/include/node/node.h"
is "nothing was asked for in vain" "$(grep ' 404$' "$work/asked" | sort -u)" ""
exec 8>&-
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
