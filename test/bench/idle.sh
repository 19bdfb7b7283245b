#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Wake-ups a second of a process that serves and has nothing to do: context
# switches over all its threads. All variants run at the same time, for
# SETTLE + 4 * WINDOW seconds.
#
#   idle.sh [--markdown]
#
#   VIGIL_NODE   our binary (default: that of dist/)
#   VIGIL_STOCK  folder of the stock one (default: what test/stock.sh gets)
#   SETTLE (5), WINDOW (5): seconds
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
markdown=${1:-}
case $markdown in ''|--markdown) ;; *) die "unknown option $markdown" ;; esac
settle=${SETTLE:-5} window=${WINDOW:-5}
life=$((settle + 4 * window + 60))
binaries

server=$here/server.js
names=("stock" "ours, VIGIL=off" "ours, armed" "stock, monitorEventLoopDelay 10 ms")
declare -a pid_of
serve "env -u VIGIL" "$stock" "$server" $life;     pid_of[0]=$pid
serve "env VIGIL=off" "$ours" "$server" $life;     pid_of[1]=$pid
serve "env -u VIGIL" "$ours" "$server" $life;      pid_of[2]=$pid
serve "env -u VIGIL" "$stock" "$server" $life eld; pid_of[3]=$pid
grep -qx vigil-watch /proc/"${pid_of[2]}"/task/*/comm ||
  die "our server has no vigil-watch thread: it is not armed"

# thread, name, voluntary, involuntary, ns on a core
snapshot() {  # pid
  local task
  for task in /proc/"$1"/task/*; do
    awk -v OFS='\t' -v tid="${task##*/}" '
      FNR == 1 && /^Name:/ { name = $2 }
      /^voluntary/ { v = $2 }
      /^nonvoluntary/ { n = $2 }
      FILENAME ~ /schedstat$/ { cpu = $1 }
      END { print tid, name, v, n, cpu }' "$task/status" "$task/schedstat"
  done
}

machine
echo "# $settle s to settle, 4 windows of $window s, all at the same time"
sleep "$settle"
for w in 0 1 2 3 4; do
  [ $w = 0 ] || sleep "$window"
  for i in 0 1 2 3; do
    date +%s.%N > "$tmp/$w.$i"
    snapshot "${pid_of[$i]}" >> "$tmp/$w.$i"
  done
done

# What a thread did that ended within a window is lost, what one did before it
# was first seen counts.
for w in 1 2 3 4; do
  for i in 0 1 2 3; do
    awk -F'\t' -v OFS='\t' -v name="${names[$i]}" -v round=$w '
      FNR == 1 { seconds = $1 - seconds; file++; next }
      file == 1 { v[$1] = $3; n[$1] = $4; c[$1] = $5; next }
      {
        dv = $3 - v[$1]; dn = $4 - n[$1]
        vol += dv; non += dn; cpu += $5 - c[$1]
        by[$2] += dv + dn
      }
      END {
        print 1, name, round, "context switches/s", (vol + non) / seconds
        print 2, name, round, "voluntary (wake-ups)/s", vol / seconds
        print 3, name, round, "involuntary (preempted)/s", non / seconds
        print 4, name, round, "CPU us/s", cpu / 1e3 / seconds
        for (thread in by)
          print 5, name, round, "context switches/s: " thread,
              by[thread] / seconds
      }' "$tmp/$((w - 1)).$i" "$tmp/$w.$i"
  done
done | sort -s -n -k1,1 | cut -f2- |
  "$stock" "$here/table.mjs" difference ${markdown:+"$markdown"}
