#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs the build tools that are missing, from the machine's own apt.
set -euo pipefail
# command=package
wanted="clang-19=clang-19 ninja=ninja-build ccache=ccache cmake=cmake
  make=make patch=patch xz=xz-utils pkg-config=pkg-config perl=perl ar=binutils ld.bfd=binutils
  g++=g++ gpgv=gpgv sha256sum=coreutils flock=util-linux node=nodejs npm=npm"
missing=
packages=
for w in $wanted; do
  command -v "${w%%=*}" >/dev/null || { missing="$missing ${w%%=*}"; packages="$packages ${w#*=}"; }
done
[ -x /usr/bin/python3 ] || { missing="$missing python3"; packages="$packages python3"; }
/usr/bin/python3 -c 'import jinja2, packaging' 2>/dev/null ||
  { missing="$missing python3-jinja2,python3-packaging"; packages="$packages python3-jinja2 python3-packaging"; }
[ -f /usr/share/keyrings/debian-archive-keyring.gpg ] || packages="$packages debian-archive-keyring"
[ -n "$packages" ] || { echo "  all tools are there"; exit 0; }
if [ -n "${VIGIL_NO_INSTALL:-}" ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "build: missing tools:$missing; install the Debian packages$packages (as root this script does it)" >&2
  exit 1
fi
echo "  installing$packages"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
{ apt-get -qq update && apt-get -qq install -y --no-install-recommends $packages; } > "$log" 2>&1 ||
  { tail -n 5 "$log" >&2; echo "build: apt-get could not install$packages" >&2; exit 1; }
rm -f "$log"
