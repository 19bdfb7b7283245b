# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2086
#
# What the benchmarks share; sourced by them. Everything they start ends with
# them, and the servers end by themselves in any case (server.js).
export LC_ALL=C
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tmp=$(mktemp -d)
pids=
trap 'end_all; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

die() { echo "$(basename "$0"): $*" >&2; exit 1; }

# Of the cores this process may use, the last one is for what must not share a
# core with what it measures.
mapfile -t cpus < <(taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' |
  awk -F- '{ for (i = $1; i <= ($2 == "" ? $1 : $2); i++) print i }')
last_cpu=${cpus[-1]}
other_cpus=$(IFS=,; echo "${cpus[*]:0:${#cpus[@]}-1}")
other_cpus=${other_cpus:-$last_cpu}

# Sets `ours` and `stock`, the two binaries.
binaries() {
  ours=${VIGIL_NODE:-$(echo "$top"/dist/node-v24.21.0-vigil.*-linux-x64/bin/node)}
  [ -x "$ours" ] || die "no binary of ours: build it, or name it in VIGIL_NODE"
  stock=${VIGIL_STOCK:-$("$top/test/stock.sh")}/bin/node
  [ -x "$stock" ] || die "no stock binary at $stock"
  [ "$("$ours" -p process.version)" = "$("$stock" -p process.version)" ] ||
    die "$ours and $stock are not of the same version"
}

# Both written anew, in the same way: how a file came to lie in the page cache, in
# large pieces or small ones, is up to 1 ms of a start.
written_alike() {
  mkdir "$tmp/bin"
  cat "$stock" > "$tmp/bin/stock"
  cat "$ours" > "$tmp/bin/ours"
  chmod +x "$tmp/bin"/*
  stock=$tmp/bin/stock
  ours=$tmp/bin/ours
}

machine() {
  echo "# $(sed -n 's/^model name\t: //p' /proc/cpuinfo | head -n1)," \
    "$(nproc) cores, load average $(cut -d' ' -f1-3 /proc/loadavg)," \
    "$(date -u +%FT%TZ)"
  echo "# ours: $ours"
  echo "# stock: $stock"
  if awk '{ exit !($1 > 0.5) }' /proc/loadavg; then
    echo "# THE MACHINE IS NOT QUIET: take these figures as preliminary"
  fi
}

# Starts a server; sets `pid` and `port`. Waits for PATIENCE tenths of a second.
serve() {  # what to put in front, then node and its arguments
  local before=$1
  shift
  rm -f "$tmp/port"
  VIGIL_DIR=$tmp/vigil $before "$@" > "$tmp/port" 2>> "$tmp/stderr" &
  pid=$!
  pids="$pids $pid"
  for _ in $(seq "${PATIENCE:-100}"); do
    port=$(cat "$tmp/port")
    [ -z "$port" ] || return 0
    sleep 0.1
  done
  die "a server did not start: $(tail -n3 "$tmp/stderr")"
}

end_all() {
  [ -z "$pids" ] || { kill -9 $pids; wait $pids; } 2> /dev/null || true
  pids=
}
