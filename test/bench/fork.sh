#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# For how long a heap snapshot stops the loop, by a forked child and by
# v8.writeHeapSnapshot() of the stock binary on the same heap; HTTP before, during
# and after it; and the fork with and without transparent huge pages.
#
#   fork.sh
#
#   VIGIL_NODE   our binary (default: that of dist/)
#   VIGIL_STOCK  folder of the stock one (default: what test/stock.sh gets)
#   HEAPS ("50 500 2000", in MB; one that does not fit is left out), ROUNDS (3; a
#   heap over 1000 MB once), THP_HEAP (500; 0: not), SECONDS_EACH (4, of HTTP; 0: not)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
heaps=${HEAPS-50 500 2000} rounds=${ROUNDS:-3} thp_heap=${THP_HEAP:-500} each=${SECONDS_EACH:-4}
binaries
machine
PATIENCE=1200  # A large heap takes its time.
thp=/sys/kernel/mm/transparent_hugepage
mode_of() { sed 's/.*\[\(.*\)\].*/\1/' "$1" 2> /dev/null || true; }
was=$(mode_of $thp/enabled)
declare -A size_was  # Of the sizes between 4 KB and 2 MB, which newer kernels have.
for size in 64kB 256kB; do size_was[$size]=$(mode_of $thp/hugepages-$size/enabled); done
as_it_was() {
  [ -z "$was" ] || echo "$was" > $thp/enabled || true
  for size in "${!size_was[@]}"; do
    [ -z "${size_was[$size]}" ] || echo "${size_was[$size]}" > $thp/hugepages-$size/enabled || true
  done
} 2> /dev/null
trap 'as_it_was; end_all; rm -rf "$tmp"' EXIT

start() {  # which, MB
  local where="env VIGIL=on VIGIL_DISK=20GB VIGIL_STALL_MS=off VIGIL_LAG_P99_MS=60000 VIGIL_GC_SHARE=off"
  local node=$ours
  [ "$1" = ours ] || node=$stock
  serve "$where" "$node" --max-old-space-size=12000 "$here/fork.js" "$2" 900 "$tmp/stock.heapsnapshot" 2>> "$tmp/stderr"
}

take() {
  curl -sS --max-time 800 "http://127.0.0.1:$port/take" 2> /dev/null ||
    echo '{ "error": "the server ended, or was not done in 800 s" }'
}

# requests/s, p99 and most in ms, of what wrk says
load() {  # seconds
  wrk -t1 -c16 -d"$1s" --latency --timeout 800s "http://127.0.0.1:$port/" | awk '
    function ms(t) { return t ~ /us$/ ? t / 1e3 : t ~ /ms$/ ? t + 0 : t ~ /m$/ ? t * 6e4 : t * 1e3 }
    $1 == "Latency" && NF == 5 { most = ms($4) } $1 == "99%" { p99 = ms($2) } /^Requests\/sec/ { rate = $2 }
    END { printf "%.0f/s, p99 %.1f, most %.0f ms", rate, p99, most }'
}

row() {  # label, JSON
  "$stock" -e '
    const [label, text] = process.argv.slice(1);
    const it = JSON.parse(text);
    const n = (x) => x === undefined ? "" : x.toFixed(x < 100 ? 1 : 0);
    console.log(it.error ? `| ${label} | ${it.error} |` : `| ${[label, n(it.heapMb), n(it.residentMb), n(it.stopMs),
      n(it.stopMs / it.residentMb * 1024), n(it.longestMs), n(it.restMs), n(it.forkMs), n(it.tookMs / 1000), n(it.ownMb), n(it.fileMb)].join(" | ")} |`);
  ' "$1" "$2"
}

thp_rows() {  # label
  for _ in 1 2; do
    start ours "$thp_heap"
    row "$1, $(awk '/^AnonHugePages/ { print int($2 / 1024) }' "/proc/$pid/smaps_rollup") MB huge" "$(take)"
    end_all
    rm -rf "$tmp/vigil"
  done
}

head_row() {
  echo "| what | heap, MB | resident, MB | stop, ms | per GB resident | longest gap in the loop, ms | rest | fork | took, s | child's own (stock: its peak), MB | file, MB |"
  echo "|---|---|---|---|---|---|---|---|---|---|---|"
}

echo
head_row
for heap in $heaps; do
  need=$((heap * 8))
  available=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
  free=$(df -Pm "$tmp" | awk 'NR == 2 { print $4 }')
  if [ "$available" -lt "$need" ] || [ "$free" -lt "$need" ]; then
    echo "# $heap MB left out: it takes $need MB of memory and of disk; $available and $free are there"
    continue
  fi
  for round in $(seq "$([ "$heap" -gt 1000 ] && echo 1 || echo "$rounds")"); do
    for which in ours stock; do
      start $which "$heap"
      row "$which" "$(take)"
      # On the same process: does a second one cost as much?
      [ $which = stock ] || [ "$heap" -gt 1000 ] || row "ours, second" "$(take)"
      end_all
      rm -rf "$tmp/vigil" "$tmp/stock.heapsnapshot"
    done
  done
done

if [ "$each" != 0 ] && command -v wrk > /dev/null; then
  echo
  echo "| HTTP, heap of 200 MB | before | during | after |"
  echo "|---|---|---|---|"
  for which in ours stock; do
    start $which 200
    load 2 > /dev/null
    before=$(load "$each")
    take > "$tmp/taken" &
    taking=$!
    during=$(load "$((each * 2))")
    wait $taking
    echo "| $which | $before | $during | $(load "$each") |"
    end_all
    rm -rf "$tmp/vigil" "$tmp/stock.heapsnapshot"
  done
fi

if [ "$thp_heap" != 0 ] && [ -n "$was" ]; then
  echo
  head_row
  for mode in never madvise always; do
    echo "$mode" 2> /dev/null > $thp/enabled || { echo "# $thp/enabled cannot be written"; break; }
    thp_rows "THP $mode"
  done
  as_it_was
  for size in 64kB 256kB; do
    [ -n "${size_was[$size]}" ] && echo always 2> /dev/null > $thp/hugepages-$size/enabled || continue
    thp_rows "THP $size always"
    as_it_was
  done
fi
