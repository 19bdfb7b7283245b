// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// What to look at next, by cause and by what the guilty function was doing.

// By the work of blame.js.
const OF_WORK = {
  __proto__: null,
  'JSON.parse': 'JSON.parse takes time in proportion to its input: limit the size of what is accepted, parse once and keep the result, or parse in a Worker.',
  'JSON.stringify': 'JSON.stringify takes time in proportion to what it writes: send less or in pages, stream it, or keep the result.',
  'regular expression': 'A regular expression that can match the same text in many ways takes exponential time on input that almost matches. Look for nested repetition such as (a+)+, limit the length of the input, or match in linear steps.',
  'sorting': 'Sort less: keep the list sorted, let the database sort, or take the first few without sorting all.',
  'structuredClone': 'Copying takes time in proportion to the data: transfer buffers, send less between threads, or share memory.',
  'synchronous child process': 'execSync, execFileSync and spawnSync stop every request of this process until the child ends: use execFile or spawn with a callback.',
  'synchronous compression': 'Use the zlib function without Sync, or its stream: it runs in the thread pool.',
  'synchronous cryptography': 'Use the crypto function with a callback: it runs in the thread pool.',
  'synchronous file access': 'Use fs.promises, or a callback, instead of the function that ends in Sync; read at start-up what is read on every request.',
  'module loading': 'A module was loaded while serving: load it at start-up.',
  'compiling code': 'V8 was compiling: code is made while serving (eval, new Function, templates, late imports), or this is a cold start.',
  'string to bytes': 'Large strings were turned into bytes: work on Buffers, or send in pieces.',
  'bytes to string': 'Large Buffers were turned into strings: work on the bytes, or in pieces.',
};

const OF_SYSCALL = [
  [/^(read|pread64|readv|open|openat|stat|statx|newfstatat|getdents64|access|write|pwrite64|writev|fsync|fdatasync|rename|unlink)$/,
   'The file system, or a pipe, was waited for on the loop: use fs.promises or a stream instead of a function that ends in Sync, and look at the disk or the network mount behind the path.'],
  [/^(wait4|waitid|epoll_wait|epoll_pwait|poll|ppoll)$/,
   'The thread waited inside a callback, which execSync, spawnSync and add-ons with a loop of their own do: use the form with a callback.'],
  [/^futex$/, 'The thread waited for another one: Atomics.wait, a lock inside an add-on, or process.exit waiting for Workers. Look at who holds it.'],
  [/^(connect|recvfrom|recvmsg|sendto|sendmsg|accept4?)$/,
   'A blocking socket was used on the loop, mostly by an add-on: use its asynchronous interface.'],
  [/^(nanosleep|clock_nanosleep)$/, 'Something sleeps on the loop: an add-on, or a retry written with a sleep.'],
];

const OF_CAUSE = {
  __proto__: null,
  js: [
    'Open the function in the flame graph (During) and look at what is below it: a wide frame with nothing below spends the time itself.',
    'Do less of it per request, split it so that the loop gets a turn in between (setImmediate between pieces), or move it into a Worker.',
  ],
  native: [
    'Native code ran on the loop’s thread: the flame graph (Before, with native frames) shows which function, and who called it.',
    'Use the asynchronous form of that function, or call the add-on from a Worker.',
  ],
  gc: [
    'Garbage collection follows from allocation: the allocation profile below names who allocates, the heap summary what stays.',
  ],
  syscall: ['The flame graph with native frames, and the stalls below, show from where the call was made.'],
  threadpool: [
    'Work waited for one of libuv’s threads (4 unless UV_THREADPOOL_SIZE says more), not for the loop: that is file system calls, dns.lookup, crypto and zlib with callbacks.',
    'See by kind below what waits and what runs long. Raise UV_THREADPOOL_SIZE up to the number of cores for computation and above it for slow disks or DNS, or start less at once.',
  ],
  starved: [
    'The program is not to blame: it was ready to run, and other threads had the CPU. So no CPU profile was taken.',
    'Look at the host at that time: who used the CPU (top, or the container dashboards), and is this service pinned or under-provisioned? Reserve CPU for it, move the neighbour, or start fewer busy threads in this process.',
  ],
  throttled: [
    'The program is not to blame: the CPU limit of its container (cgroup) was used up, and the kernel held it back until the next period. So no CPU profile was taken.',
    'Raise or remove the CPU limit, keeping the request; a limit below one CPU makes stops of up to 100 ms normal. Threads of this process, GC helpers included, share that limit.',
  ],
  suspended: [
    'The program is not to blame: it was stopped from outside. So no CPU profile was taken.',
    'Look for what stopped it: docker pause or a frozen cgroup, SIGSTOP, a debugger, a virtual machine that was migrated or snapshotted, a laptop lid.',
  ],
  unknown: ['Figures that decide are not to be had on this system; the flame graph and the stalls say what ran.'],
};

const OF_RULE = {
  __proto__: null,
  'old-space': 'Full collections leave more each time: something is kept. The largest objects of the heap summary and what keeps them are where to begin; --max-old-space-size only buys time.',
};

const OF_GC = {
  '__proto__': null,
  'scavenge': 'what dies young is too much for the young generation: allocate less per request, or give it more room (--max-semi-space-size).',
  'mark-sweep-compact': 'the heap grows, is close to its limit, or is collected on purpose (gc(), --expose-gc): compare the heap summary with that of a healthy process.',
};

const OF_KIND = {
  '__proto__': null,
  'cpu': 'crypto, zlib or an add-on computes in the pool',
  'fast-io': 'file system calls',
  'slow-io': 'DNS lookups (dns.lookup)',
};

function advice(incident, top) {
  const kind = incident.cause.class;
  const out = [];
  if (incident.rule.name in OF_RULE) out.push(OF_RULE[incident.rule.name]);
  if (kind === 'js' || kind === 'native' || kind === 'syscall') {
    const work = top?.work ? OF_WORK[top.work] : undefined;
    if (work !== undefined) out.push(work);
  }
  if (kind === 'syscall' && !out.length) {
    const { syscall } = incident.cause.figures;
    for (const [form, what] of OF_SYSCALL) if (form.test(syscall ?? '')) out.push(what);
  }
  if (kind === 'gc') {
    const [worst] = Object.entries(incident.gc.sinceStart).sort((a, b) => (b[1].totalMs ?? 0) - (a[1].totalMs ?? 0));
    if (worst !== undefined && worst[0] in OF_GC) {
      const [name, { count, totalMs }] = worst;
      out.push(`Most of it since the start was ${name}, ${count} pauses of ${Math.round(totalMs / count)} ms on average: ${OF_GC[name]}`);
    }
  }
  if (kind === 'threadpool') {
    const kinds = Object.entries(incident.pool.sinceStart).sort((a, b) => (b[1].waitMaxMs ?? 0) - (a[1].waitMaxMs ?? 0));
    if (kinds.length > 0 && kinds[0][0] in OF_KIND) {
      const [name, { runP99Ms }] = kinds[0];
      out.push(`The longest wait was that of ${name} work: ${OF_KIND[name]}` +
        (runP99Ms > 0 ? `; one in a hundred of it ran for ${Math.round(runP99Ms)} ms or longer.` : '.'));
    }
  }
  return [...out, ...OF_CAUSE[kind]];
}

module.exports = { advice };
