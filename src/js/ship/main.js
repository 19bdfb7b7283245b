// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Ships incidents: to an object store, to whom it may concern, to a command.
//
//   ship({ dir, env, log })   all that is left; { shipped, failed, left, lines }
//   claim({ dir, env, log })  a slot of the fleet's budget: 'yes', 'no' or 'local'
//   probe({ dir, env, log })  whether the store can keep that: 'honest', 'lies',
//                             'unknown' or 'off'
//
// A line is given to `log` as soon as there is one, and to `lines` without it. No
// line holds a credential, a webhook's address or a link. ship() waits for another
// process that ships the same directory; it can be ended at any instant.

const config = require('./config');
const { Credentials } = require('./credentials');
const { Fleet } = require('./fleet');
const { Client, authorities } = require('./http');
const { who } = require('./identity');
const { list } = require('./incident');
const lock = require('./lock');
const { One, isDone } = require('./one');
const { Rate } = require('./rate');
const { reasonOf } = require('./retry');
const { Store } = require('./s3');
const { Spool } = require('./spool');
const { Uploader } = require('./upload');

const kWaitMs = 15 * 60_000;      // For who ships the same directory.
const kClaimMs = 1_500;           // The caller gives 2 s, with our start.
const kProbeMs = 15_000;

const pending = (dir) => list(dir).filter((name) => !isDone(dir, name));

// Opens the connections that `settings` ask for, and closes them after `work`.
async function connected(env, settings, options, work) {
  const clients = [];
  const client = (more) => clients[clients.push(new Client({ env, ...options, ...more })) - 1];
  let store = null;
  try {
    if (settings.upload) {
      const ca = authorities(env.AWS_CA_BUNDLE);
      const local = client({ proxies: false, connectMs: 1_000 });
      const { region } = settings.upload;
      const credentials = new Credentials(env, { client: client({ ca }), local, region });
      store = new Store({ ...settings.upload, client: client({ ca }), credentials });
    }
    return await work(store, client());
  } finally {
    for (const c of clients) c.close();
  }
}

async function all(run, counts) {
  const seen = new Set();
  for (;;) {
    const next = pending(run.dir).find((name) => !seen.has(name));
    if (next === undefined || run.signal?.aborted) return;
    seen.add(next);
    let outcome = 'failed';
    try {
      outcome = await new One(run, next).ship();
    } catch (error) {
      // Only what the system or a parser says; the rest could quote anything.
      run.say(`${next} cannot be shipped: ${error.code ?? error.name}`);
    }
    if (outcome !== 'gone') counts[outcome]++;
  }
}

// What was begun for incidents that the disk budget has taken since.
async function clean({ uploader, spool, storeError }) {
  if (uploader === null || storeError) return;
  for (const key of spool.abandoned()) {
    uploader.spool = spool.of(null);
    await uploader.drop(key);
  }
}

async function ship({ dir, env, log, signal, policy }) {
  const lines = [];
  const say = (text) => (log ? log(text) : lines.push(text));
  const counts = { shipped: 0, failed: 0 };
  const result = () => ({ ...counts, left: pending(dir).length, lines });
  const settings = config.read(env, say);
  if (!settings.upload && !settings.alert && !settings.command) return { ...counts, left: 0, lines };
  if (pending(dir).length === 0) return { ...counts, left: 0, lines };
  let held;
  try {
    held = await lock.wait(dir, policy?.waitMs ?? kWaitMs, signal);
  } catch (error) {
    say(`incidents cannot be shipped: the lock in VIGIL_DIR: ${error.code ?? error.name}`);
  }
  if (!held) return result();
  try {
    await connected(env, settings, policy?.client, async (store, client) => {
      const spool = store && new Spool(dir, store.name);
      const uploader = store && new Uploader({ store, spool, signal, rate: new Rate(settings.rate), compress: settings.compress,
                                               policy: policy?.upload, ...policy?.sizes });
      const run = { dir, env, config: settings, who: who(env), client, uploader, spool, signal, say, policy };
      await all(run, counts);
      await clean(run);
    });
  } catch (error) {
    say(`incidents cannot be shipped: ${error.code ?? error.name}`);
  } finally {
    held.release();
  }
  return result();
}

// Runs `work(fleet, signal)` for at most `mostMs`; `none` when there is no such
// budget, `unknown` when it cannot be asked, `late(fleet)` when time is over.
async function fleet({ dir, env, log = () => {} }, mostMs, { none, unknown, late }, work) {
  const settings = config.read(env, log);
  if (!settings.fleet) return none;
  if (!settings.upload) {
    log('VIGIL_FLEET needs VIGIL_UPLOAD: the fleet budget is off');
    return none;
  }
  const ended = AbortSignal.timeout(mostMs);
  let it = null;
  let timer;
  try {
    return await connected(env, settings, { connectMs: mostMs, idleMs: mostMs }, (store) => {
      it = new Fleet({ dir, store, config: settings, who: who(env), say: log });
      // Whatever does not heed the signal.
      return Promise.race([work(it, ended), new Promise((done) => { timer = setTimeout(() => done(late(it)), mostMs + 100); })]);
    });
  } catch (error) {
    if (ended.aborted && it !== null) return late(it);
    log(`the fleet budget cannot be asked: ${reasonOf(error)}`);
    return unknown;
  } finally {
    clearTimeout(timer);
  }
}

const claim = (options) => fleet(options, options.mostMs ?? kClaimMs, { none: 'local', unknown: 'local', late: (it) => it.late() },
                                 (it, signal) => it.claim(signal));

const probe = (options) => fleet(options, kProbeMs, { none: 'off', unknown: 'unknown', late: () => 'unknown' },
                                 async (it, signal) => (await it.probe(signal) ? 'honest' : 'lies'));

module.exports = { ship, claim, probe };
