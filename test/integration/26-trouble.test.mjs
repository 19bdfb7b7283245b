// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Nothing can be written: the application goes on serving, and one line says
// why. Other profilers in the process: they and ours work side by side.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, app, node, temporary, until } from './helpers.mjs';
import { checkGuilty, checkIncident, checkProfile, incidents, unfinished, waitForIncident } from './incident.mjs';

const env = { ...FAST, VIGIL_CAPTURE: 'cpu' };

// Waits for the line, which names the folder, then until a partner process had
// its incident, after longer than it takes to try again, and looks again: still
// one line, still serving.
async function saysOnce(t, folder, reason) {
  const it = new App(t, [app('ending.mjs')], { env: { ...env, VIGIL_DIR: folder } });
  const [, port] = await it.line(/^ready (\d+)/m);
  const [line] = await it.line(/^vigil: .*\n/m, 'stderr');
  assert.ok(line.includes(folder), line);
  assert.match(line, reason);
  const dir = path.join(temporary(t), 'vigil');
  const partner = new App(t, [app('ending.mjs')],
                          { env: { ...env, VIGIL_FOR: '12s', VIGIL_DIR: dir } });
  await waitForIncident(partner, dir);
  assert.equal(it.vigil.length, 1, it.stderr);
  assert.equal(it.stderr.trim().split('\n').length, 1, it.stderr);
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'ok\n');
}

const mountable = (() => {
  try {
    execFileSync('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs -o size=64k none /mnt'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'cannot mount here';
  }
})();

describe('trouble', { concurrency: 3 }, () => {
  test('VIGIL_DIR is a file', async (t) => {
    const file = path.join(temporary(t), 'file');
    writeFileSync(file, 'mine');
    await saysOnce(t, file, /not a directory/i);
    assert.equal(readFileSync(file, 'utf8'), 'mine');
  });

  test('VIGIL_DIR cannot be made', (t) => {
    return saysOnce(t, '/proc/vigil', /No such file or directory|not permitted|Permission denied/);
  });

  test('VIGIL_DIR is a symbolic link', async (t) => {
    const dir = temporary(t);
    mkdirSync(path.join(dir, 'target'));
    symlinkSync('target', path.join(dir, 'link'));
    await saysOnce(t, path.join(dir, 'link'), /symbolic link/);
    assert.deepEqual(readdirSync(path.join(dir, 'target')), []);
  });

  test('the disk fills up', { skip: mountable }, async (t) => {
    const dir = temporary(t);
    // A disk of its own that has enough to begin with, and no room for the heap
    // snapshot.
    const it = new App(t, ['-m', 'sh', '-c',
                           `mount -t tmpfs -o size=3m none ${dir} && exec ${node} ${app('ending.mjs')}`],
                       { bin: 'unshare', env: { ...FAST, VIGIL_DIR: `${dir}/vigil` } });
    const [, port] = await it.line(/^ready (\d+)/m);
    await it.line(/^vigil: .*no heap snapshot: .*(No space left|File too large|it may take \d+ MB of disk).*\n/m, 'stderr');
    assert.equal(it.vigil.length, 1);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'ok\n');
    // What has a final name is complete even so.
    const inside = `/proc/${it.pid}/root${dir}/vigil`;
    const [{ profile }] = incidents(inside).map(checkIncident);
    assert.ok(profile);
    assert.deepEqual(unfinished(inside), []);
  });

  test('the heap snapshot is over the limit of file sizes', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    // In blocks of 512 bytes. Going over it is a signal that kills, by default.
    const it = new App(t, ['-c', `ulimit -f 2000; exec "${node}" "${app('ending.mjs')}"`],
                       { bin: 'sh', env: { ...FAST, VIGIL_DIR: dir } });
    const { manifest, profile } = checkIncident(await waitForIncident(it, dir));
    assert.match(manifest.noHeapSnapshot, /File too large/);
    assert.match(it.vigil[0], /File too large/);
    assert.notEqual(profile, null);
    assert.equal(it.exited, false);
  });

  test('stderr is closed', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const it = new App(t, ['-c', `exec "${node}" "${app('ending.mjs')}" 2>&-`],
                       { bin: 'sh', env: { ...env, VIGIL_DIR: dir } });
    const [, port] = await it.line(/^ready (\d+)/m);
    await until(() => incidents(dir).length === 1, 'incident');
    checkIncident(incidents(dir)[0]);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'ok\n');
  });

  test('nobody reads stderr', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const it = new App(t, [app('ending.mjs')], { env: { ...env, VIGIL_DIR: dir } });
    it.child.stderr.destroy();
    const [, port] = await it.line(/^ready (\d+)/m);
    await until(() => incidents(dir).length === 1, 'incident');
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'ok\n');
    assert.equal(it.exited, false);
  });

  test('the application profiles itself at the same time', async (t) => {
    const dir = temporary(t);
    const it = new App(t, ['--cpu-prof', `--cpu-prof-dir=${dir}/own`, app('profiled.mjs')],
                       { env: { ...FAST, VIGIL_CPU_PROFILE: '2s', VIGIL_DIR: `${dir}/vigil` } });
    const { profile } = checkIncident(await waitForIncident(it, `${dir}/vigil`));
    // Starting and stopping the application's own profiles is work, too.
    checkGuilty(profile, 'guiltySpin', 0.5);
    it.kill('SIGTERM');
    const { code, stdout } = await it.exit();
    assert.equal(code, 0, it.said());
    // Profiles of the inspector, before, across and after ours.
    for (const own of JSON.parse(stdout.split('\n')[1])) {
      checkProfile(own);
      checkGuilty(own, 'guiltySpin', 0.5);
    }
    // And the one of --cpu-prof, over the whole run.
    const [file] = readdirSync(`${dir}/own`);
    const whole = JSON.parse(readFileSync(`${dir}/own/${file}`, 'utf8'));
    checkProfile(whole);
    checkGuilty(whole, 'guiltySpin', 0.5);
    assert.ok(whole.endTime - whole.startTime > profile.endTime - profile.startTime);
  });
});
