// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// One HTTP request. Never follows a redirect, always verifies TLS, bounds what is
// read and how long nothing may happen.

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const { pipeline } = require('node:stream/promises');
const { after } = require('./retry');

const kMostAnswer = 256 * 1024;

class HttpError extends Error {
  constructor(message, members) {
    super(message);
    Object.assign(this, members, { told: true });
  }
}

// Reads a bundle of certificates on top of the usual ones, or nothing.
function authorities(file) {
  if (!file) return undefined;
  return [...require('node:tls').getCACertificates('default'), fs.readFileSync(file, 'utf8')];
}

// Connections of one destination. Proxies by the usual variables, but not for
// what hands out credentials: those are addresses of this host.
class Client {
  constructor({ env = {}, proxies = true, ca, idleMs = 30_000, connectMs = 10_000 } = {}) {
    const proxyEnv = {};
    for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy']) {
      if (proxies && env[name]) proxyEnv[name] = env[name];
    }
    const options = { keepAlive: true, maxSockets: 4, timeout: idleMs, proxyEnv };
    this.agents = {
      'http:': new http.Agent(options),
      // NODE_TLS_REJECT_UNAUTHORIZED=0 of the program is not for its evidence.
      'https:': new https.Agent({ ...options, ca, rejectUnauthorized: true, minVersion: 'TLSv1.2' }),
    };
    this.idleMs = idleMs;
    this.connectMs = connectMs;
  }

  close() {
    for (const agent of Object.values(this.agents)) agent.destroy();
  }

  // { url, method, path, headers, body } with a Buffer or (source) => async
  // iterable as body; resolves to { status, headers, body: Buffer }.
  send({ url, method = 'GET', path, headers = {}, body, signal, totalMs, mostAnswer = kMostAnswer }) {
    const { protocol, hostname, port } = url;
    const { request } = protocol === 'https:' ? https : http;
    const signals = [signal, totalMs === undefined ? undefined : AbortSignal.timeout(totalMs)].filter(Boolean);
    const ended = signals.length === 0 ? undefined : AbortSignal.any(signals);
    return new Promise((resolve, reject) => {
      if (ended?.aborted) return reject(new HttpError('timed out', { code: 'TIMEOUT', sent: false }));
      let connected = false;
      const req = request({
        agent: this.agents[protocol], protocol, hostname: hostname.replace(/^\[|\]$/g, ''), port, method,
        path: path ?? `${url.pathname}${url.search}`, headers: { 'User-Agent': 'node-vigil', ...headers },
      });
      const fail = (error) => {
        clearTimeout(connecting);
        ended?.removeEventListener('abort', stop);
        req.destroy();
        reject(error instanceof HttpError ? error : new HttpError(reason(error), { code: codeOf(error), sent: connected }));
      };
      const timeout = () => new HttpError('timed out', { code: 'TIMEOUT', sent: connected });
      const stop = () => fail(signal?.aborted ? new HttpError('stopped', { code: 'STOPPED', sent: connected }) : timeout());
      const connecting = setTimeout(() => fail(timeout()), this.connectMs);
      ended?.addEventListener('abort', stop, { once: true });
      const ready = () => {
        connected = true;
        clearTimeout(connecting);
      };
      req.once('socket', (socket) => {
        if (!socket.connecting && (protocol === 'http:' || !socket.secureConnecting)) ready();
        else socket.once(protocol === 'https:' ? 'secureConnect' : 'connect', ready);
      });
      req.setTimeout(this.idleMs, () => fail(timeout()));
      req.on('error', fail);
      req.once('response', (res) => {
        ready();
        const parts = [];
        let bytes = 0;
        res.on('data', (chunk) => {
          bytes += chunk.length;
          if (bytes > mostAnswer) fail(new HttpError('the answer is too long', { status: res.statusCode, retry: false }));
          else parts.push(chunk);
        });
        res.on('error', fail);
        res.once('end', () => {
          clearTimeout(connecting);
          ended?.removeEventListener('abort', stop);
          if (!res.complete) return fail(new HttpError('the connection broke', { code: 'TORN', sent: true }));
          resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts),
                    afterMs: after(res.headers['retry-after']) });
          // An early answer, mostly a refusal, ends what is still being sent.
          if (!req.writableFinished) req.destroy();
        });
      });
      if (typeof body === 'function') pipeline(body(), req).catch((error) => { if (!req.res) fail(error); });
      else req.end(body);
    });
  }
}

const codeOf = (error) => (error.message === 'socket hang up' ? 'TORN' : error.code ?? 'FAILED');

// A sentence without an address: that may be a secret.
function reason(error) {
  if (error.code === undefined) return 'the request failed';
  return `the connection failed (${codeOf(error)})`;
}

module.exports = { Client, HttpError, authorities };
