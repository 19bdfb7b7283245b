#!/bin/sh
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Compiles the hot path with each compiler there is and looks at the machine
# code: no locked instruction, no fence, no call, no system call.

set -u
cd "$(dirname "$0")" || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
passed=0
failed=0

result() {  # status name
  if [ "$1" -eq 0 ]; then
    echo "ok $2"
    passed=$((passed + 1))
  else
    echo "not ok $2"
    failed=$((failed + 1))
  fi
}

# Prints the instructions that must not be there. `xchg %ax,%ax` is a nop;
# a jump that leaves its function is a call. x86-64 and arm64.
forbidden() {  # compiler flags...
  "$@" -std=c11 -D_GNU_SOURCE -O2 -fPIC -I../../src -c hotpath.c \
    -o "$tmp/hotpath.o" || { echo "does not compile"; return; }
  nm -u "$tmp/hotpath.o" | grep -v _GLOBAL_OFFSET_TABLE_
  objdump -d --no-show-raw-insn "$tmp/hotpath.o" | awk '
    /^[0-9a-f]+ <.*>:$/ { fn = $2; gsub(/[<>:]/, "", fn); next }
    !/^ *[0-9a-f]+:\t/ { next }
    { n++; line = fn ":" $0 }
    /\txchg +%ax,%ax/ { next }
    /\t(lock|xchg|xadd|cmpxchg|[lsm]fence|call|syscall|int |sysenter)/ ||
    /\t(bl|blr|svc|swp|cas|ldadd|ldset|ldclr|ldeor|ld?xr|ldaxr|stl?xr|dsb)/ {
      print line
      next
    }
    /\tj[a-z]+ / && match($0, /<[a-z_]+/) &&
        substr($0, RSTART + 1, RLENGTH - 1) != fn { print line }
    END { if (n < 40) print "only " n " instructions" }'
}

for cc in ${CC:-gcc clang-19 clang}; do
  command -v "$cc" > /dev/null || continue
  found=$(forbidden "$cc")
  [ -z "$found" ] || echo "$found" | sed 's/^/# /'
  [ -z "$found" ]
  result $? "hotpath_is_plain_code_$cc"
  for broken in WITH_LOCK WITH_FENCE WITH_CALL; do
    found=$(forbidden "$cc" -D$broken)
    [ -n "$found" ]
    result $? "hotpath_check_sees_${broken}_$cc"
  done
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
