// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The command `vigil`, which bin/vigil starts: looks at watched processes through
// their control sockets, and at incidents on disk. docs/cli.md has all of it.

const { Problem, kUsage } = require('./problem');
const { options } = require('./options');

// In the order of the help.
const COMMANDS = {
  __proto__: null,
  ls: 'watched processes, and incidents',
  top: 'a live view of one process',
  doctor: 'what is wrong with a process, or was in an incident, and what to do',
  capture: 'have a process write profiles of itself, now',
  report: 'make report.html of an incident',
};

function help() {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length)) + 2;
  return `usage: vigil COMMAND [ARGUMENTS]

${Object.entries(COMMANDS).map(([name, what]) => `  ${name.padEnd(width)}${what}`).join('\n')}

  vigil COMMAND --help   more about one of them
  vigil --version

All commands but \`top\` answer in JSON with --json; \`top --json\` prints what the
process says of itself. A process is named by its PID, or by the path of its control
socket. Sockets and incidents are looked for in VIGIL_DIR (default
\${TMPDIR:-/tmp}/vigil-<uid>), and where the environment of the process says.

Exit codes: 0 all is well; 1 something was found, or could not be done; 2 wrong usage;
3 there is no such process, it is not watched, or it belongs to another user.
`;
}

function version() {
  return `vigil ${process.versions.vigil ?? 'unknown'} (Node.js ${process.version})\n`;
}

async function main(argv) {
  const [name, ...rest] = argv;
  if (name === undefined) {
    process.stderr.write(help());
    return kUsage;
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    if (rest[0] in COMMANDS) return main([rest[0], '--help']);
    process.stdout.write(help());
    return 0;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(version());
    return 0;
  }
  if (!(name in COMMANDS)) throw new Problem(kUsage, `there is no command ${JSON.stringify(name)}: see vigil --help`);
  const command = require(`./${name}`);
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(command.help);
    return 0;
  }
  return command.run(options(rest, command.options ?? {}, name));
}

// What is piped into `head` has been read enough.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
}, (error) => {
  if (!(error instanceof Problem)) throw error;
  process.stderr.write(`vigil: ${error.message}\n`);
  process.exitCode = error.code;
});
