# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Signals to a process 1 and to another one: what becomes of it, on both images.
# Sourced by run.sh.
echo "== signals"
cat > "$work/app/idle.js" <<'JS'
// Prints what it gets; says when it is ready; serves, as what Vigil watches does.
for (const s of process.argv.slice(2))
  process.on(s, () => { console.log('got', s); process.exit(3); });
require('node:http').createServer().listen(0, () => console.log('ready'));
JS

says() { pod logs "$1" 2>&1 | grep -q "$2"; }
ended() { [ "$(pod inspect -f '{{.State.Running}}' "$1")" = false ]; }
# A signal that did nothing leaves it able to answer the next question: whether
# it ends is asked after another signal that it must have got by then.
fate() {  # image, signal, handler or "", init
  local n=signal-$1-$RANDOM
  start "$n" -v "$work/app:/app:ro" ${4:+--entrypoint /bin/sh} "localhost/$1" \
    ${4:+-c 'node "$@" & wait $!; echo ended by $?' sh} /app/idle.js ${3:+"$3"} SIGWINCH
  until_ok 60 says "$n" ready || { echo "did not start"; return; }
  if [ -n "${4:-}" ]; then
    pod exec "$n" sh -c 'for p in /proc/[0-9]*; do [ "$(readlink $p/exe)" != /usr/local/bin/node ] || kill -'"${2#SIG}"' ${p#/proc/}; done' || true
  else
    pod kill --signal "$2" "$n" > /dev/null
    # Ended by the first, or else by the second, which is handled.
    pod kill --signal SIGWINCH "$n" > /dev/null 2>&1 || true
  fi
  until_ok 30 ended "$n" || echo "still running after 30 s"
  echo "$(pod logs "$n" 2>&1 | grep -E '^(got|ended)' | tr '\n' ' ')code $(pod inspect -f '{{.State.ExitCode}}' "$n")"
  pod rm -f -t 0 "$n" > /dev/null
}
for signal in SIGTERM SIGINT SIGHUP SIGQUIT SIGPIPE SIGUSR1; do
  want=$(fate stock $signal)
  is "process 1, $signal: $want" "$(fate ours $signal)" "$want"
done
for signal in SIGTERM SIGINT SIGUSR2; do
  want=$(fate stock $signal $signal)
  is "process 1 that handles $signal: $want" "$(fate ours $signal $signal)" "$want"
done
for signal in SIGTERM SIGINT; do
  want=$(fate stock $signal '' init)
  is "another process, $signal: $want" "$(fate ours $signal '' init)" "$want"
done
is "process 1, SIGUSR2 does not end it" "$(fate ours SIGUSR2)" "$(fate stock SIGUSR2)"
