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
# What apt would install, and those themselves where they are: the cache outlives
# what somebody has installed.
missing() {
  local names
  names=$(apt-get -qq --simulate --no-install-recommends install $packages 2>> "$folder/log") || return
  { sed -n 's/^Inst \([^ ]*\) .*/\1/p' <<< "$names"; tr ' ' '\n' <<< "$packages"; } | sort -u
}
runs() {
  local name
  for name in radosgw ceph-mon ceph-osd s3cmd prometheus-alertmanager; do
    LD_LIBRARY_PATH=$(cat "$folder/root/libraries") PYTHONPATH=$folder/root/usr/lib/python3/dist-packages \
      "$folder/root/usr/bin/$name" --version > /dev/null 2>> "$folder/log" || return
  done
}

mkdir -p "$folder"
exec 9> "$folder/lock"
flock 9
if [ "$(cat "$folder/unpacked" 2>/dev/null)" != "$packages" ] || ! runs; then
  rm -rf "$folder"/{root,tmp,unpacked}
  mkdir "$folder/root" "$folder/tmp"
  : > "$folder/log"
  cd "$folder/tmp"
  if ! { names=$(missing) && apt-get -qq download $names >> "$folder/log" 2>&1; }; then
    # The lists are missing, or old.
    [ "$(id -u)" = 0 ] && apt-get -qq update >> "$folder/log" 2>&1 && names=$(missing) &&
      apt-get -qq download $names >> "$folder/log" 2>&1 ||
      die "cannot get Debian's packages $packages: $(tail -n1 "$folder/log")"
  fi
  for file in *.deb; do
    dpkg-deb --fsys-tarfile "$file" | tar x -C "$folder/root" --no-same-owner --exclude=./usr/share/doc --exclude=./usr/share/man
  done
  rm -rf "$folder/tmp"
  # ld.so.conf knows nothing of here: folders with libraries, for LD_LIBRARY_PATH.
  find "$folder/root" -name '*.so*' \( -type f -o -type l \) -path '*lib/x86_64-linux-gnu*' -printf '%h\n' |
    grep -vE 'rados-classes|erasure-code|compressor|crypto|python|denc' | sort -u | paste -sd: > "$folder/root/libraries"
  runs || die "Debian's packages do not run here: $(tail -n1 "$folder/log")"
  echo "$packages" > "$folder/unpacked"
fi
echo "$folder/root"
