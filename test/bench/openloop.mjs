// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// An open-loop load: requests go out when their time has come, whether or not the
// ones before have been answered, at random instants. What a request waits counts from
// the instant it was due, so that nothing that should have been sent meanwhile is
// left out ("coordinated omission").

import { Agent, get } from 'node:http';

export class OpenLoop {
  constructor(port) {
    this.port = port;
    this.agent = new Agent({ keepAlive: true, maxSockets: Infinity });
    this.samples = [];  // [due, ms] of users' requests
    this.waiting = new Set();
    this.late = 0;      // by how much this loop was late itself, at most, ms
    this.failed = [];
    this.timers = new Set();
  }

  // `perSecond` requests for a path; users' ones at random, faults evenly.
  begin(path, perSecond) {
    const users = path === '/';
    let due = performance.now();
    const stream = {};
    const tick = () => {
      for (; due <= performance.now(); due += users ? -Math.log(1 - Math.random()) * 1000 / perSecond : 1000 / perSecond) {
        this.late = Math.max(this.late, performance.now() - due);
        this.request(path, due, users);
      }
      stream.timer = setTimeout(tick, Math.max(0, due - performance.now()));
    };
    tick();
    this.timers.add(stream);
    return () => { clearTimeout(stream.timer); this.timers.delete(stream); };
  }

  request(path, due, users) {
    const one = { due };
    if (users)
      this.waiting.add(one);
    get({ port: this.port, path, agent: this.agent }, (res) => {
      res.resume().on('end', () => {
        if (users && this.waiting.delete(one))
          this.samples.push([due, performance.now() - due]);
      });
    }).on('error', (error) => {
      if (!this.ended)
        this.failed.push(error.message);
    });
  }

  // Those due since then, in ms; who still waits has waited until now.
  since(start) {
    const now = performance.now();
    return [...this.samples, ...[...this.waiting].map(({ due }) => [due, now - due])]
      .filter(([due]) => due >= start).map(([, ms]) => ms).sort((a, b) => a - b);
  }

  end() {
    this.ended = true;
    for (const { timer } of this.timers)
      clearTimeout(timer);
    this.agent.destroy();
  }
}

export const percentile = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p / 100))];
