// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Takes the pictures of docs/reading-an-incident.md, of incidents that the
// caller has made. Usage: pictures.mjs FOLDER NAME=DIR...
// NAME is js (the demo's), native or gc; each DIR holds a report.html.

import { statSync } from 'node:fs';
import path from 'node:path';
import { Browser } from './browser.mjs';

const MOST = 150_000;
const [folder, ...given] = process.argv.slice(2);
const dirs = new Map(given.map((arg) => arg.split('=')));

const press = (selector) => `document.querySelector(${JSON.stringify(selector)}).click()`;
const search = (text) => `(() => { const s = document.getElementById('search'); s.value = ${JSON.stringify(text)}; s.dispatchEvent(new Event('input')); })()`;

// Of what, as what, how large, what to do before, and which part.
const pictures = [
  ['js', 'report-verdict', { width: 1200, height: 940 }, []],
  ['js', 'report-dark', { width: 1200, scheme: 'dark' }, [press('#native'), press('[data-value=before]')], '#flame'],
  ['js', 'report-difference', { width: 1200 }, [press('[data-value=difference]')], '#flame'],
  ['js', 'report-phone', { width: 375, height: 812, mobile: true, scheme: 'dark' }, []],
  ['gc', 'report-gc', { width: 1200, height: 980, scheme: 'dark' }, []],
  ['gc', 'report-heap', { width: 1200 }, [], '#heap'],
  ['native', 'report-search', { width: 1200 }, [search('guilty')], '#flame'],
];

const ending = [];
const browser = await Browser.start({ after: (fn) => ending.push(fn) });
for (const [name, as, options, before, part] of pictures) {
  if (!dirs.has(name)) continue;
  const page = await browser.open(path.resolve(dirs.get(name), 'report.html'), options);
  for (const expression of before) await page.evaluate(expression);
  await page.painted();
  let clip;
  if (part) {
    clip = await page.evaluate(`(() => { const r = document.querySelector(${JSON.stringify(part)}).getBoundingClientRect();
      return { x: r.x, y: r.y + scrollY, width: r.width, height: Math.min(r.height, 900), scale: 1 }; })()`);
  }
  const file = path.join(folder, `${as}.png`);
  await page.shot(file, clip && { clip, captureBeyondViewport: true });
  const { size } = statSync(file);
  console.log(`${file} ${size} bytes${page.errors.length > 0 ? `, the page said ${page.errors}` : ''}`);
  if (size > MOST || page.errors.length > 0) process.exitCode = 1;
  await page.close();
}
for (const fn of ending) await fn();
