#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Installs Debian's Chromium for the tests of the report where it is missing, as
# deps/tools.sh does with what the build needs.
set -euo pipefail
packages=
command -v chromium > /dev/null || packages="chromium"
[ -n "$(find /usr/share/fonts -name '*.ttf' -print -quit 2> /dev/null)" ] || packages="$packages fonts-dejavu-core"
[ -n "$packages" ] || exit 0
if [ -n "${VIGIL_NO_INSTALL:-}" ] || [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
  echo "test: install the Debian packages $packages (as root this script does it)" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Another run of apt may hold the lock for a while.
{ apt-get -qq update && apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends $packages; } > "$log" 2>&1 ||
  { tail -n 5 "$log" >&2; echo "test: apt-get could not install $packages" >&2; exit 1; }
