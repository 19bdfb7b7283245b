# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# For the tests of build.sh: each runs in a copy of the tree, with a cache of
# its own whose downloads are hard links to the real ones. Source it.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
downloads=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}/distfiles
pins=$repository/deps/pins.tsv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset VIGIL_NO_INSTALL VIGIL_DISTFILES
export VIGIL_CACHE=$work/cache
passed=0 failed=0

# A tree and a cache in which every download is there.
fresh() {
  rm -rf "$work/tree" "$VIGIL_CACHE" "$work/bin"
  mkdir -p "$work/tree" "$VIGIL_CACHE/distfiles" "$work/bin"
  (cd "$repository" && cp -r build.sh LICENSE deps patches src "$work/tree/")
  local file
  while IFS=$'\t' read -r _ _ _ _ file _; do
    [ ! -f "$downloads/$file" ] ||
      cp -l "$downloads/$file" "$VIGIL_CACHE/distfiles/" 2> /dev/null ||
      cp "$downloads/$file" "$VIGIL_CACHE/distfiles/"
  done < "$pins"
}
pin() {  # package field: a field of a line of pins.tsv
  awk -F'\t' -v p="$1" -v n="$2" '$3==p {print $n; exit}' "$pins"
}
# A program that shadows the real one: fake NAME BODY
fake() { printf '#!/bin/sh\n%s\n' "$2" > "$work/bin/$1"; chmod +x "$work/bin/$1"; }

# build ARGS...: output in $out, exit code in $code, at most a minute.
build() {
  code=0
  out=$(cd "$work/tree" && PATH=$work/bin:$PATH timeout 60 ./build.sh "$@" 2>&1 < /dev/null) || code=$?
}
# The last build failed, and its last line, which says why, matches.
fails() {  # regex
  [ "$code" != 0 ] && [ "$code" != 124 ] && tail -n1 <<< "$out" | grep -Eq -- "$1"
}
works() { [ "$code" = 0 ] && grep -Eq -- "$1" <<< "$out"; }

ok() {  # name command...: counts and says whether the command succeeds
  local name=$1; shift
  if "$@"; then
    echo "ok $name"; passed=$((passed + 1))
  else
    echo "not ok $name"; failed=$((failed + 1))
    printf '# exit code %s, and it said:\n' "${code-}"
    tail -n 12 <<< "${out-}" | sed 's/^/#   /'
  fi
}
finish() {
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
}
