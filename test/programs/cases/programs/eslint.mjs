// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { command, folder, tool } from '../lib.mjs';

const dir = folder({
  'package.json': { name: 'linted', private: true, type: 'module' },
  'eslint.config.js': "export default [{ rules: { 'no-unused-vars': 'error', 'prefer-const': 'error', eqeqeq: 'warn' } }];",
  'a.js': 'let a = 1;\nif (a == 1) { let b; }\n',
});
const { stdout } = tool(command('eslint'), ['-f', 'json', 'a.js'], { cwd: dir, code: 1 });
for (const { ruleId, line, column, message } of JSON.parse(stdout)[0].messages) console.log(ruleId, line, column, message);
console.log(tool(command('eslint'), ['--fix-dry-run', '-f', 'json', 'a.js'], { cwd: dir, code: 1 }).stdout.match(/"output":"[^"]*"/)[0]);
