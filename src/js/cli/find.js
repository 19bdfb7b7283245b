// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Where control sockets and incidents are. Nothing but files and /proc is looked at:
// a container has neither ps nor pgrep.

const fs = require('fs');
const path = require('path');
const { ask } = require('./client');
const { Problem, kNoProcess, kUsage } = require('./problem');

const SOCKET = /^control-([1-9]\d*)(?:-\d+)?\.sock$/;

function attempt(what, or = null) {
  try {
    return what();
  } catch {
    return or;
  }
}

const defaultDir = (env, uid) => env.VIGIL_DIR || `${env.TMPDIR || '/tmp'}/vigil-${uid}`;

// What a process was started with; null: it is not there, or somebody else's.
function environment(pid) {
  const text = attempt(() => fs.readFileSync(`/proc/${pid}/environ`, 'latin1'));
  if (text === null) return null;
  const env = {};
  for (const one of text.split('\0')) {
    const at = one.indexOf('=');
    if (/^(VIGIL|TMPDIR)/.test(one) && at > 0) env[one.slice(0, at)] ??= Buffer.from(one.slice(at + 1), 'latin1').toString();
  }
  return env;
}

function uidOf(pid) {
  return attempt(() => fs.statSync(`/proc/${pid}`).uid);
}

// Its pids, from ours to the one in its own namespace.
function pidsOf(pid) {
  const text = attempt(() => fs.readFileSync(`/proc/${pid}/status`, 'utf8'), '');
  return /^NSpid:\s*([\d\s]+)$/m.exec(text)?.[1].trim().split(/\s+/).map(Number) ?? [pid];
}

// What an environment says: { dir, folder, socket }; the latter two where VIGIL_CONTROL
// names one.
function places(env, uid, cwd) {
  const control = env.VIGIL_CONTROL ?? '';
  return {
    dir: path.resolve(cwd, defaultDir(env, uid)),
    folder: control.startsWith('/') && control.endsWith('/') ? control : null,
    socket: control.startsWith('/') && !control.endsWith('/') ? control : null,
  };
}

const here = () => places(process.env, process.getuid(), process.cwd());

function placesOf(pid) {
  const env = environment(pid);
  const uid = uidOf(pid);
  if (env === null || uid === null) return null;
  return places(env, uid, attempt(() => fs.readlinkSync(`/proc/${pid}/cwd`), '/'));
}

// A socket of somebody else could tell anything.
function isOurs(file) {
  const stat = attempt(() => fs.lstatSync(file));
  const uid = process.getuid();
  return stat !== null && stat.isSocket() && (uid === 0 || stat.uid === uid || stat.uid === 0);
}

function socketsIn(dir, pids = null) {
  return attempt(() => fs.readdirSync(dir), [])
    .filter((name) => SOCKET.test(name) && (pids === null || pids.includes(Number(SOCKET.exec(name)[1]))))
    .map((name) => path.join(dir, name)).filter(isOurs);
}

// All folders that processes of this user, or of everybody for root, may use.
function folders() {
  const found = [here()];
  for (const pid of attempt(() => fs.readdirSync('/proc'), [])) {
    if (!/^\d+$/.test(pid)) continue;
    const env = environment(pid);
    if (env !== null && Object.keys(env).some((name) => name.startsWith('VIGIL'))) found.push(placesOf(pid));
  }
  const all = found.filter((one) => one !== null);
  const unique = (key) => [...new Set(all.map((one) => one[key]).filter((one) => one !== null))];
  return { dirs: unique('dir'), folders: unique('folder'), sockets: unique('socket') };
}

// Every watched process that can be found: [{ socket, status }].
async function processes() {
  const { dirs, folders: more, sockets } = folders();
  const files = [...new Set([...dirs, ...more].flatMap((dir) => socketsIn(dir)).concat(sockets.filter(isOurs)))];
  const all = await Promise.all(files.map(async (socket) => ({
    socket, status: await ask(socket, '/status').then(({ body }) => body, () => null),
  })));
  return all.filter(({ status }) => status !== null).sort((a, b) => a.status.pid - b.status.pid);
}

// Where the process may have its socket: as its environment says, also as it sees
// files from inside of its container; then as ours says.
function candidates(pid) {
  const of = placesOf(pid);
  const pids = [...new Set([pid, ...pidsOf(pid)])];
  const found = [];
  for (const at of [of, here()]) {
    if (at === null) continue;
    for (const root of at === of ? ['', `/proc/${pid}/root`] : ['']) {
      if (at.socket !== null) found.push(...[root + at.socket].filter(isOurs));
      for (const dir of [at.folder, at.dir]) if (dir !== null) found.push(...socketsIn(root + dir, pids));
    }
  }
  return { files: [...new Set(found)], pids };
}

function whyNot(pid) {
  const uid = uidOf(pid);
  if (uid === null) return `there is no process ${pid}`;
  if (process.getuid() !== 0 && uid !== process.getuid()) return `process ${pid} belongs to another user (uid ${uid}): only that user and root may ask it`;
  const env = environment(pid);
  if (env?.VIGIL === 'off') return `process ${pid} runs with VIGIL=off: it is not watched`;
  if (env?.VIGIL_CONTROL === 'off') return `process ${pid} runs with VIGIL_CONTROL=off: it has no control socket`;
  return `process ${pid} has no control socket: either it does not run with Node Vigil, or it is not watched yet ` +
         '(that begins when it serves, or at the start with VIGIL=on), or it cannot write to its VIGIL_DIR';
}

// The socket of the process that the user named: { socket, status }.
async function find(name) {
  if (name.includes('/')) {
    if (!isOurs(name)) throw new Problem(kNoProcess, `${name} is no control socket of yours`);
    const { body } = await ask(name, '/status');
    return { socket: name, status: body };
  }
  if (!/^[1-9]\d{0,9}$/.test(name)) throw new Problem(kUsage, `${JSON.stringify(name)} is neither a PID nor the path of a socket`);
  const { files, pids } = candidates(Number(name));
  const found = [];
  let problem = null;
  for (const socket of files) {
    try {
      const { body } = await ask(socket, '/status');
      // That of another process, where containers share a folder, or an old one.
      if (pids.includes(body.pid) && !found.some(({ status }) => status.started === body.started)) found.push({ socket, status: body });
    } catch (error) {
      problem ??= error;
    }
  }
  if (found.length > 1) {
    throw new Problem(kNoProcess, `several processes are called ${name}: name one by its socket, ${found.map(({ socket }) => socket).join(' or ')}`);
  }
  if (found.length === 0) {
    throw new Problem(kNoProcess, problem !== null && uidOf(Number(name)) !== null ? problem.message : whyNot(Number(name)));
  }
  return found[0];
}

module.exports = { attempt, find, folders, here, processes };
