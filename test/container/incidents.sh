# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Incidents of a blocked server: to a volume, as any user, with a read-only root;
# and one that SIGUSR2 asks for. Sourced by run.sh.
echo "== incidents"
cat > "$work/app/blocked.js" <<'JS'
require('node:http').createServer().listen(0, () => console.log('ready'));
setInterval(function block() {
  for (const end = Date.now() + 150; Date.now() < end;);
}, 600);
JS
quick=(-e VIGIL_GRACE=0s -e VIGIL_WINDOW=2s -e VIGIL_FOR=2s -e VIGIL_CPU_PROFILE=2s -e VIGIL_DISK_FREE=0)

written() { compgen -G "$1/incidents/incident-*/incident.json"; }
# Which rule, whose, whether its files are whole, and those its cause wants: a busy
# machine may have starved it.
manifest() {  # folder
  local d
  d=$(dirname "$(written "$1" | head -n1)")
  "$package/bin/node" -p '
    const m = JSON.parse(fs.readFileSync(`${process.argv[1]}/incident.json`));
    const { uid } = fs.statSync(process.argv[1]);
    const kinds = m.files.map((f) => f.name.replace(/-.*/, ""));
    const whole = m.files.every((f) => fs.statSync(`${process.argv[1]}/${f.name}`).size === f.bytes);
    const wanted = m.rule.onDemand || m.cause.class === "js";
    const right = ["cpu", "heap"].every((k) => kinds.includes(k) === wanted);
    `${m.rule.onDemand ? "on demand" : m.rule.name}, uid ${uid}, ${whole ? "whole" : "NOT WHOLE"}, ` +
      (right ? "with what it wants" : `${m.cause.class}: ${kinds} ${m.noHeapSnapshot}`)' "$d"
}
# An emptyDir of Kubernetes: everybody's, and not sticky.
volume() { mkdir "$work/$1"; chmod 777 "$work/$1"; }
server() {  # name, script, more of run
  local n=$1 script=$2
  shift 2
  start "$n" -v "$work/app:/app:ro" "$@" localhost/ours "/app/$script"
}
locked=(--read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges --user 1000680000:0)
full="whole, with what it wants"

volume v1
server v1 blocked.js -v "$work/v1:/var/lib/vigil" "${quick[@]}"
until_ok 120 written "$work/v1" || true
is "root, a volume" "$(manifest "$work/v1")" "lag-p99, uid 0, $full"
pod rm -f -t 0 v1 > /dev/null

volume v2
server v2 blocked.js "${locked[@]}" -v "$work/v2:/var/lib/vigil" "${quick[@]}"
until_ok 120 written "$work/v2" || true
is "any user, a volume, a read-only root, no capabilities" "$(manifest "$work/v2")" "lag-p99, uid 1000680000, $full"
pod rm -f -t 0 v2 > /dev/null

server v3 blocked.js --user 4711:4712 "${quick[@]}"
until_ok 120 pod exec v3 sh -c 'ls /var/lib/vigil/incidents/incident-*/incident.json' || true
is "any user and group, no volume" "$(pod exec v3 sh -c 'stat -c "%u %a" /var/lib/vigil /var/lib/vigil/incidents; ls /var/lib/vigil/incidents/*/incident.json | wc -l' | tr '\n' ' ')" "0 1777 4711 700 1 "
pod rm -f -t 0 v3 > /dev/null

volume v4
server v4 idle.js "${locked[@]}" -v "$work/v4:/var/lib/vigil"
until_ok 60 says v4 ready
pod kill --signal SIGUSR2 v4 > /dev/null
until_ok 120 written "$work/v4" || true
is "SIGUSR2 to process 1, locked up as before" "$(manifest "$work/v4")" "on demand, uid 1000680000, $full"
is "it goes on" "$(pod inspect -f '{{.State.Running}}' v4)" true
pod rm -f -t 0 v4 > /dev/null

server v5 blocked.js --read-only --read-only-tmpfs=false --user node "${quick[@]}"
until_ok 60 says v5 'vigil: ' || true
is "a read-only root without a volume: one line, and it goes on" \
  "$(pod logs v5 2>&1 | grep -c '/var/lib/vigil/incidents'; pod inspect -f '{{.State.Running}}' v5)" "1
true"
pod logs v5 2>&1 | sed -n 's/^vigil/# vigil/p'
pod rm -f -t 0 v5 > /dev/null
