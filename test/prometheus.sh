#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Prints the folder that holds `prometheus` and `promtool`: where the machine
# has them, or else of Debian's package, unpacked into the cache and not
# installed, as that would start a service.
set -euo pipefail
if command -v promtool > /dev/null && command -v prometheus > /dev/null; then
  dirname "$(command -v promtool)"
  exit
fi
folder=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}/prometheus

die() { echo "prometheus: $*" >&2; exit 1; }

mkdir -p "$folder"
exec 9> "$folder/lock"
flock 9
if [ ! -e "$folder/unpacked" ]; then
  rm -rf "$folder"/{tmp,usr,etc,lib}
  mkdir "$folder/tmp"
  cd "$folder/tmp"
  if ! apt-get -qq download prometheus > log 2>&1; then
    # The lists are missing, or old.
    [ "$(id -u)" = 0 ] && apt-get -qq update >> log 2>&1 &&
      apt-get -qq download prometheus >> log 2>&1 ||
      die "cannot get Debian's package prometheus: $(tail -n1 log)"
  fi
  dpkg-deb -x prometheus_*.deb "$folder"
  rm -rf "$folder/tmp"
  touch "$folder/unpacked"
fi
"$folder/usr/bin/promtool" --version > /dev/null 2>&1 || die "promtool of Debian's package does not run here"
echo "$folder/usr/bin"
