#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Prints the folder with the packages that Node Vigil is compared with and served by,
# each in a folder of its own, so that one that cannot be built here leaves the
# others. Installed once, into the cache, against the headers of the stock binary.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
stock=${VIGIL_STOCK:-$("$top/test/stock.sh")}
folder=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}/bench
mkdir -p "$folder/bin"
exec 9> "$folder/lock"
flock 9
ln -sf "$stock/bin/node" "$folder/bin/node"
npm=$(readlink -f "$(command -v npm)")
for package in fastify@5.12.8 event-loop-stats@1.4.1 @datadog/native-metrics@4.0.0 \
    @sentry-internal/node-native-stacktrace@0.5.0 xprofiler@3.1.0; do
  name=${package%@*} own=$folder/$(echo "$package" | tr '@/' '__')
  [ ! -e "$own/tried" ] || continue
  rm -rf "$own"
  mkdir "$own"
  echo '{ "private": true }' > "$own/package.json"
  if PATH=$folder/bin:$PATH npm_config_nodedir=$stock timeout -k 10 "${INSTALL_LIMIT:-600}" \
      "$stock/bin/node" "$npm" install --prefix "$own" --no-audit --no-fund --loglevel error "$package" > "$own/log" 2>&1 &&
      (cd "$own" && "$stock/bin/node" -e "require('$name')") >> "$own/log" 2>&1; then
    echo "$package" > "$own/loads"
  else
    echo "bench: $package cannot be had here, see $own/log" >&2
  fi
  touch "$own/tried"
done
echo "$folder"
