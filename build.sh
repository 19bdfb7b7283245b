#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds Node Vigil from pinned source: a short list of named steps, each left
# out when its inputs are unchanged. See --help, deps/README.md, docs/build.md.
set -euo pipefail
shopt -s nullglob
top=$(cd "$(dirname "$0")" && pwd)
steps="tools fetch unpack patch parts configure compile package"
version=v24.21.0-vigil.$(sed -n 's/^#define VIGIL_VERSION "\(.*\)"/\1/p' "$top/src/vigil.h")
name=node-$version-linux-x64

usage() {
  cat <<USAGE
usage: ./build.sh [--check-patches | --clean | --help] [--jobs N]

Builds $name into dist/. Steps: $steps.
A second run with nothing changed ends in seconds; an interrupted one continues.

  --check-patches  apply every patch to fresh sources, compile nothing
  --clean          remove dist/ and the build tree (downloads and ccache stay)
  --jobs N         compile N files at once (default: from cores and memory)

  VIGIL_CACHE      downloads, build tree and ccache (default: $cache)
  VIGIL_DISTFILES  a folder of source files, taken by SHA-256 before any download
  VIGIL_NO_INSTALL=1  never install a missing tool, fail and name it
USAGE
}

die() { echo "build: $*" >&2; exit 1; }
cache=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}
jobs=
action=build
while [ $# -gt 0 ]; do
  case $1 in
    --help|-h) usage; exit 0 ;;
    --check-patches) action=check ;;
    --clean) action=clean ;;
    --jobs) shift; jobs=${1:-}; [[ $jobs =~ ^[1-9][0-9]*$ ]] || die "--jobs wants a number of at least 1" ;;
    *) die "unknown option $1, see --help" ;;
  esac
  shift
done

export WORK=$cache/work PREFIX=$cache/work/prefix DISTFILES=$cache/distfiles PARTS=$cache/parts
export CC="ccache clang-19" CXX="ccache clang++-19" PYTHON=/usr/bin/python3
# Paths below WORK are hashed as relative ones: see docs/build.md, "Cache".
export CCACHE_DIR=$cache/ccache CCACHE_BASEDIR=$WORK CCACHE_COMPILERCHECK=content \
       CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G} CCACHE_NOHASHDIR=1 \
       CCACHE_DEPEND=1  # a miss is not preprocessed apart: 2 minutes of a cold build
# -latomic and friends only where something needs them, as in the official binary.
# As the official binary. Position-independent, it would have 4 MB of relocations to
# write at each start; linked by lld, it starts 1 ms later, and its table of symbols
# does not survive what postject does to it (a single executable with add-ons).
export LDFLAGS="-fuse-ld=bfd -no-pie -Wl,--as-needed"
# ccache hashes the locale: the same one for everybody.
unset LC_ALL LC_CTYPE LC_MESSAGES
export SOURCE_DATE_EPOCH=1700000000 LANG=C.UTF-8 TZ=UTC
release=$WORK/node/out/Release

configure_flags() {
  local lib
  # No test of Node's own in C++ is built: zlib stands in for a gtest that need
  # not be there, since configure would name it to the linker.
  printf '%s\n' --prefix=/ --ninja --release-urlbase=https://nodejs.org/download/release/ --shared-gtest --shared-gtest-libname=z --with-intl=system-icu \
    --v8-enable-private-mapping-fork-optimization --shared-brotli-libname=brotlidec,brotlienc,brotlicommon
  for lib in ada zlib zstd cares http-parser nghttp2 brotli simdjson sqlite \
             simdutf hdr-histogram libuv openssl; do
    printf '%s\n' "--shared-$lib" "--shared-$lib-includes=$PREFIX/include" "--shared-$lib-libpath=$PREFIX/lib"
  done
}

# ---- the steps: NAME_inputs prints all that the result depends on, NAME makes
# it, and NAME_there looks whether somebody took it away
tools_inputs() { cat "$top/deps/tools.sh"; }
tools() { "$top/deps/tools.sh"; }
# The cache may have come from another machine.
tools_there() { VIGIL_NO_INSTALL=1 "$top/deps/tools.sh" > /dev/null 2>&1; }

fetch_inputs() { cat "$top/deps/pins.tsv"; }
fetch() { "$top/deps/fetch.sh" "$DISTFILES"; }
fetch_there() {
  local file
  for file in $(awk -F'\t' '!/^#/ {print $5}' "$top/deps/pins.tsv"); do
    [ -s "$DISTFILES/$file" ] || return 1
  done
}

unpack_inputs() { cat "$top/deps/pins.tsv" "$top/deps/tree.sh" | grep -v '^\(libuv\|openssl\|icu\|ship\)'; }
unpack() { "$top/deps/part.sh" esbuild; "$top/deps/tree.sh" unpack; rm -f "$WORK"/.stamp-{patch,configure,compile}; }

patch_inputs() { cat "$top"/patches/series "$top"/patches/node/*.patch "$top"/src/*.{c,cc,h,gyp,gypi} "$top"/src/js/*.js; scripts_inputs; }
# Of what it makes, the helper's script is compiled in.
scripts_inputs() {
  cat "$top"/deps/{pins.tsv,scripts.sh,packages.sh,report-page.py,embed.py}
  find "$top"/src/js/*/ -type f -exec sha256sum {} + | sed "s,  $top,  ," | LC_ALL=C sort
}
patch() {
  "$top/deps/scripts.sh" "$WORK/scripts" > /dev/null
  "$top/deps/tree.sh" patch
  install -C -m 644 "$top"/src/js/*.js "$WORK/node/lib/"  # -C keeps the time of an unchanged file.
}

parts_inputs() {
  cat "$top"/deps/{pins.tsv,part.sh,parts.mk} "$top"/patches/series "$top"/patches/libuv/*.patch "$top/src/vigil_uv.h"
}
parts() { make -C "$top/deps" -f parts.mk --no-print-directory -j"$jobs"; }

# Of our patches only those to gyp and configure files matter here.
configure_inputs() {
  configure_flags; echo "$CC $LDFLAGS"
  cat "$top"/deps/{unity.py,unity-single.txt,config-gypi.py} "$top"/src/*.{gyp,gypi}
  (cd "$top/src" && ls ./*.c ./*.cc js/*.js)
  cat "$WORK/node/configure.py" "$WORK"/node/{node.gyp,node.gypi,common.gypi} "$WORK"/node/tools/v8_gypfiles/*.gyp*
}
configure() {
  (cd "$WORK/node" && configure_flags | PKG_CONFIG_PATH=$PREFIX/lib/pkgconfig \
    xargs "$PYTHON" configure.py) > "$WORK/configure.log" 2>&1 ||
    die "configure failed, see $WORK/configure.log: $(tail -n1 "$WORK/configure.log")"
  # Node includes this one header of gtest, of which V8 has a copy.
  install -CD -m 644 -t "$PREFIX/include/gtest" \
    "$WORK/node/deps/v8/third_party/googletest/src/googletest/include/gtest/gtest_prod.h"
  "$PYTHON" "$top/deps/unity.py" "$release"
  mkdir -p "$WORK/as-configured"; cp "$WORK/node/config.gypi" "$WORK/as-configured/"
  "$PYTHON" "$top/deps/config-gypi.py" "$WORK/node/config.gypi"
}

compile_inputs() { patch_inputs; parts_inputs; configure_inputs; }
compile() {
  NINJA_STATUS='[%f/%t %p %e] ' ninja -C "$release" -j"$jobs" node 2>&1 |
    "$PYTHON" "$top/deps/progress.py" "$WORK/compile.log" ||
    die "compile failed, the whole log is $WORK/compile.log"
}

package_inputs() { compile_inputs; cat "$top"/{deps/package.sh,LICENSE,README.md} "$top"/docs/*.{md,yml,json} "$top"/docs/pictures/* "$top"/src/js/*.d.ts "$top"/src/cli/*.c; echo "$top $(stat -c %Y "$release/node")"; }
package() { "$top/deps/package.sh" "$name" "$top/dist"; }
# A dist/ that somebody removed is made anew.
package_there() { [ -x "$top/dist/$name/bin/node" ] && [ -s "$top/dist/$name.tar.xz" ]; }

# ---- the machinery
inputs_hash() { { "$1_inputs"; declare -f "$1"; } | sha256sum | cut -d' ' -f1; }

run_step() {  # number name
  local stamp=$WORK/.stamp-$2 hash start=$SECONDS
  hash=$(inputs_hash "$2")
  if [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ] &&
     { ! declare -f "$2_there" >/dev/null || "$2_there"; }; then
    printf '[%d/8] %-9s unchanged\n' "$1" "$2"; return
  fi
  printf '[%d/8] %-9s ... (%ds since start)\n' "$1" "$2" "$SECONDS"
  rm -f "$stamp"
  "$2"
  # What it was made from, even if somebody edits that meanwhile.
  echo "$hash" > "$stamp.new"; mv "$stamp.new" "$stamp"
  printf '[%d/8] %-9s done in %ds\n' "$1" "$2" $((SECONDS - start))
  printf '%s\t%s\t%d\n' "$(date -u +%FT%TZ)" "$2" $((SECONDS - start)) >> "$WORK/timings.tsv"
}

check_machine() {
  [ "$(uname -sm)" = "Linux x86_64" ] || die "this builds on Linux x86-64 only, not on $(uname -sm)"
  local gib cores free
  cores=$(nproc)
  gib=$(awk '/^MemAvailable/ {print int($2/1048576)}' /proc/meminfo)
  [ "$gib" -ge 3 ] || die "needs at least 3 GiB of free memory, $gib GiB are available"
  # A V8 chunk takes up to 1.5 GiB.
  [ -n "$jobs" ] || jobs=$((cores < gib * 2 / 3 ? cores : gib * 2 / 3))
  free=$(df -Pk "$cache" | awk 'NR==2 {print int($4/1048576)}')
  [ -x "$release/node" ] || [ "$free" -ge 8 ] || die "needs 8 GiB of disk under $cache, $free GiB are free (VIGIL_CACHE moves it)"
  echo "build: $name, $cores cores, $gib GiB free memory, $jobs jobs, cache $cache"
}

mkdir -p "$WORK" "$CCACHE_DIR" 2>/dev/null || die "cannot write to $cache (VIGIL_CACHE moves it)"
exec 9> "$cache/lock"
flock -n 9 || { echo "build: another build uses $cache, waiting for it"; flock 9; }
case $action in
  clean) rm -rf "$WORK" "$top/dist"; echo "build: removed dist/ and $WORK"; exit 0 ;;
  check) run_step 2 fetch; exec "$top/deps/tree.sh" check ;;
esac
check_machine
n=0
for step in $steps; do n=$((n + 1)); run_step $n "$step"; done
echo "build: $("$top/dist/$name/bin/node" -p '`node ${process.version}, vigil ${process.versions.vigil}`'), $(stat -c %s "$top/dist/$name/bin/node") bytes, sha256 $(sha256sum "$top/dist/$name/bin/node" | cut -c1-16)..., ready in dist/$name after ${SECONDS}s"
