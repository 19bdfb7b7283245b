#!/bin/sh
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Builds and runs the unit tests of src/; they need no Node. A last line
# `N passed, N failed` sums it all up.
#
#   run.sh                   all of these:
#   run.sh plain [NAME...]   -O2; only tests with NAME in their names
#   run.sh hotpath           what the compiler made of the hot path
#   run.sh asan [NAME...]    with AddressSanitizer and UBSan
#   run.sh tsan              the concurrent ones with ThreadSanitizer
#
# CC=... chooses the compiler. VIGIL_CACHE says where the build keeps llhttp;
# before the first build its tests are skipped, unless the system has it.

set -u
cd "$(dirname "$0")" || exit 2
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT

warnings="-Wall -Wextra -Wconversion -Wshadow -Wno-missing-field-initializers"
flags="-std=c11 -D_GNU_SOURCE $warnings -I../../src -I."
sources="accept arrivals artifact artifact_dir budget budget_ask budget_dir
         budget_file budget_look calltree cause cause_json cause_text cgroup
         cgroup_find child child_own code config config_text config_value
         control_ask control_incidents control_socket counts facts frames gc
         helper_env helper_line helper_lock helper_start hist json lag leak
         leak_dominators leak_graph leak_groups
         leak_kind leak_match leak_memory leak_parse leak_path leak_report
         leak_scan leak_summary leak_tree leak_trie ledger listen log log_write loop
         memory metrics metrics_judged metrics_lag metrics_process metrics_v8
         modules os pick pool procfs profile query ranges reap recorder recorder_top report
         report_histogram report_loops room rule serve_bind set spread stack
         stack_signal stall status symbol symbol_file system text timeline unwind
         unwind_call unwind_cfi unwind_expr unwind_fde unwind_read window"
passed=0
failed=0
skipped=0

for compiler in ${CC:-gcc clang-19 clang cc}; do
  compilers="${compilers:-} $(command -v "$compiler")"
done

# Sets `cc`, and `wrap` to what a program needs in front of it, to the first
# compiler whose programs run with these flags. ThreadSanitizer of gcc 12 wants
# fewer random bits in addresses than new kernels give.
choose() {  # flags...
  echo 'int main(void) { return 0; }' > "$tmp/probe.c"
  for cc in $compilers; do
    for wrap in "" "setarch -R"; do
      if $cc "$@" "$tmp/probe.c" -o "$tmp/probe" 2> /dev/null &&
          $wrap "$tmp/probe" 2> /dev/null; then
        return 0
      fi
    done
  done
  return 1
}

# Sums up the last line of a run; one that is missing is a failure, too.
count() {
  cat "$tmp/out"
  set -- $(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' \
      "$tmp/out")
  passed=$((passed + ${1:-0}))
  failed=$((failed + ${2:-1}))
}

# The parser of HTTP is a library that the build makes. Sets `llhttp` to how to
# compile and link it, or to nothing.
find_llhttp() {
  prefix=${VIGIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vigil}/work/prefix
  llhttp=
  for try in "-I$prefix/include $prefix/lib/libllhttp.a" -lllhttp; do
    if echo '#include <llhttp.h>
        int main(void) { return llhttp_errno_name(HPE_OK) == 0; }' |
        $cc -x c - -x none $try -o "$tmp/probe" 2> /dev/null; then
      llhttp=$try
      return
    fi
  done
}

run() {  # label, flags, tests, names...
  label=$1 options=$2 tests=$3
  shift 3
  if ! choose $options; then
    echo "not ok $label: no compiler here can do $options"
    failed=$((failed + 1))
    return
  fi
  echo "# $label: $cc $options"
  libs="-lm -lpthread"
  files="runner.c $tests"
  for source in $sources; do
    files="$files ../../src/$source.c"
  done
  # SHA-256 comes from OpenSSL: in Node from its own, here from the system's.
  if echo '#include <openssl/evp.h>' | $cc -E - > /dev/null 2>&1; then
    files="$files ../../src/sha256.c"
    libs="$libs -lcrypto"
    options="$options -DHAVE_OPENSSL"
  fi
  case " $files " in *" test-http.c "*)
    find_llhttp
    if [ -n "$llhttp" ]; then
      files="$files ../../src/http.c"
      libs="$libs $llhttp"
    else
      echo "# $label: test-http.c is skipped, there is no llhttp (./build.sh" \
          "makes it)"
      files=$(echo " $files " | sed 's/ test-http\.c / /')
      skipped=$((skipped + 1))
    fi
  esac
  if ! $cc $options $flags $files $libs -o "$tmp/$label"; then
    echo "not ok $label: does not compile"
    failed=$((failed + 1))
    return
  fi
  $wrap "$tmp/$label" "$@" > "$tmp/out" 2> "$tmp/err"
  # A sanitizer reports on stderr.
  sed 's/^/# /' "$tmp/err"
  count
}

run_plain() {
  run plain "-O2" "$(echo test-*.c)" "$@"
}

run_hotpath() {
  sh hotpath.sh > "$tmp/out"
  count
}

run_asan() {
  run asan "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all" \
      "$(echo test-*.c)" "$@"
}

run_tsan() {
  # gcc warns that it does not model fences; all that is shared is atomic, so
  # what it can find it does.
  flags="$flags -Wno-unknown-warning-option -Wno-tsan"
  # test-report.c stands in for the threads that report.c asks.
  sources=$(echo $sources | sed 's/ report[_a-z]*//g')
  run tsan "-O2 -g -fsanitize=thread" "$(echo test-concurrent*.c)" "$@"
}

mode=${1:-all}
[ $# -eq 0 ] || shift
case $mode in
  all) run_plain; run_hotpath; run_asan; run_tsan ;;
  plain|hotpath|asan|tsan) "run_$mode" "$@" ;;
  *) sed -n 's/^# \{0,1\}//; 5,16p' "$0"; exit 2 ;;
esac

line="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$failed" -eq 0 ]
