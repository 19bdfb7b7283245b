// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Asks a process over its control socket.

const http = require('http');
const { Problem, kNoProcess } = require('./problem');

const kMaxBody = 16 * 2 ** 20;
const kTimeoutMs = 5_000;

// { status, body }: of JSON what it means. Throws a Problem when nobody answers.
function ask(socket, path, { method = 'GET', timeoutMs = kTimeoutMs } = {}) {
  return new Promise((resolve, reject) => {
    const fail = (why) => reject(new Problem(kNoProcess, `${socket}: ${why}`));
    const request = http.request({ socketPath: socket, path, method, agent: false, timeout: timeoutMs }, (response) => {
      const pieces = [];
      let bytes = 0;
      response.on('data', (piece) => {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes > kMaxBody) request.destroy(new Error('the answer is too long'));
      });
      response.on('error', ({ message }) => fail(message));
      response.on('end', () => {
        const text = Buffer.concat(pieces).toString();
        if (response.headers['content-type'] !== 'application/json') {
          fail(`it does not answer as a control socket does (${response.statusCode})`);
          return;
        }
        try {
          resolve({ status: response.statusCode, body: JSON.parse(text) });
        } catch ({ message }) {
          fail(message);
        }
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    request.on('error', ({ code, message }) => fail({
      ECONNREFUSED: 'nobody listens there: the process has ended',
      ENOENT: 'it is gone: the process has ended',
      EACCES: 'it belongs to another user',
      ECONNRESET: 'the process ended the connection',
    }[code] ?? message));
    request.end();
  });
}

module.exports = { ask };
