#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# For how long the start and the stop of a CPU profile stop the loop.
#
#   profile.sh
#
#   VIGIL_NODE   our binary (default: that of dist/)
#   VIGIL_STOCK  folder of the stock one (default: what test/stock.sh gets)
#   OBJECTS ("1000 300000 3000000 12500000"), FUNCTIONS (20000)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
objects=${OBJECTS:-1000 300000 3000000 12500000} functions=${FUNCTIONS:-20000}
binaries
machine

row() {  # label, then the command; first and median of five, in ms
  local label=$1 out
  shift
  out=$("$@")
  "$stock" -e '
    const [label, text] = process.argv.slice(1);
    const { heapMB, starts, stops } = JSON.parse(text);
    const median = (a) => a.slice().sort((x, y) => x - y)[a.length >> 1].toFixed(1);
    console.log(`| ${label} | ${heapMB} | ${starts[0].toFixed(1)} | ${median(starts)} | ${median(stops)} |`);
  ' "$label" "$out"
}

echo "| what | heap, MB | first start, ms | start, median | stop, median |"
echo "|---|---|---|---|---|"
for n in $objects; do
  row "stock, $n objects" env -u VIGIL "$stock" --max-old-space-size=12000 "$here/profile.js" heap "$n"
  row "ours, $n objects" env -u VIGIL "$ours" --max-old-space-size=12000 "$here/profile.js" heap "$n"
done
row "stock, $functions functions" env -u VIGIL "$stock" "$here/profile.js" functions "$functions"
row "ours, $functions functions" env -u VIGIL "$ours" "$here/profile.js" functions "$functions"
row "ours, a capture, $functions functions" env VIGIL=on VIGIL_LAG_P99_MS=60000 \
  VIGIL_DIR="$tmp/vigil" "$ours" "$here/profile.js" capture "$functions" 2> "$tmp/stderr"
