// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Reports in a headless Chromium, for the tests of their page.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { after, before } from 'node:test';
import { pathToFileURL } from 'node:url';
import { environment, run, top } from '../integration/helpers.mjs';
import { Browser, findChromium } from './browser.mjs';

const ROW = 20;
let browser, made;
let noBrowser = false;

const ending = [];
before(async () => {
  const { VIGIL_CACHE, VIGIL_DISTFILES, VIGIL_NO_INSTALL } = process.env;
  made = execFileSync(path.join(top, 'deps/scripts.sh'), { encoding: 'utf8', env: environment({ VIGIL_CACHE, VIGIL_DISTFILES }) }).trim();
  try {
    execFileSync(path.join(top, 'test/report/chromium.sh'), { env: environment({ VIGIL_NO_INSTALL }), stdio: ['ignore', 'ignore', 'pipe'], timeout: 280_000 });
  } catch (error) {
    if (findChromium() === null) {
      // CI has to have one.
      if (process.env.CI) throw error;
      noBrowser = `there is no Chromium: ${error.stderr}`;
      return;
    }
  }
  browser = await Browser.start({ after: (fn) => ending.push(fn) });
});
after(async () => { for (const fn of ending) await fn(); });

// Skips the test where there is no browser.
export const skipped = (t) => noBrowser && (t.skip(noBrowser), true);

// Makes the report of an incident, and opens it.
export async function open(t, dir, options) {
  const script = `require(${JSON.stringify(path.join(made, 'report.js'))}).report(${JSON.stringify(dir)})`;
  const { code, stderr } = await run(t, ['-e', script], { env: { VIGIL: 'off' } });
  assert.equal(code, 0, stderr);
  const file = path.join(dir, 'report.html');
  const page = await browser.open(file, options);
  t.after(() => page.close());
  await page.painted();
  return { page, file };
}

// It has drawn all of it, said nothing, and asked for nothing but itself.
export async function checkQuiet({ page, file }) {
  assert.equal(await page.evaluate('document.documentElement.dataset.ready'), 'true');
  assert.deepEqual(page.errors, []);
  assert.deepEqual(page.requests, [pathToFileURL(file).href]);
}

// What the page shows now.
export const shown = (page) => page.evaluate(`[...document.querySelectorAll('main > section')].filter((s) => !s.hidden).map((s) => s.id)`);
export const canvas = (page) => page.evaluate(`({ ...document.querySelector('#flame canvas').dataset })`);
export const rows = (page, id = 'functions') => page.evaluate(`[...document.querySelectorAll('#${id} tbody tr')].map((tr) => [...tr.cells].map((td) => td.innerText.trim()))`);
export const press = (page, selector) => page.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
// A point in the flame graph: how far to the right, and how deep.
export const at = (page, x, depth) => page.evaluate(`(() => {
  const c = document.querySelector('#flame canvas');
  c.scrollIntoView({ block: 'center', behavior: 'instant' });
  const r = c.getBoundingClientRect();
  return [r.left + r.width * ${x}, r.top + ${depth * ROW + ROW / 2}];
})()`);

