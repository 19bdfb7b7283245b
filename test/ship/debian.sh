#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Prints a folder that is laid out like / and holds what the tests of shipping need
# of Debian: Ceph (monitor, object store and its S3 gateway), awscli, s3cmd and
# Alertmanager, with the libraries that this machine does not have. Unpacked into
# the cache and not installed, as that would start services.
set -euo pipefail
packages="radosgw ceph-mon ceph-osd awscli s3cmd prometheus-alertmanager openssl"
folder=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}/ship-debian

die() { echo "ship: $*" >&2; exit 1; }
missing() {  # what apt would install
  apt-get -qq --simulate --no-install-recommends install $packages 2>> "$folder/log" | sed -n 's/^Inst \([^ ]*\) .*/\1/p'
}

mkdir -p "$folder"
exec 9> "$folder/lock"
flock 9
if [ "$(cat "$folder/unpacked" 2>/dev/null)" != "$packages" ]; then
  rm -rf "$folder"/{root,tmp,unpacked}
  mkdir "$folder/root" "$folder/tmp"
  : > "$folder/log"
  cd "$folder/tmp"
  names=$(missing)
  if [ -z "$names" ] || ! apt-get -qq download $names >> "$folder/log" 2>&1; then
    # The lists are missing, or old.
    [ "$(id -u)" = 0 ] && apt-get -qq update >> "$folder/log" 2>&1 && names=$(missing) &&
      { [ -z "$names" ] || apt-get -qq download $names >> "$folder/log" 2>&1; } ||
      die "cannot get Debian's packages $packages: $(tail -n1 "$folder/log")"
  fi
  for file in *.deb; do
    [ -e "$file" ] || continue
    dpkg-deb --fsys-tarfile "$file" | tar x -C "$folder/root" --no-same-owner --exclude=./usr/share/doc --exclude=./usr/share/man
  done
  rm -rf "$folder/tmp"
  # ld.so.conf knows nothing of here: folders with libraries, for LD_LIBRARY_PATH.
  find "$folder/root" -name '*.so*' \( -type f -o -type l \) -path '*lib/x86_64-linux-gnu*' -printf '%h\n' |
    grep -vE 'rados-classes|erasure-code|compressor|crypto|python|denc' | sort -u | paste -sd: > "$folder/root/libraries"
  echo "$packages" > "$folder/unpacked"
fi
echo "$folder/root"
