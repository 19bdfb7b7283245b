#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Builds record.c as the product builds src/, with HdrHistogram_c from its
# pinned source, and runs it on one core. About 15 s. Needs x86-64.
#
#   record.sh [--markdown] [--rounds N]
#
#   CC (clang-19), OPT (-O3): compiler and level, for both sides
#   BENCH_CPU: the core to run on (the last one this process may use)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"

want=$(awk -F'\t' '$1 == "hdr" { print $5, $7 }' "$top/deps/pins.tsv")
file=${want% *} want=${want#* }
distfiles=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}/distfiles
good() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$want" ]; }

if good "${VIGIL_DISTFILES:-/nowhere}/$file"; then
  hdr=$VIGIL_DISTFILES/$file
else
  hdr=$distfiles/$file
  good "$hdr" || { "$top/deps/fetch.sh" "$distfiles" >&2; good "$hdr"; }
fi

mkdir "$tmp/hdr"
tar xf "$hdr" -C "$tmp/hdr" --strip-components="$(
  tar tf "$hdr" | awk -F/ '/src\/hdr_histogram\.c$/ { print NF - 2; exit }')"
cc=${CC:-clang-19}
# shellcheck disable=SC2206  # OPT may hold several.
flags=(${OPT:--O3} -fno-omit-frame-pointer -D_GNU_SOURCE)
# As deps/part.sh and src/vigil.gyp do; a library, so that calls into it stay
# calls, as they are in node.
$cc "${flags[@]}" -fPIC -DNDEBUG -std=c99 -I"$tmp/hdr/include" \
  -c "$tmp/hdr/src/hdr_histogram.c" -o "$tmp/hdr.o"
$cc "${flags[@]}" -std=c11 -Wall -Wextra -Wconversion -Wshadow \
  -DBENCH_FLAGS="\"${flags[*]}\"" -I"$top/src" -I"$tmp/hdr/include" \
  "$here/record.c" "$top"/src/{loop,os,hist}.c "$tmp/hdr.o" -lm -lpthread \
  -o "$tmp/record"
taskset -c "${BENCH_CPU:-$last_cpu}" "$tmp/record" "$@"
