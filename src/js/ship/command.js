// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// VIGIL_ON_INCIDENT: a command of the shell, with the path of incident.json as
// its last argument. Once, and again only after it failed by itself.

const { spawn } = require('node:child_process');
const { retrying } = require('./retry');

const kPolicy = { tries: 3, firstMs: 1_000, mostMs: 10_000, totalMs: 120_000 };
const kMostMs = 60_000;
const kSecrets = ['VIGIL_ALERT', 'VIGIL_ALERT_SECRET', 'VIGIL_ALERT_KEY'];

const isOver = ({ state } = {}) => ['done', 'failed', 'unknown', 'off'].includes(state);

function environment(env, facts, manifest) {
  const own = { ...env, VIGIL: 'off', VIGIL_INCIDENT: manifest, VIGIL_INCIDENT_ID: facts.id };
  for (const name of kSecrets) delete own[name];
  return own;
}

// What it prints goes nowhere: the helper's own output is a protocol.
function once(command, manifest, env, mostMs) {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', `${command} "$1"`, 'vigil', manifest],
                        { env, stdio: 'ignore', detached: true });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      try {
        // All that it started, too.
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    }, mostMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(Object.assign(new Error(`it cannot be started (${error.code})`), { retry: false }));
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else if (late) reject(Object.assign(new Error(`it took over ${mostMs / 1000} s and was ended`), { retry: false }));
      else reject(Object.assign(new Error(signal ? `it was ended by ${signal}` : `it ended with ${code}`), { retry: signal === null }));
    });
  });
}

async function run({ command, env, facts, manifest, state = {}, save, signal, policy, mostMs = kMostMs }) {
  if (isOver(state)) return state;
  if (state.state === 'running') return { state: 'unknown', error: 'the helper ended while it ran; it is not run again' };
  save({ state: 'running', at: new Date().toISOString() });
  try {
    await retrying(() => once(command, manifest, environment(env, facts, manifest), mostMs),
                   { policy: { ...kPolicy, ...policy }, signal });
    return { state: 'done' };
  } catch (error) {
    return { state: 'failed', error: error.message };
  }
}

module.exports = { run, isOver };
