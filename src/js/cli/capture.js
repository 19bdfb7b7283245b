// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

const path = require('path');
const { ask } = require('./client');
const { find } = require('./find');
const { clean, print, printJson, size } = require('./format');
const { look } = require('./ls');
const { only } = require('./options');
const { Problem, kFound, kUsage } = require('./problem');

const kPollMs = 200;

const help = `usage: vigil capture PID [WHAT...] [--for TIME] [--thread ID] [--no-wait] [--json]

Has a process write an incident about itself, whatever its rules say. Without WHAT it
is what VIGIL_CAPTURE says, but no allocation profile.

  --cpu [TIME]   a CPU profile, from 100ms to 1m long (default: VIGIL_CPU_PROFILE)
  --heap         a heap snapshot: it holds secrets, and takes memory and disk
  --alloc        an allocation profile
  --before       the last minute, from the recorder
  --no-heap ...  not that one, but the others that VIGIL_CAPTURE says
  --for TIME     how long profiles are
  --thread ID    of the Worker with this threadId (default: 0, the main thread)
  --no-wait      do not wait until it is written

Prints the folder of the incident. \`vigil report FOLDER\` makes a page of it.
`;

const PIECES = ['cpu', 'heap', 'alloc', 'before'];
const options = { cpu: 'maybe', heap: 'both', alloc: 'both', before: 'both', for: 'value', thread: 'value', wait: 'both' };

// As POST /capture wants it.
function query(given) {
  const out = new URLSearchParams();
  for (const name of PIECES) {
    if (given[name] === undefined) continue;
    out.append(name, given[name] === true ? 'on' : given[name] === false ? 'off' : given[name]);
  }
  for (const name of ['for', 'thread']) if (given[name] !== undefined) out.append(name, given[name]);
  return out.toString();
}

// Asks for it, and waits: { id, state, name, directory, reason }.
async function capture(socket, text, wait = true, tick = () => {}) {
  const { status, body } = await ask(socket, `/capture${text === '' ? '' : `?${text}`}`, { method: 'POST' });
  if (status === 400) throw new Problem(kUsage, body.error);
  if (status !== 202) throw new Problem(kFound, body.error ?? `the process answered ${status}`);
  let state = body;
  while (wait && (state.state === 'waiting' || state.state === 'running')) {
    await new Promise((done) => setTimeout(done, kPollMs));
    const answer = await ask(socket, `/capture/${body.id}`);
    if (answer.status !== 200) throw new Problem(kFound, answer.body.error ?? 'the process no longer knows of it');
    state = answer.body;
    tick(state.state);
  }
  return state;
}

async function run(given) {
  const name = only(given, 'a PID', 'capture');
  const { socket } = await find(name);
  const state = await capture(socket, query(given), given.wait !== false);
  const found = state.directory === undefined ? null : look(path.resolve(state.directory));
  if (given.json) printJson({ ...state, incident: found });
  if (state.state === 'refused' || state.state === 'failed') {
    if (!given.json) process.stderr.write(`vigil: ${state.state}: ${clean(state.reason)}\n`);
    return kFound;
  }
  if (given.json) return 0;
  if (found === null) {
    print([state.directory === undefined ? `capture ${state.id} is ${state.state}` : clean(state.directory)]);
  } else {
    print([clean(state.directory), ...found.files.map((file) => `  ${file.name}  ${size(file.bytes)}`)]);
  }
  return 0;
}

module.exports = { capture, help, options, query, run };
