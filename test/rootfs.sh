#!/usr/bin/env bash
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Prints a tarball of a clean Debian 12 root, debootstrap's minbase without what
# the base images of Debian leave out, made once by the machine's own mirror and
# kept in the cache. Wants root and debootstrap.
set -euo pipefail
folder=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}/rootfs
tarball=$folder/bookworm.tar

die() { echo "rootfs: $*" >&2; exit 1; }
[ ! -s "$tarball" ] || { echo "$tarball"; exit; }
[ "$(id -u)" = 0 ] || die "debootstrap needs root"
command -v debootstrap > /dev/null || die "no debootstrap here: it is the Debian package debootstrap"
mkdir -p "$folder"
exec 9> "$folder/lock"
flock 9
if [ ! -s "$tarball" ]; then
  mirror=$(apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)' 'Created-By: Packages' |
    awk -F'|' '$1 == "Debian" && $2 !~ /security/ { print $2; exit }')
  [ -n "$mirror" ] || die "apt knows no Debian mirror: run 'apt-get update' first"
  tmp=$(mktemp -d "$folder/tmp.XXXXXX")
  trap 'rm -rf "$tmp"' EXIT
  debootstrap --variant=minbase bookworm "$tmp/root" "$mirror" > "$tmp/log" 2>&1 ||
    die "debootstrap failed: $(tail -n1 "$tmp/log")"
  rm -rf "$tmp"/root/var/cache/apt/* "$tmp"/root/var/lib/apt/lists/* \
    "$tmp"/root/var/log/* "$tmp"/root/usr/share/{doc,man,info,locale}/*
  tar -C "$tmp/root" --numeric-owner -cf "$tmp/root.tar" .
  mv "$tmp/root.tar" "$tarball"
fi
echo "$tarball"
