// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Whom the busy time of a profile is owed to: the function of the program that
// is nearest to the leaf of the stack, since that is where it can be changed.

const { KIND } = require('./functions');
const { number, object } = require('./read');

// What is below that function, in words that lead to a remedy. The first one
// that matches the name of a frame below counts.
const WORK = [
  ['JSON.parse', /JsonParse|^parse JSON|^JSON\.parse$/],
  ['JSON.stringify', /JsonStringif|^JSON\.stringify$/],
  ['regular expression', /RegExp|Irregexp|^RegExp:/],
  ['sorting', /ArrayPrototypeSort|ArrayTimSort|TypedArraySort|^sort$/],
  ['structuredClone', /StructuredClone|ValueSerializer|ValueDeserializer|^structuredClone$/],
  ['synchronous child process', /SyncProcessRunner|^spawnSync$|^execSync$|^execFileSync$/],
  ['synchronous compression', /ZlibContext|inflate|deflate|Brotli(Enc|Dec)|^zlibBufferSync$|^processChunkSync$/i],
  ['synchronous cryptography', /PBKDF2|scrypt|RandomBytes|^pbkdf2Sync$|^scryptSync$|^randomBytes$|EVP_|SHA(1|256|512)_/i],
  ['synchronous file access', /Sync$|uv_fs_|uv__fs_work/],
  ['module loading', /^Module\._(load|compile|extensions)|compileFunctionForCJSLoader|^require$/],
  ['compiling code', /v8::internal::Compiler::|ParseProgram|BytecodeGenerator/],
  ['string to bytes', /utf8Write|Utf8Write|WriteUtf8/],
  ['bytes to string', /utf8Slice|StringBytes::Encode|latin1Slice/],
];

// Between JavaScript and native code that does something.
const GLUE = /^(JSEntry|CEntry|CallApi|Builtins?_|CallFunction|Construct|v8impl::|v8::|node::|napi_|Interpreter|Baseline|0x|\()/;

function workOf(name) {
  for (const [what, form] of WORK) if (form.test(name)) return what;
  return null;
}

const isGuilty = (kind) => kind === KIND.app || kind === KIND.module;

function add(map, key, us) {
  if (key !== null) map.set(key, (map.get(key) ?? 0) + us);
}

function largest(map) {
  let best = null;
  for (const [key, us] of map) if (best === null || us > best[1]) best = [key, us];
  return best;
}

// V8 names the code of a regular expression by its source; ours, without more.
const isRegExp = (name, url) => url === '' && /^RegExp: |^\^|\$$/.test(name);

function summarize(tree, functions) {
  const { name, kind, url, urls } = functions;
  const by = new Map();
  const { parent, fn, self, lines } = tree;
  for (let i = 0; i < self.length; i++) {
    if (self[i] === 0) continue;
    let work = null;
    let native = null;
    for (let at = i, depth = 0; at !== -1 && depth < 10_000; at = parent[at], depth++) {
      const f = fn[at];
      if (!isGuilty(kind[f])) {
        if (kind[f] === KIND.native && !GLUE.test(name[f])) native = name[f];
        work ??= isRegExp(name[f], urls[url[f]]) ? 'regular expression' : workOf(name[f]);
        continue;
      }
      let it = by.get(f);
      if (!it) by.set(f, it = { us: 0, gcUs: 0, work: new Map(), native: new Map(), callers: new Map(), lines: new Map() });
      it.us += self[i];
      if (kind[fn[i]] === KIND.gc) it.gcUs += self[i];
      add(it.work, work, self[i]);
      add(it.native, native, self[i]);
      if (kind[f] === KIND.module) add(it.callers, callerOf(tree, functions, at), self[i]);
      if (at === i) addLines(it.lines, lines[i], self[i]);
      break;
    }
  }
  return by;
}

// The program's own function that called a module.
function callerOf({ parent, fn }, { kind }, node) {
  for (let at = parent[node], depth = 0; at !== -1 && depth < 10_000; at = parent[at], depth++) {
    if (kind[fn[at]] === KIND.app) return fn[at];
  }
  return null;
}

function addLines(into, ticks, us) {
  let all = 0;
  for (const tick of ticks) all += Math.max(0, number(object(tick).ticks) ?? 0);
  for (const tick of ticks) {
    const { line, ticks: n } = object(tick);
    if (all > 0 && number(line) !== null && number(n) > 0) add(into, line, us * n / all);
  }
}

// The functions that most of the busy time is owed to, worst first, as
// { name, file, url, line, hotLine, work, native, by, share, gcShare }: `native` is
// the function right below it that is not JavaScript.
function blame(cpu, functions, most = 5) {
  const by = summarize(cpu.tree, functions);
  return [...by].sort((a, b) => b[1].us - a[1].us).slice(0, most).map(([fn, it]) => {
    const line = largest(it.lines);
    const work = largest(it.work);
    const native = largest(it.native);
    const caller = largest(it.callers);
    return {
      ...functions.describe(fn),
      share: it.us / cpu.busyUs,
      gcShare: it.gcUs / cpu.busyUs,
      hotLine: line !== null && line[1] >= 0.5 * it.us ? line[0] : null,
      work: work !== null && work[1] >= 0.3 * it.us ? work[0] : null,
      native: native !== null && native[1] >= 0.3 * it.us ? native[0] : null,
      by: caller !== null && caller[1] >= 0.3 * it.us ? functions.describe(caller[0]) : null,
    };
  });
}

module.exports = { blame, workOf };
