// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import express from 'express';

const app = express();
app.use(express.json());
app.get('/hello/:name', (req, res) => res.send(`hello ${req.params.name}`));
app.post('/echo', (req, res) => res.json(req.body));
app.use('/files', express.static(import.meta.dirname));
app.get('/fails', () => { throw Object.assign(new Error('no'), { status: 418 }); });
app.use((error, req, res, next) => res.status(error.status).send(error.message));  // eslint-disable-line
const server = app.listen(0, '127.0.0.1', async () => {
  const base = `http://127.0.0.1:${server.address().port}`;
  console.log(await (await fetch(`${base}/hello/you`)).text());
  console.log(await (await fetch(`${base}/echo`, {
    method: 'POST', body: '{"a":[1]}', headers: { 'content-type': 'application/json' },
  })).text());
  console.log((await (await fetch(`${base}/files/express.mjs`)).text()).length);
  console.log((await fetch(`${base}/fails`)).status, (await fetch(`${base}/nowhere`)).status);
  server.close();
});
