#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Brings every file of pins.tsv, or of PINS, into a folder and checks it.
#   usage: deps/fetch.sh FOLDER [PINS]
# Each file is taken from the first place that has it: FOLDER itself, the
# folder VIGIL_DISTFILES (by hash, whatever the name), Debian's archive or npm
# through the machine's own apt and npm configuration.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dest=$1
pins=${2:-$here/pins.tsv}
suites="trixie forky sid"

die() { echo "build: $*" >&2; exit 1; }
sha() { sha256sum "$1" | cut -d' ' -f1; }
by_hand() { echo "get it yourself, put it into a folder, and set VIGIL_DISTFILES to that folder"; }

# good FILE SIZE SHA: the cheap check first.
good() { [ -f "$1" ] && [ "$(stat -c %s "$1")" = "$2" ] && [ "$(sha "$1")" = "$3" ]; }

from_folder() {  # file size sha
  local f
  [ -n "${VIGIL_DISTFILES:-}" ] || return 1
  [ -d "$VIGIL_DISTFILES" ] || die "VIGIL_DISTFILES=$VIGIL_DISTFILES is not a folder"
  while IFS= read -r -d '' f; do
    if [ "$(sha "$f")" = "$3" ]; then cp "$f" "$tmp/$1"; return 0; fi
  done < <(find -L "$VIGIL_DISTFILES" -maxdepth 1 -type f -size "$2c" -print0)
  # A file of the right name and the wrong content is worth a word.
  if [ -f "$VIGIL_DISTFILES/$1" ]; then
    echo "build: $VIGIL_DISTFILES/$1 does not match its pin, looking elsewhere" >&2
  fi
  return 1
}

# A private apt set-up: Debian's signatures are checked, the machine's own
# lists stay as they are.
apt_ready() {
  [ -z "${APT_CONFIG:-}" ] || return 0
  local uri key=/usr/share/keyrings/debian-archive-keyring.gpg
  uri=$(apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)' 'Created-By: Packages' |
        awk -F'|' '$1=="Debian" && $2 !~ /security/ {print $2; exit}')
  [ -n "$uri" ] || die "apt knows no Debian mirror: run 'apt-get update' first, or $(by_hand)"
  mkdir -p "$tmp/apt/lists/partial" "$tmp/apt/cache/archives/partial"
  for s in $suites; do echo "deb-src [signed-by=$key] $uri $s main"; done > "$tmp/apt/sources.list"
  printf 'Dir::Etc::SourceList "%s";\nDir::Etc::SourceParts "/dev/null";\nDir::State::Lists "%s";\nDir::Cache "%s";\nAPT::Sandbox::User "root";\n' \
    "$tmp/apt/sources.list" "$tmp/apt/lists" "$tmp/apt/cache" > "$tmp/apt/apt.conf"
  export APT_CONFIG=$tmp/apt/apt.conf
  apt-get -qq update || die "apt could not read the source lists of $suites from its mirror"
}

# Revisions of one upstream version share the upstream file: any listed
# version that has the very file will do, the pinned one first.
from_apt() {  # package version file sha
  local v what=--tar-only
  [ "${3%.debian.tar.xz}" = "$3" ] || what=--diff-only
  apt_ready
  for v in "$2" $(apt-cache showsrc "$1" |
      awk -v file="$3" -v sha="$4" '/^Version:/{v=$2} $1==sha && $3==file {print v}' | sort -u); do
    (cd "$tmp" && apt-get -qq source --download-only $what "$1=$v") 2>"$tmp/err" >/dev/null || true
    [ ! -f "$tmp/$3" ] || return 0
  done
  return 1
}

from_npm() {  # package version file
  (cd "$tmp" && npm pack --silent "$1@$2" >/dev/null 2>"$tmp/err") && [ -f "$tmp/$3" ]
}

mkdir -p "$dest"
rm -rf "$dest"/.fetch.*  # Of a run that was killed; build.sh's lock keeps others out.
tmp=$(mktemp -d "$dest/.fetch.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
total=$(grep -vc '^#' "$pins"); n=0
while IFS=$'\t' read -r part source package version file size want; do
  case $part in \#*) continue;; esac
  n=$((n + 1))
  if good "$dest/$file" "$size" "$want"; then how=cached
  elif from_folder "$file" "$size" "$want"; then how=folder
  else
    how=${source%%:*}
    "from_$how" "$package" "$version" "$file" "$want" ||
      die "cannot get $file ($package $version, $source): $(tail -n1 "$tmp/err" 2>/dev/null || true); $(by_hand)"
  fi
  if [ $how != cached ]; then
    good "$tmp/$file" "$size" "$want" ||
      die "$file from $how does not match its pin: want $size bytes, SHA-256 $want; got $(stat -c %s "$tmp/$file") bytes, $(sha "$tmp/$file")"
    mv "$tmp/$file" "$dest/$file"
  fi
  printf '  %2d/%d %-10s %-12s %s %s\n' $n "$total" "$how" "$part" "${want:0:16}" "$file"
done < "$pins"
