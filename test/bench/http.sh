#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Hello-world HTTP with wrk: stock, ours with VIGIL=off, ours armed, the same
# without the recorder, and stock once more, which shows how much of a difference
# is noise. Each round starts every server anew, in another order. At most 5
# minutes.
#
#   http.sh [--markdown]
#
#   VIGIL_NODE   our binary (default: that of dist/)
#   VIGIL_STOCK  folder of the stock one (default: what test/stock.sh gets)
#   ROUNDS (7), SECONDS_EACH (4), WARM (2), CONNECTIONS (32)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
markdown=${1:-}
case $markdown in ''|--markdown) ;; *) die "unknown option $markdown" ;; esac
rounds=${ROUNDS:-7} each=${SECONDS_EACH:-4} warm=${WARM:-2}
connections=${CONNECTIONS:-32}
limit=290
command -v wrk > /dev/null || die "no wrk here: it is the Debian package wrk"
binaries

names=("stock" "ours, VIGIL=off" "ours, armed" "ours, VIGIL_RECORDER=off" "stock again")
begin=$SECONDS
life=$((each + warm + 30))

start() {  # variant; the server leaves the last core to wrk
  local where="taskset -c $other_cpus env"
  case $1 in
    0|4) serve "$where -u VIGIL" "$stock" "$here/server.js" $life ;;
    1) serve "$where VIGIL=off" "$ours" "$here/server.js" $life ;;
    2) serve "$where -u VIGIL" "$ours" "$here/server.js" $life ;;
    3) serve "$where VIGIL_RECORDER=off" "$ours" "$here/server.js" $life ;;
  esac
}

load() {  # seconds more...
  local seconds=$1
  shift
  timeout $((seconds + 10)) taskset -c "$last_cpu" \
    wrk -t1 -c"$connections" -d"${seconds}s" "$@" "http://127.0.0.1:$port/"
}

# ns on a core, all threads
cpu() {
  cat /proc/"$pid"/task/*/schedstat |
    awk '{ n += $1 } END { printf "%.0f\n", n }'
}

cat > "$tmp/report.lua" <<'LUA'
function done(summary, latency)
  local e = summary.errors
  print(string.format("RESULT %d %d %.3f %.3f %.3f %d", summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9),
    e.connect + e.read + e.write + e.status + e.timeout))
end
LUA

machine
echo "# wrk: 1 thread on core $last_cpu, $connections connections; server on" \
  "core $other_cpus; $warm s to warm up, $each s measured"
for round in $(seq "$rounds"); do
  # One round takes some seconds more than its parts.
  if [ $((SECONDS - begin + 5 * (each + warm + 1))) -gt $limit ]; then
    echo "# out of time after $((round - 1)) of $rounds rounds"
    break
  fi
  for k in 0 1 2 3 4; do
    i=$(((k + round) % 5))
    start $i
    load "$warm" > /dev/null
    before=$(cpu)
    load "$each" -s "$tmp/report.lua" > "$tmp/out"
    after=$(cpu)
    read -r _ requests us p50 p99 p999 errors < <(grep '^RESULT' "$tmp/out") ||
      die "wrk gave no result: $(tail -n3 "$tmp/out")"
    [ "$errors" = 0 ] || die "${names[$i]}: $errors errors in round $round"
    if [ $i = 2 ]; then
      grep -qx vigil-watch /proc/"$pid"/task/*/comm ||
        die "our server has no vigil-watch thread: it is not armed"
    fi
    end_all
    awk -v OFS='\t' -v name="${names[$i]}" -v round="$round" \
      -v r="$requests" -v us="$us" -v p50="$p50" -v p99="$p99" \
      -v p999="$p999" -v cpu="$((after - before))" -v i=$i 'BEGIN {
        print i, name, round, "requests/s", r * 1e6 / us
        print i, name, round, "p50 us", p50
        print i, name, round, "p99 us", p99
        print i, name, round, "p99.9 us", p999
        print i, name, round, "CPU us/request", cpu / 1e3 / r
      }' >> "$tmp/samples"
  done
done
[ -s "$tmp/samples" ] || die "no round fits into $limit s"
sort -s -n -k1,1 "$tmp/samples" | cut -f2- |
  "$stock" "$here/table.mjs" ratio ${markdown:+"$markdown"}
