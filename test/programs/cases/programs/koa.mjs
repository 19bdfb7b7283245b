// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import Koa from 'koa';

const app = new Koa();
app.use(async (ctx, next) => { await next(); ctx.set('x-after', 'yes'); });
app.use((ctx) => { ctx.body = { path: ctx.path, query: ctx.query }; });
const server = app.listen(0, '127.0.0.1', async () => {
  const got = await fetch(`http://127.0.0.1:${server.address().port}/a?b=1`);
  console.log(got.headers.get('x-after'), await got.text());
  server.close();
});
