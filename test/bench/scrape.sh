#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# How fast /metrics answers RATE scrapes a second: with an idle loop, then while
# the main loop is blocked for a minute by work that allocates (so there is an
# incident, too), in both formats, over kept and over new connections. Each
# scrape has its instant, and its time counts from then. The scraper is the
# stock binary.
#
#   scrape.sh [--markdown]
#
#   VIGIL_NODE   our binary (default: that of dist/)
#   VIGIL_STOCK  folder of the stock one (default: what test/stock.sh gets)
#   RATE (50), SECONDS_EACH (14), WORKERS (4)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
markdown=${1:-}
case $markdown in ''|--markdown) ;; *) die "unknown option $markdown" ;; esac
rate=${RATE:-50} each=${SECONDS_EACH:-14} workers=${WORKERS:-4}
binaries
block=$((4 * each + 4))

serve "env -u VIGIL VIGIL_METRICS=0" "$ours" "$here/scrape.js" serve "$workers" "$block"
for _ in $(seq 100); do
  at=$(sed -n 's/^vigil: metrics are at //p' "$tmp/stderr")
  [ -z "$at" ] || break
  sleep 0.1
done
[ -n "$at" ] || die "no metrics: $(tail -n3 "$tmp/stderr")"
sleep 2  # Its first second is told, its Workers are there.

machine
echo "# $rate scrapes a second for $each s each; $workers idle Workers; times in ms"
timeout $((6 * each + 60)) "$stock" "$here/scrape.js" scrape "$at" "$port" "$pid" "$rate" "$each" \
  > "$tmp/rows"
{
  printf 'what\tscrapes\terrors\tp50\tp99\tmax\tover 50 ms\tscraper late\tbytes\tCPU ms each\n'
  grep -v '^#' "$tmp/rows"
} | if [ -n "$markdown" ]; then
  awk -F'\t' -v OFS=' | ' '{ $1 = $1; print "| " $0 " |" }
    NR == 1 { gsub(/[^|]+/, "---"); print "|" $0 "|" }'
else
  column -t -s "$(printf '\t')"
fi
grep '^#' "$tmp/rows"
grep '^vigil: ' "$tmp/stderr" | cut -c1-200 | sed 's/^/# /'
