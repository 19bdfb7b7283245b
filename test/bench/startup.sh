#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# How long an empty program takes and what memory one has that is up.
#
#   startup.sh [--markdown]
#
#   VIGIL_NODE   our binary (default: that of dist/)
#   VIGIL_STOCK  folder of the stock one (default: what test/stock.sh gets)
#   ROUNDS (50)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
markdown=${1:-}
case $markdown in ''|--markdown) ;; *) die "unknown option $markdown" ;; esac
binaries
machine
echo "# ${ROUNDS:-50} rounds, each variant once a round, in another order"
export VIGIL_DIR=$tmp/vigil
written_alike
"$stock" "$here/startup.mjs" "$stock" "$ours" "${ROUNDS:-50}" > "$tmp/samples"
for what in time memory; do
  grep -P "\t$what" "$tmp/samples" > "$tmp/$what"
  "$stock" "$here/table.mjs" difference $markdown < "$tmp/$what"
done
grep -P "\ttime" "$tmp/samples" | "$stock" "$here/table.mjs" ratio $markdown
