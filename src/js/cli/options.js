// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

const { Problem, kUsage } = require('./problem');

// Reads what follows a command. `known` says of each --name what it takes: 'flag';
// 'value'; or 'maybe', a value that begins with a digit, or none. Every flag has its
// --no-name where known says 'both'. Gives { args, json, [name]: true, false or text }.
function options(argv, known, command) {
  const out = { args: [], json: false };
  const all = { __proto__: null, json: 'flag', ...known };
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i];
    if (arg === '--') {
      out.args.push(...argv.slice(i + 1));
      break;
    }
    if (!arg.startsWith('-') || arg === '-') {
      out.args.push(arg);
      continue;
    }
    const [, no, name, , value] = /^--(no-)?([a-z]+)(=(.*))?$/s.exec(arg) ?? [];
    const kind = name === undefined ? undefined : all[name];
    if (kind === undefined || (no && kind !== 'both' && kind !== 'maybe')) {
      throw new Problem(kUsage, `${command} has no option ${JSON.stringify(arg)}: see vigil ${command} --help`);
    }
    if (kind === 'flag' || kind === 'both' || no) {
      if (value !== undefined) throw new Problem(kUsage, `${arg.slice(0, arg.indexOf('='))} takes no value`);
      out[name] = !no;
    } else if (value !== undefined) {
      out[name] = value;
    } else if (kind === 'maybe') {
      out[name] = /^\d/.test(argv[i + 1] ?? '') && !isLast(argv, i + 1, out) ? argv[++i] : true;
    } else if (i + 1 < argv.length) {
      out[name] = argv[++i];
    } else {
      throw new Problem(kUsage, `${arg} wants a value`);
    }
  }
  return out;
}

// `vigil capture --cpu 1234`: a number that comes last, where nothing else can be the
// process, is the process.
function isLast(argv, at, { args }) {
  return args.length === 0 && !argv.slice(at + 1).some((arg) => !arg.startsWith('-')) && /^\d+$/.test(argv[at]);
}

// The one argument that a command wants.
function only({ args }, what, command) {
  if (args.length !== 1) throw new Problem(kUsage, `${command} wants ${what}: see vigil ${command} --help`);
  return args[0];
}

module.exports = { only, options };
