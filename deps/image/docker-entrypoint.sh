#!/bin/sh
# SPDX-License-Identifier: MIT
# What `docker run IMAGE ...` runs, as in the official image: a command that the
# image has as it is; options of node, scripts, and nothing at all under node.
set -e
case ${1-} in
  -*) set -- node "$@" ;;
  *)
    # A file here that cannot be executed is a script. (dash finds those, too.)
    if [ -z "$(command -v -- "${1-}")" ] || { [ -f "$1" ] && [ ! -x "$1" ]; }; then
      set -- node "$@"
    fi ;;
esac
exec "$@"
