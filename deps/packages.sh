# SPDX-License-Identifier: MIT
# Sourced by scripts that make a folder from pinned packages of npm. Packages come
# from DISTFILES, VIGIL_DISTFILES or the cache, or else by `npm pack`.

# Takes the lock of the folder. When it holds what `stamp` stands for, prints it
# and ends the script; else sets `tmp`, a folder of ours in it.
begin_folder() {  # name folder stamp
  name=$1 folder=$2
  mkdir -p "$folder"
  exec 9> "$folder/lock"
  flock 9
  if [ "$(cat "$folder/made" 2>/dev/null)" = "$3" ]; then
    echo "$folder"
    exit
  fi
  rm -rf "$folder/made" "$folder"/tmp.*
  tmp=$(mktemp -d "$folder/tmp.XXXXXX")
  trap 'rm -rf "$tmp"' EXIT
}

end_folder() {  # stamp
  echo "$1" > "$folder/made"
  echo "$folder"
}

die() { echo "$name: $*" >&2; exit 1; }

good() {  # file size sha
  [ -f "$1" ] && [ "$(stat -c %s "$1")" = "$2" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$3" ]
}

# Unpacks packages to $tmp/node_modules. On stdin for each, between tabs: package
# version file size sha.
get_packages() {
  local package version file size sha from place
  local cache=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}
  while IFS=$'\t' read -r package version file size sha; do
    from=
    for place in "${DISTFILES:-}" "${VIGIL_DISTFILES:-}" "$cache/distfiles" "$folder"; do
      if [ -n "$place" ] && good "$place/$file" "$size" "$sha"; then from=$place/$file; break; fi
    done
    if [ -z "$from" ]; then
      (cd "$tmp" && npm pack --silent "$package@$version" > /dev/null 2> err) ||
        die "cannot get $file (npm pack $package@$version): $(tail -n1 "$tmp/err")" \
            "or put it into a folder and set VIGIL_DISTFILES to that"
      good "$tmp/$file" "$size" "$sha" || die "$file does not match its pin, SHA-256 $sha"
      mv "$tmp/$file" "$folder/$file"
      from=$folder/$file
    fi
    mkdir -p "$tmp/node_modules/$package"
    tar xf "$from" -C "$tmp/node_modules/$package" --no-same-owner --strip-components=1
  done
}
