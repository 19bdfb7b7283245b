#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Builds the image of the Dockerfile and runs it: buildah and podman of Debian on
# a base made by debootstrap. Beside it an image of the official binary, laid out
# by the same Dockerfile: what both do must be the same. On demand; wants root; 3
# minutes, and one more the first time. The last line is the sum.
#
#   run.sh            takes the package of dist/ (./build.sh makes it)
#   run.sh --compile  the build stage compiles, too: in this machine's cache
#   VIGIL_PACKAGE     the folder of the package (default: that of dist/)
set -euo pipefail
. "$(dirname "$0")/lib.sh"
package=${VIGIL_PACKAGE:-$(echo "$top"/dist/node-v24.21.0-vigil.*-linux-x64)}
[ -x "$package/bin/node" ] || die "no package at $package: ./build.sh makes it"
name=$(basename "$package")
version=${name#node-v} version=${version%-linux-x64}
stock=$("$top/test/stock.sh")
tools
store
npm_set_up
pod import -q "$("$top/test/rootfs.sh")" localhost/base > /dev/null 2>&1

# The context as `docker build` of a clean clone would send it, and the packages.
context=$work/context
mkdir -p "$context/dist/stock"
(cd "$top" && git ls-files -z -co --exclude-standard | xargs -0 cp --parents -t "$context")
cp -a "$package" "$context/dist/"
cp -a "$package/." "$context/dist/stock/"
rm -rf "$context/dist/stock/include"
cp -a "$stock/bin" "$stock/include" "$context/dist/stock/"
find "$context/dist/stock/include/node/openssl/archs" -mindepth 1 -maxdepth 1 ! -name linux-x86_64 -exec rm -rf {} +
if [ "${1:-}" = --compile ]; then
  cache=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}
  rm -rf "${context:?}/dist/$name"
  buildah "${where[@]}" bud --isolation chroot --network host --pull-never \
    --build-arg BASE=localhost/base --build-arg BUILD_BASE=localhost/base \
    -v "$cache:/root/.cache/vigil" -v "$work/npmrc:/root/.npmrc:ro" ${ca:+-v "$ca:/root/ca.crt:ro"} \
    -t localhost/ours "$context" || die "the build stage failed"
else
  image ours "$name" "$context"
fi
image stock stock "$context"

echo "== what the image says"
pod image inspect localhost/ours > "$work/image.json"
config() { "$package/bin/node" -p "const [{ Config: c, Labels: l = {} }] = JSON.parse(fs.readFileSync(process.argv[1])); $1" "$work/image.json"; }
is "the user is not selected" "$(config 'c.User ?? ""')" ""
is "the entrypoint, and node as its command" "$(config 'JSON.stringify([c.Entrypoint, c.Cmd])')" '[["docker-entrypoint.sh"],["node"]]'
is "no HEALTHCHECK, no VOLUME, no port" "$(config '[c.Healthcheck, c.Volumes, c.ExposedPorts].every((x) => x == null)')" true
is "labels have a version and a licence" "$(config '["version", "licenses"].map((k) => l[`org.opencontainers.image.${k}`])')" "[ '$version', 'MIT' ]"
is "Vigil is set up" "$(config 'c.Env.filter((e) => e.startsWith("VIGIL")).sort().join(" ")')" "VIGIL_DIR=/var/lib/vigil/incidents VIGIL_SIGNAL=SIGUSR2"

echo "== as the official image"
mkdir "$work/app"
echo 'console.log("a script", ...process.argv.slice(2))' > "$work/app/app.js"
printf '#!/bin/sh\necho a command "$@"\n' > "$work/app/tool"
chmod 755 "$work/app/tool"
mkdir "$work/app/dependency"
echo '{"name":"dependency","version":"1.0.0","bin":"cli.js"}' > "$work/app/dependency/package.json"
printf '#!/usr/bin/env node\nconsole.log("from a dependency", process.getuid())\n' > "$work/app/dependency/cli.js"
echo '{"name":"app","private":true,"scripts":{"hello":"echo hello"}}' > "$work/app/package.json"
both() {  # what, stdin, arguments of run
  local what=$1 input=$2 image out=()
  shift 2
  for image in stock ours; do
    out+=("$(printf %s "$input" | run -v "$work/app:/app:ro" -w /app "${@//IMAGE/localhost/$image}" 2>&1 |
      sed 's/^Node.js v24.*//; s/ in [0-9.]* *m\?s$/ in/'; echo "code ${PIPESTATUS[1]}")")
  done
  is "$what: $(tail -n2 <<< "${out[0]}" | tr '\n' ' ' | cut -c1-60)" "${out[1]}" "${out[0]}"
}
both "no command: stdin is a script" 'console.log(process.argv0)' IMAGE
both "options are node's" '' IMAGE -p 'process.pid'
both "a script is run by node" '' IMAGE app.js with arguments
both "a script by its path" '' IMAGE ./app.js
both "a command is run as it is" '' IMAGE ./tool with arguments
both "a shell" '' IMAGE sh -c 'echo $0 $$'
both "bash" '' IMAGE bash -c 'echo $BASH; exit 7'
both "an exit code" '' IMAGE -e 'process.exit(42)'
both "an uncaught error" '' IMAGE -e 'throw 1'
both "what is not there" '' IMAGE nothing-of-that-name
both "the version" '' IMAGE node --version
both "nodejs is node" '' IMAGE nodejs -p process.version
both "NODE_VERSION, YARN_VERSION" '' IMAGE -p '`v${process.env.NODE_VERSION}` === process.version && process.env.YARN_VERSION'
both "PATH, HOME, the folder" '' IMAGE sh -c 'echo $PATH $HOME; pwd; umask'
both "npm, npx, corepack, yarn, yarnpkg" '' IMAGE sh -c 'for c in npm npx corepack yarn yarnpkg; do echo $c $($c --version); done'
both "the user node" '' --user node IMAGE sh -c 'id; echo $HOME; touch ~/x && echo written'
both "npm run" '' IMAGE npm run hello
both "yarn run" '' IMAGE yarn --silent run hello
install='cp -r /app ~/app && cd ~/app && npm install --no-audit --no-fund --loglevel error ./dependency && npx dependency && ls node_modules/.bin'
both "npm install and npx, as root" '' IMAGE sh -c "$install"
both "npm install and npx, as node" '' --user node IMAGE sh -c "$install"
both "npm install -g" '' IMAGE sh -c 'cp -r dependency /root && npm install --loglevel error -g /root/dependency && dependency && npm root -g'
both "corepack enable" '' IMAGE sh -c 'corepack enable pnpm && ls -l $(command -v pnpm) | sed "s/.* //"'
both "an entrypoint of one's own" '' --entrypoint node IMAGE -p 2
both "files in /usr/local/bin" '' IMAGE ls /usr/local/bin
is "nothing is left behind in /tmp" "$(run localhost/ours ls -A /tmp)" ""
is "process.versions.vigil is that of the package" "$(run localhost/ours -p process.versions.vigil)" "$("$package/bin/node" -p process.versions.vigil)"

. "$here/signals.sh"
. "$here/incidents.sh"

echo "== size"
size() { pod image inspect --format '{{.Size}}' "localhost/$1"; }
base=$(size base)
for image in ours stock; do
  echo "# $image: $((($(size $image) - base) / 1000000)) MB on a base of $((base / 1000000)) MB"
done
is "not larger than one with the official binary by more than 5 %" \
  "$(awk -v a="$(size ours)" -v b="$(size stock)" 'BEGIN { print (a <= b * 1.05) }')" 1
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
