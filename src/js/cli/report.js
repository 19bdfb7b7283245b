// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

const fs = require('fs');
const path = require('path');
const { report } = require('../report/make');
const { attempt, folders } = require('./find');
const { clean, print, printJson, size } = require('./format');
const { only } = require('./options');
const { Problem, kFound } = require('./problem');

const help = `usage: vigil report DIR [--json]

Makes report.html in the folder of an incident: one page that opens in any browser,
without a network. DIR is the folder, or its name in VIGIL_DIR.
`;

// The folder of an incident, however it was named.
function folder(name) {
  const all = [name, ...name.includes('/') ? [] : folders().dirs.map((dir) => path.join(dir, name))];
  const dir = all.find((one) => attempt(() => fs.statSync(one).isDirectory(), false));
  if (dir === undefined) throw new Problem(kFound, `there is no folder ${name}`);
  if (!attempt(() => fs.readdirSync(dir), []).some((file) => /^(incident\.json|.+\.(cpuprofile|heapprofile|heapsnapshot))$/.test(file))) {
    throw new Problem(kFound, `${name} holds no incident`);
  }
  return path.resolve(dir);
}

async function run(options) {
  const dir = folder(only(options, 'the folder of an incident', 'report'));
  const page = attempt(() => fs.readFileSync(path.join(__dirname, '../page.html'), 'utf8'));
  if (page === null) throw new Problem(kFound, 'this package has no page.html');
  let made;
  try {
    made = report(dir, page);
  } catch ({ message }) {
    throw new Problem(kFound, `no report: ${message}`);
  }
  if (options.json) printJson(made);
  else print([`${clean(made.file)}  ${size(made.bytes)}`, ...Object.values(made.missing).map((why) => `  missing: ${clean(why)}`)]);
  return 0;
}

module.exports = { folder, help, run };
