#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds one third-party part into $PREFIX as static libraries.
#   usage: deps/part.sh NAME     (called by parts.mk; MAKEFLAGS brings its jobs)
# Wants WORK, PREFIX, DISTFILES, PARTS, CC, CXX in the environment. A part whose
# pins, patches, recipe and compiler are unchanged is left as it is, or comes
# built from the folder PARTS; so ccache would only cost time here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=$1
build=$WORK/parts/$name
log=$WORK/parts/$name.log
stage=$build/.stage
flags="-O3 -fPIC -fno-omit-frame-pointer"
export CFLAGS=$flags CXXFLAGS=$flags CC=${CC##* } CXX=${CXX##* } DESTDIR=$stage

pins() { awk -F'\t' -v p="$1" '$1==p {print $5}' "$here/pins.tsv"; }
unpack() {  # pinned file, into $build
  tar xf "$DISTFILES/$1" -C "$build" --strip-components=1 --no-same-owner
}
with_cmake() {  # folder, then options
  local dir=$1; shift
  cmake -S "$dir" -B "$build/.out" -G "Unix Makefiles" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" \
    -DCMAKE_INSTALL_PREFIX="$PREFIX" -DCMAKE_INSTALL_LIBDIR=lib \
    -DBUILD_SHARED_LIBS=OFF -DBUILD_TESTING=OFF "$@"
  make -C "$build/.out" install
}
into() { mkdir -p "$stage$PREFIX/$1"; cp "${@:2}" "$stage$PREFIX/$1/"; }
headers() { into include "$@"; }
archive() {  # libNAME.a objects...
  ar rcs "$@"; into lib "$1"
}

build_libuv() {
  cp "$here/../src/vigil_uv.h" src/
  with_cmake . -DLIBUV_BUILD_SHARED=OFF -DLIBUV_BUILD_TESTS=OFF
}
build_ada() { with_cmake . -DADA_TESTING=OFF -DADA_TOOLS=OFF -DADA_BENCHMARKS=OFF; }
build_brotli() { with_cmake . -DBROTLI_DISABLE_TESTS=ON; }
build_cares() {
  with_cmake . -DCARES_STATIC=ON -DCARES_SHARED=OFF -DCARES_BUILD_TOOLS=OFF -DCARES_BUILD_TESTS=OFF
  headers src/lib/include/ares_nameser.h 2>/dev/null || headers include/ares_nameser.h
}
build_nghttp2() { with_cmake . -DENABLE_LIB_ONLY=ON -DBUILD_STATIC_LIBS=ON -DENABLE_DOC=OFF; }
build_simdutf() {
  with_cmake . -DSIMDUTF_TESTS=OFF -DSIMDUTF_BENCHMARKS=OFF -DSIMDUTF_TOOLS=OFF -DSIMDUTF_ICONV=OFF
}
build_hdr() {
  with_cmake . -DHDR_HISTOGRAM_BUILD_SHARED=OFF -DHDR_HISTOGRAM_BUILD_PROGRAMS=OFF -DHDR_LOG_REQUIRED=DISABLED
  ln -sf libhdr_histogram_static.a "$stage$PREFIX/lib/libhdr_histogram.a"
}
build_zlib() { ./configure --static --prefix="$PREFIX"; make install; }
build_zstd() {
  # With threads, as the official binary: ZSTD_c_nbWorkers works.
  make -C lib libzstd.a-mt ZSTD_LEGACY_SUPPORT=0
  headers lib/zstd.h lib/zdict.h lib/zstd_errors.h
  into lib lib/libzstd.a
}
build_icu() {
  cd source
  ./configure --prefix="$PREFIX" --enable-static --disable-shared --disable-tests \
    --disable-samples --disable-extras --disable-icuio --disable-layoutex \
    --disable-dyload --with-data-packaging=static
  # Built once, from nothing: the pass that finds dependencies is not needed.
  make DEPS=; make install DEPS=
}
# As the official binary's: compression on, no loadable modules (the legacy
# provider is inside), configuration under /etc/ssl.
build_openssl() {
  ./Configure linux-x86_64 --prefix="$PREFIX" --libdir=lib --openssldir=/etc/ssl \
    no-shared no-module no-tests no-docs no-apps no-afalgeng \
    enable-ssl-trace zlib enable-brotli enable-zstd \
    "-I$PREFIX/include" "-L$PREFIX/lib" $flags
  # Two of these only name folders: nothing of its own is there to load. An
  # engine or provider that a program or openssl.cnf names by its path is.
  # The Makefile sets DESTDIR itself, so the environment's has no effect.
  make build_libs install_dev ENGINESDIR=/dev/null MODULESDIR=/dev/null DESTDIR="$stage"
}
build_sqlite() {
  # jimsh, which comes along, stands in for tclsh.
  ./configure --disable-tcl --disable-readline --prefix="$PREFIX"
  make sqlite3.c sqlite3.h sqlite3ext.h
  $CC $flags -c sqlite3.c -o sqlite3.o -DSQLITE_DEFAULT_MEMSTATUS=0 \
    -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_DBSTAT_VTAB -DSQLITE_ENABLE_FTS3 \
    -DSQLITE_ENABLE_FTS3_PARENTHESIS -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_GEOPOLY \
    -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_ENABLE_PERCENTILE -DSQLITE_ENABLE_PREUPDATE_HOOK \
    -DSQLITE_ENABLE_RBU -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_SESSION
  archive libsqlite3.a sqlite3.o; headers sqlite3.h sqlite3ext.h
}
# The parser is written in TypeScript that generates C: bundle the generator,
# run it, compile what it wrote.
build_llhttp() {
  local p
  for p in llparse llparse-builder llparse-frontend debug ms binary-search; do
    mkdir -p "node_modules/$p"
    tar xf "$DISTFILES/$(pins llhttp | grep "^$p-[0-9]")" -C "node_modules/$p" --strip-components=1
  done
  "$PREFIX/bin/esbuild" bin/generate.ts --bundle --platform=node --outfile=bin/generate.js --log-level=warning
  node bin/generate.js
  for p in build/c/llhttp.c src/native/api.c src/native/http.c; do
    $CC $flags -Ibuild -c "$p" -o "$(basename "$p" .c).o"
  done
  archive libllhttp.a llhttp.o api.o http.o; headers build/llhttp.h
}
build_simdjson() {
  $CXX $flags -std=c++20 -DNDEBUG -Isrc -c src/simdjson.cpp -o simdjson.o
  archive libsimdjson.a simdjson.o; headers src/simdjson.h
}
build_esbuild() { into bin bin/esbuild; }

main() {
  key=$({ grep -P "^$name\t" "$here/pins.tsv"; declare -f "build_$name" with_cmake; echo "$flags $CC $PREFIX"
          "$CC" --version | head -n1
          cat "$here/../patches/$name"/*.patch 2>/dev/null || true
          [ "$name" != libuv ] || cat "$here/../src/vigil_uv.h"; } | sha256sum | cut -d' ' -f1)
  stamp=$PREFIX/.parts/$name
  [ "$(cat "$stamp" 2>/dev/null)" != "$key" ] || exit 0

  rm -rf "$build" "$stamp"
  mkdir -p "$stage$PREFIX" "$PREFIX/.parts" "$PARTS"
  built=$PARTS/$name-${key:0:32}.tar.gz
  if [ -f "$built" ]; then
    tar xf "$built" -C "$PREFIX"
    echo "$key" > "$stamp"
    rm -rf "$build"
    printf '  %-9s from the cache\n' "$name"
    exit 0
  fi
  start=$SECONDS
  # Not as a condition: inside one, set -e would be without effect.
  set +e
  (
    set -e
    cd "$build"
    unpack "$(pins "$name" | head -n1)"
    for p in $(grep "^$name/" "$here/../patches/series"); do
      "$here/apply.sh" "$here/../patches/$p"
    done
    "build_$name"
    [ -n "$(find "$stage$PREFIX" -type f -print -quit)" ]
  ) > "$log" 2>&1
  status=$?
  set -e
  if [ $status != 0 ]; then
    tail -n 25 "$log" >&2
    echo "build: part $name failed, its whole log is $log" >&2
    exit 1
  fi
  tar -C "$stage$PREFIX" -cf - . | gzip -1 > "$built.new"
  cp -a "$stage$PREFIX/." "$PREFIX/"
  mv "$built.new" "$built"
  echo "$key" > "$stamp"
  rm -rf "$build"
  printf '  %-9s built in %ds\n' "$name" $((SECONDS - start))
}
main; exit
