// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import fastify from 'fastify';

const app = fastify({ logger: false });
app.get('/:name', {
  schema: { response: { 200: { type: 'object', properties: { hello: { type: 'string' } } } } },
}, async ({ params }) => ({ hello: params.name, hidden: 1 }));
app.post('/sum', async ({ body }) => ({ sum: body.reduce((a, b) => a + b, 0) }));
const address = await app.listen({ port: 0, host: '127.0.0.1' });
console.log(await (await fetch(`${address}/world`)).text());
console.log(await (await fetch(`${address}/sum`, {
  method: 'POST', body: '[1,2,3]', headers: { 'content-type': 'application/json' },
})).text());
console.log((await fetch(`${address}/sum`, { method: 'PUT' })).status);
await app.close();
