#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# The table of docs/detection.md: faults, and who notices them. Planned for 21
# minutes.
#
#   detect.sh            writes the table into docs/detection.md
#   detect.sh --quick    with windows of 2 s (6 minutes), to stdout: a check
#
#   VIGIL_NODE   our binary (default: that of dist/)
#   VIGIL_STOCK  folder of the stock one (default: what test/stock.sh gets)
#   ONLY         a part of the name of the fault to try, to stdout
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
case ${1:-} in ''|--quick) ;; *) die "unknown option $1" ;; esac
binaries
folder=$("$here/addons.sh")
machine
# The load has the last core, the servers and what wants their CPU the others.
OURS=$ours STOCK=$stock FOLDER=$folder WORK=$tmp/detect SERVER_CPUS=$other_cpus QUICK=${1:+1} \
  ONLY=${ONLY:-} MACHINE=$(machine) taskset -c "$last_cpu" "$stock" "$here/detect.mjs" > "$tmp/table.md"
if [ -n "${1:-}${ONLY:-}" ]; then
  cat "$tmp/table.md"
else
  "$stock" "$here/insert.mjs" "$top/docs/detection.md" results < "$tmp/table.md"
  echo "docs/detection.md is written"
fi
