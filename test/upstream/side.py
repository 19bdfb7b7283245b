# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# One of the two binaries under upstream's tools/test.py, and what came out.

import glob
import os
import re
import shutil
import subprocess
import sys

TAP = re.compile(r'^(ok|not ok) \d+ (\S+)(?: # skip\s*(.*))?', re.IGNORECASE)
ADDONS = ('addons', 'js-native-api', 'node-api', 'sqlite', 'ffi')


def isolated(folder):
    """Its own network and processes: no ports are shared, nothing stays."""
    hosts = os.path.join(folder, 'hosts')
    with open(hosts, 'w') as out:
        out.write('127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n'
                  '127.0.1.1 %s\n' % os.uname().nodename)
    ways = (['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc',
             # Not exec: the shell stays as the init that collects orphans.
             'sh', '-c', 'ip link set lo up && mount --bind "$1" /etc/hosts || exit; '
             'shift; "$@"; exit $?', 'sh', hosts], [])
    for way in ways:
        try:
            if subprocess.run(way + ['true'], capture_output=True).returncode == 0:
                return way
        except OSError:
            pass
    return []


class Side:
    def __init__(self, name, binary, args, way):
        self.name, self.binary, self.tree, self.way = name, binary, args.tree, way
        self.port = 12346 + (0 if name == 'stock' else 1000)
        self.extra = dict(pair.split('=', 1) for pair in args.env) if name == 'ours' else {}

    def start(self, names, jobs, folder):
        scratch = os.path.join(folder, 'tmp-' + self.name)
        shutil.rmtree(scratch, ignore_errors=True)
        os.makedirs(os.path.join(scratch, 'home'))
        # An empty environment but for what a program needs: nothing of this
        # machine's settings reaches the tests.
        env = {
            'PATH': os.path.dirname(self.binary) + ':' + os.environ['PATH'],
            'HOME': os.path.join(scratch, 'home'), 'LANG': 'C.UTF-8', 'TERM': 'xterm',
            'USER': 'root', 'LOGNAME': 'root', 'SHELL': '/bin/sh',
            'NODE_TEST_DIR': scratch, 'TMPDIR': scratch,
            'NODE_COMMON_PORT': str(self.port),
            **self.extra,
        }
        self.scratch = scratch
        self.log = os.path.join(folder, '%s.tap' % self.name)
        if os.path.exists(self.log):
            os.remove(self.log)
        command = self.way + [sys.executable, 'tools/test.py', '--shell', self.binary,
                              '--progress', 'tap', '--logfile', self.log,
                              '-j', str(jobs), '--no-store-unexpected-output'] + names
        self.output = open(os.path.join(folder, '%s.out' % self.name), 'w')
        self.process = subprocess.Popen(
            command, cwd=self.tree, env=env, stdin=subprocess.DEVNULL,
            stdout=self.output, stderr=subprocess.STDOUT)

    def finish(self):
        self.process.wait()
        self.output.close()
        shutil.rmtree(self.scratch, ignore_errors=True)
        return parse(self.log)


def plain(name):
    # Upstream's runner leaves the extension on some.
    return re.sub(r'\.m?js$', '', name)


def parse(log):
    """{name: (outcome, ms, what it said)}"""
    results, current, said = {}, None, []
    lines = open(log, errors='replace').read().split('\n') if os.path.exists(log) else []
    for line in lines:
        match = TAP.match(line)
        if match:
            current = plain(match[2])
            said = []
            outcome = 'fail' if match[1].lower() == 'not ok' else \
                'skip' if match[3] is not None else 'pass'
            results[current] = [outcome, 0, said]
        elif current and line.startswith('  duration_ms: '):
            results[current][1] = float(line.split()[1])
        elif current and line == '  severity: crashed':
            results[current][0] = 'crash'
        elif current and line.startswith('    '):
            if line == '    timeout' and not said:
                results[current][0] = 'timeout'
            said.append(line[4:])
    return results


def build_addons(args, suites):
    for suite in ADDONS:
        target = os.path.join(args.tree, 'test', suite)
        done = os.path.join(target, '.vigil-built')
        if suite not in suites or os.path.exists(done) or not os.path.isdir(target):
            continue
        print('building test/%s' % suite, flush=True)
        subprocess.run(
            [sys.executable, 'tools/build_addons.py', target, '--headers-dir', args.stock,
             '--out-dir', os.path.join(args.stock, 'bin')],
            cwd=args.tree, check=False, stdin=subprocess.DEVNULL,
            stdout=open(os.path.join(args.tree, 'test', suite + '-build.log'), 'w'),
            stderr=subprocess.STDOUT)
        built = glob.glob(os.path.join(target, '*/build/Release/*.*'))
        if not built:
            sys.exit('upstream: no add-on of test/%s could be built, see %s-build.log' % (suite, target))
        open(done, 'w').close()
