# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Buildah and podman without an engine, a registry or a network, as root; sourced
# by run.sh. All they store is in $work and goes with it.
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/vigil-container.XXXXXX")
passed=0 failed=0
running=

die() { echo "container: $*" >&2; exit 1; }

clean() {
  for name in $running; do pod rm -f -t 0 "$name"; done > /dev/null 2>&1 || true
  rm -rf "$work" 2> /dev/null || { umount -R "$work"/store/overlay; rm -rf "$work"; } 2> /dev/null || true
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

tools() {
  local missing=
  for tool in buildah podman crun debootstrap; do
    command -v $tool > /dev/null || missing="$missing $tool"
  done
  [ -z "$missing" ] && return
  [ "$(id -u)" = 0 ] || die "install the Debian packages$missing (as root this script does it)"
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install -y --no-install-recommends $missing; } > "$work/apt.log" 2>&1 ||
    die "apt-get could not install$missing: $(tail -n1 "$work/apt.log")"
}

store() {
  driver=overlay
  podman --storage-driver overlay --root "$work/store" --runroot "$work/run" info > /dev/null 2>&1 ||
    { driver=vfs; rm -rf "$work/store" "$work/run"; }
  where=(--storage-driver $driver --root "$work/store" --runroot "$work/run")
  # crun does not take cgroups of both versions beside each other.
  if mountpoint -q /sys/fs/cgroup/unified; then
    apart=(unshare -m --propagation private sh -c 'umount /sys/fs/cgroup/unified; exec "$@"' sh)
  else
    apart=()
  fi
  # The limits of a sandbox may be lower than podman's own.
  limits=(--ulimit nofile=1024:1024 --ulimit nproc=1024:1024)
}

pod() { ${apart[@]+"${apart[@]}"} podman "${where[@]}" --cgroup-manager cgroupfs --events-backend none "$@"; }

# One container to its end, without a network.
run() { timeout -k 5 120 ${apart[@]+"${apart[@]}"} podman "${where[@]}" --cgroup-manager cgroupfs --events-backend none \
  run --rm -i --cgroups disabled --network none "${limits[@]}" "$@"; }

# One that goes on, by name.
start() {  # name, then as run
  running="$running $1"
  pod run -d --cgroups disabled --network none "${limits[@]}" --name "$@" > /dev/null
}

image() {  # tag, folder of dist/ in the context, context
  buildah "${where[@]}" bud --isolation chroot --network host --pull-never \
    --build-arg BASE=localhost/base --build-arg BUILD_BASE=localhost/base \
    --build-arg PACKAGE="$2" -v "$work/npmrc:/root/.npmrc:ro" ${ca:+-v "$ca:/root/ca.crt:ro"} \
    -t "localhost/$1" "$3" > "$work/$1.log" 2>&1 ||
    die "cannot build the image $1: $(tail -n5 "$work/$1.log")"
}

# How the machine's npm gets its packages.
npm_set_up() {
  ca=$(npm config get cafile 2> /dev/null)
  [ -f "$ca" ] || ca=${NODE_EXTRA_CA_CERTS:-}
  { echo "registry=$(npm config get registry 2> /dev/null)"
    [ -z "$ca" ] || echo "cafile=/root/ca.crt"; } > "$work/npmrc"
}

is() {  # what, got, want
  if [ "$2" = "$3" ]; then
    passed=$((passed + 1)); echo "ok - $1"
  else
    failed=$((failed + 1)); printf 'not ok - %s\n    got:  %s\n    want: %s\n' "$1" "$2" "$3"
  fi
}

# Polls for a command to succeed.
until_ok() {  # seconds, command...
  local end=$((SECONDS + $1))
  shift
  until "$@" > /dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}
