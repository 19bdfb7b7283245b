// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Builds an application and serves it: a static page, one rendered for each
// request, and a route handler.

import { command, folder, freePort, server, tool } from '../lib.mjs';

const dir = folder({
  'package.json': { name: 'site', private: true },
  'next.config.mjs': 'export default { outputFileTracingRoot: import.meta.dirname };',
  'app/layout.js': 'export default ({ children }) => <html><body>{children}</body></html>;',
  'app/page.js': 'export default () => <h1>{[1, 2, 3].map((n) => n * n).join()}</h1>;',
  'app/when/page.js': `
    export const dynamic = 'force-dynamic';
    export default async function Page({ searchParams }) {
      return <p>{(await searchParams).q} by node {process.version}</p>;
    }`,
  'app/api/route.js': 'export const GET = (request) => Response.json({ url: new URL(request.url).search });',
});
const next = command('next');
const { stdout } = tool(next, ['build', '--webpack'], { cwd: dir, env: { NODE_ENV: 'production' } });
console.log(stdout.match(/Compiled successfully/)[0]);
const port = await freePort();
const { stop } = await server(next, ['start', '-p', String(port), '-H', '127.0.0.1'], /Ready in/, { cwd: dir });
for (const [where, re] of [['/', /<h1>.*?<\/h1>/], ['/when?q=it', /<p>.*?<\/p>/], ['/api?q=1', /.*/]]) {
  const page = await (await fetch(`http://127.0.0.1:${port}${where}`)).text();
  console.log(page.match(re)[0]);
}
await stop();
process.exit();
