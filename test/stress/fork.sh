#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# 200 forked heap snapshots of one process that does everything at once, under
# full load; the same with V8's stress flags, fewer. Some 30 minutes on 2 cores.
#
#   fork.sh [options of fork.mjs, for one run only]
#
#   VIGIL_NODE   our binary (default: that of dist/)
#   VIGIL_HEAP_TIME, VIGIL_HEAP_MODE ... as ever
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
node=${VIGIL_NODE:-$(echo "$top"/dist/node-v24.21.0-vigil.*-linux-x64/bin/node)}
[ -x "$node" ] || { echo "fork.sh: no binary at $node" >&2; exit 1; }
include=$(cd "$(dirname "$node")/.." && pwd)/include/node

ADDONS=$(mktemp -d)
trap 'rm -rf "$ADDONS"' EXIT
trap 'exit 1' HUP INT TERM
gcc -std=gnu11 -D_GNU_SOURCE -O1 -fPIC -shared -pthread -isystem "$include" \
  -o "$ADDONS/finalize.node" "$top/test/addons/finalize.c"
g++ -std=gnu++20 -D_GNU_SOURCE -O1 -fno-rtti -fPIC -shared -isystem "$include" \
  -o "$ADDONS/weak.node" "$top/test/addons/weak.cc"
export ADDONS VIGIL_NODE=$node

if [ $# != 0 ]; then
  "$node" "$here/fork.mjs" "$@"
  exit
fi
code=0
echo "load average $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) cores"
"$node" "$here/fork.mjs" --quiet || code=1
for flags in --stress-incremental-marking "--stress-compaction --stress-scavenge=50" \
    --gc-interval=500 --gc-global "--stress-concurrent-allocation --no-lazy"; do
  "$node" "$here/fork.mjs" --quiet --idle --snapshots=20 --flags="$flags" || code=1
done
exit $code
