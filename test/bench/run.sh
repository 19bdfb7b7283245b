#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# All of docs/performance.md but the text around its tables: HTTP, timers, the thread
# pool, GC, start-up, idle wake-ups and memory, for the official binary, ours in
# each state, and what else measures event loops, interleaved in one run. Planned for 17
# minutes; the first time some more, for add-ons to be built.
#
#   run.sh            writes the tables into docs/performance.md
#   run.sh --quick    one short round (3 minutes), to stdout: no figures, a check
#
#   VIGIL_NODE   our binary (default: that of dist/)
#   VIGIL_STOCK  folder of the stock one (default: what test/stock.sh gets)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
case ${1:-} in ''|--quick) ;; *) die "unknown option $1" ;; esac
command -v wrk > /dev/null || die "no wrk here: it is the Debian package wrk"
binaries
folder=$("$here/addons.sh")
machine=$(machine)
echo "$machine"
export BENCH_FASTIFY=$folder/fastify_5.12.8
[ -e "$BENCH_FASTIFY/loads" ] || die "fastify could not be installed: $(tail -n2 "$BENCH_FASTIFY/log")"
written_alike
# The driver measures nothing itself; it and wrk have the last core.
OURS=$ours STOCK=$stock FOLDER=$folder WORK=$tmp SERVER_CPUS=$other_cpus LOAD_CPU=$last_cpu \
  QUICK=${1:+1} MACHINE=$machine taskset -c "$last_cpu" "$stock" "$here/run.mjs" > "$tmp/tables.md"
if [ -n "${1:-}" ]; then
  cat "$tmp/tables.md"
else
  "$stock" "$here/insert.mjs" "$top/docs/performance.md" results < "$tmp/tables.md"
  echo "docs/performance.md is written"
fi
