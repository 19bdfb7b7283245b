// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Who this is for the reader of an alert, and where its objects go.

const fs = require('node:fs');
const path = require('node:path');

// OTEL_RESOURCE_ATTRIBUTES: key=value with commas between, percent-encoded.
function attributes(text = '') {
  const out = {};
  for (const pair of text.split(',')) {
    const at = pair.indexOf('=');
    if (at < 1) continue;
    try {
      out[pair.slice(0, at).trim()] = decodeURIComponent(pair.slice(at + 1).trim());
    } catch {
      // One that is not encoded well does not spoil the others.
    }
  }
  return out;
}

// Of the program that started the helper, which itself works elsewhere. It may end
// before we do, so this is looked up at the start.
const programDirectory = (() => {
  try {
    return fs.readlinkSync(`/proc/${process.ppid}/cwd`);
  } catch {
    return null;
  }
})();

// The nearest package.json from the working directory up.
function packageOf(from) {
  if (from === null) return {};
  for (let dir = from, n = 0; n < 32; n++, dir = path.dirname(dir)) {
    try {
      const file = path.join(dir, 'package.json');
      if (fs.statSync(file).size < 2 ** 20) {
        const { name, version } = JSON.parse(fs.readFileSync(file, 'utf8'));
        if (typeof name === 'string' && name !== '') return { name, version };
      }
    } catch {
      // None here, or none that can be read.
    }
    if (dir === path.dirname(dir)) break;
  }
  return {};
}

const text = (v) => (typeof v === 'string' && v.trim() !== '' ? v.trim().slice(0, 200) : undefined);

function who(env, cwd = programDirectory) {
  const otel = attributes(env.OTEL_RESOURCE_ATTRIBUTES);
  const named = text(env.VIGIL_SERVICE) ?? text(env.OTEL_SERVICE_NAME) ?? text(otel['service.name']);
  const versioned = text(env.VIGIL_VERSION) ?? text(otel['service.version']);
  const own = named === undefined || versioned === undefined ? packageOf(cwd) : {};
  return {
    service: named ?? text(env.npm_package_name) ?? text(own.name) ?? 'unknown',
    // The version of a package is that of the service only if it is the service.
    version: versioned ?? (named === undefined ? text(env.npm_package_version) ?? text(own.version) : undefined) ?? 'unknown',
  };
}

// A part of a key: no slash, nothing that a client would have to encode.
function part(value) {
  const clean = String(value).replace(/^@/, '').replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 100);
  return /^[.-]*$/.test(clean) ? 'unknown' : clean;
}

const join = (...parts) => parts.filter((p) => p !== '').join('/');

// service/version/date/host-pid/incident/
function folder(prefix, { service, version }, { name, triggered, host, pid }) {
  return join(prefix, part(service), part(version), triggered.slice(0, 10), `${part(host)}-${pid}`, part(name));
}

module.exports = { who, attributes, part, join, folder };
