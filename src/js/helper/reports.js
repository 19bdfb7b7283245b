// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// report.html for each finished incident that has none, the newest first.

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { report } = require('../report/make');
const { fail, total } = require('./say');
const { addFile, lists } = require('./manifest');

const NAME = /^incident-\d{8}T\d{6}Z-\d+(-\d+)?$/;
const PAGE = 'report.html';
// Holds how often the report was begun and not finished: one that ends the helper
// must not do so for ever.
const TRIES = '.report-tries';
// The second try leaves the heap out, which takes most memory and time.
const kMaxTries = 2;

// This user's only: in a shared directory another's could be there to lead us on.
function finished(dir) {
  return fs.readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && NAME.test(entry.name))
    .map((entry) => path.join(dir, entry.name))
    .filter((incident) => fs.lstatSync(incident, { throwIfNoEntry: false })?.uid === process.geteuid())
    .sort().reverse();
}

// One that was only just created was one, too.
function tries(incident) {
  try {
    return Number.parseInt(fs.readFileSync(path.join(incident, TRIES), 'latin1'), 10) || 1;
  } catch {
    return 0;
  }
}

function removeLeftovers(incident) {
  for (const name of fs.readdirSync(incident)) {
    if (/^\.(report|manifest)-\d+\.tmp$/.test(name)) fs.rmSync(path.join(incident, name), { force: true });
  }
}

function make(incident, page, options) {
  const file = path.join(incident, PAGE);
  if (fs.existsSync(file)) {
    if (lists(incident, PAGE)) return false;
  } else {
    const begun = tries(incident);
    if (begun >= kMaxTries) return false;
    removeLeftovers(incident);
    fs.writeFileSync(path.join(incident, TRIES), `${begun + 1}`, { mode: 0o600 });
    report(incident, page, { ...options, heap: begun === 0 });
  }
  fs.rmSync(path.join(incident, TRIES), { force: true });
  const content = fs.readFileSync(file);
  addFile(incident, {
    name: PAGE, bytes: content.length, sha256: crypto.createHash('sha256').update(content).digest('hex'),
  });
  return true;
}

// How many were made. `seen`: incidents that were tried, and are not again.
function makeReports(dir, page, seen, options) {
  let made = 0;
  for (const incident of finished(dir)) {
    if (seen.has(incident)) continue;
    seen.add(incident);
    try {
      if (!make(incident, page, options)) continue;
      made++;
      total('reports', 1);
    } catch (error) {
      // The budget removes old ones at any time.
      if (fs.existsSync(incident)) fail(`no report.html for ${incident}: ${error.message}`);
    }
  }
  return made;
}

module.exports = { makeReports };
