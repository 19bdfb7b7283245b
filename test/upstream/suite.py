# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Runs upstream's tools/test.py with both binaries side by side and compares.
# Called by run.sh. Every result is written down at once, so that a run that
# was stopped continues where it was.

import argparse
import collections
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TAP = re.compile(r'^(ok|not ok) \d+ (\S+)(?: # skip\s*(.*))?', re.IGNORECASE)
SIDES = ('stock', 'ours')
# Suites that cannot run here, with either binary.
LEFT_OUT = {
    'benchmark': 'runs benchmarks, which have their own dependencies',
    'cctest': 'C++, wants a build of its own',
    'doctool': 'tests the tools of the documentation',
    'embedding': 'C++, wants a build of its own',
    'internet': 'wants the internet',
}
ADDONS = ('addons', 'js-native-api', 'node-api', 'sqlite', 'ffi')


def parse_arguments():
    parser = argparse.ArgumentParser(prog='test/upstream/run.sh')
    for name in ('tree', 'results', 'stock', 'ours'):
        parser.add_argument('--' + name, required=True, help=argparse.SUPPRESS)
    parser.add_argument('--sample', action='store_true',
                        help='the part that CI runs (sample.txt)')
    parser.add_argument('--suites', help='only these suites, with commas between')
    parser.add_argument('--seconds', type=float, default=float('inf'), metavar='N',
                        help='end after about N seconds, with exit code 75 when '
                        'something is left; the same command continues')
    parser.add_argument('--again', action='store_true',
                        help='forget the results of an earlier run')
    parser.add_argument('-j', type=int, default=1, metavar='N',
                        help='N tests at once with each of the two (default 1)')
    parser.add_argument('--list', action='store_true', help='name the tests, run none')
    parser.add_argument('--env', action='append', default=[], metavar='NAME=VALUE',
                        help='for our binary only, such as VIGIL=on')
    parser.add_argument('names', nargs='*', help='only these tests, such as parallel/test-assert')
    return parser.parse_args()


# ---- which tests there are

def list_tests(tree):
    """Names as tools/test.py takes them, such as parallel/test-assert."""
    sys.path.insert(0, os.path.join(tree, 'tools'))
    spec = importlib.util.spec_from_file_location('test', os.path.join(tree, 'tools/test.py'))
    runner = importlib.util.module_from_spec(spec)
    sys.modules['test'] = runner  # The suites' testcfg.py import it by that name.
    spec.loader.exec_module(runner)
    root = os.path.join(tree, 'test')
    context = runner.Context(tree, False, sys.executable, [], False, 120,
                             lambda args: args, True, False, 1, False)
    context.default_mode = 'release'
    names = set()
    for suite in runner.GetSuites(root):
        if suite in LEFT_OUT:
            continue
        repository = runner.TestRepository(os.path.join(root, suite))
        pattern = runner.SplitPath(suite)
        found = []
        repository.AddTestsToList(found, [suite], pattern, context, 'none', 'release')
        names.update('/'.join(case.path) for case in found)
    return sorted(names)


def choose(args, names):
    if args.names:
        unknown = set(args.names) - set(names)
        if unknown:
            sys.exit('upstream: no such tests: ' + ' '.join(sorted(unknown)))
        return sorted(args.names)
    if args.suites:
        suites = args.suites.split(',')
        return [name for name in names if name.split('/')[0] in suites]
    if args.sample:
        return sample(names)
    return names


def sample(names):
    """Of sample.txt: whole groups by pattern, and 1 in N of all by hash."""
    chosen = set()
    for line in open(os.path.join(HERE, 'sample.txt')):
        line = line.split('#')[0].strip()
        if not line:
            continue
        word, rest = line.split(None, 1)
        if word == 'all':
            matching = [n for n in names if re.fullmatch(rest, n)]
        elif word == 'without':
            chosen -= {n for n in chosen if re.fullmatch(rest, n)}
            continue
        else:
            share, rest = int(word), rest
            matching = [n for n in names if re.fullmatch(rest, n) and
                        int(hashlib.sha256(n.encode()).hexdigest(), 16) % share == 0]
        if not matching:
            sys.exit('upstream: sample.txt: nothing matches ' + line)
        chosen.update(matching)
    return sorted(chosen)


# ---- running them

def isolated():
    """Its own network and processes: no ports are shared, nothing stays."""
    ways = (['unshare', '--net', '--pid', '--fork', '--kill-child', '--mount-proc',
             # Not exec: the shell stays as the init that collects orphans.
             'sh', '-c', 'ip link set lo up || exit; "$@"; exit $?', 'sh'], [])
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


def parse(log):
    """{name: (outcome, ms, what it said)}"""
    results, current, said = {}, None, []
    lines = open(log, errors='replace').read().split('\n') if os.path.exists(log) else []
    for line in lines:
        match = TAP.match(line)
        if match:
            current = re.sub(r'\.[a-z]+$', '', match[2])
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


class Ledger:
    """results.tsv: side, try, name, outcome, ms; one line a result."""

    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, 'results.tsv')
        self.tries = {side: collections.defaultdict(list) for side in SIDES}
        if os.path.exists(self.path):
            for line in open(self.path):
                side, name, outcome, _ = line.rstrip('\n').split('\t')
                self.tries[side][name].append(outcome)

    def add(self, side, results):
        with open(self.path, 'a') as out:
            for name, (outcome, ms, said) in sorted(results.items()):
                out.write('%s\t%s\t%s\t%.0f\n' % (side, name, outcome, ms))
                self.tries[side][name].append(outcome)
                if outcome not in ('pass', 'skip'):
                    place = os.path.join(self.folder, 'failures', side, name + '.txt')
                    os.makedirs(os.path.dirname(place), exist_ok=True)
                    with open(place, 'w') as text:
                        text.write('\n'.join(said) + '\n')

    def done(self, name):
        return all(name in self.tries[side] for side in SIDES)

    def verdict(self, side, name):
        """The best of its tries: a flaky test passes."""
        tries = self.tries[side][name]
        for outcome in ('pass', 'skip'):
            if outcome in tries:
                return outcome
        return tries[-1]


def run(sides, names, jobs, ledger):
    for side in sides:
        side.start(names, jobs, ledger.folder)
    for side in sides:
        results = side.finish()
        wanted = {name: results.get(name, ['not run', 0, ['upstream\'s runner left it out']])
                  for name in names}
        ledger.add(side.name, wanted)


def differs(ledger, name):
    return ledger.verdict('stock', name) != ledger.verdict('ours', name)


# ---- add-ons, built once against the official headers

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
        open(done, 'w').close()


# ---- the table

def explanations():
    reasons = {}
    for line in open(os.path.join(HERE, 'explained.txt')):
        line = line.rstrip('\n')
        if line and not line.startswith('#'):
            name, _, reason = line.partition(' ')
            if not reason.strip():
                sys.exit('upstream: explained.txt gives no reason for ' + name)
            reasons[name] = reason.strip()
    return reasons


def report(names, ledger, known, everything):
    kinds = collections.defaultdict(list)
    for name in names:
        stock, ours = (ledger.verdict(side, name) for side in SIDES)
        if stock == ours == 'pass':
            kind = 'passed by both'
        elif stock == ours == 'skip':
            kind = 'skipped by itself with both'
        elif stock == ours == 'not run':
            kind = 'left out by upstream for this system'
        elif stock == 'pass' or (stock == 'skip' and ours != 'pass'):
            kind = 'only stock'
        elif ours == 'pass' or ours == 'skip':
            kind = 'only ours'
        else:
            kind = 'failed by both'
        kinds[kind].append(name)

    reasons = explanations()
    bad = []
    for name in kinds['only stock']:
        how = '%s with stock, %s with ours' % tuple(ledger.verdict(s, name) for s in SIDES)
        if name in reasons:
            print('only stock: %s (%s): %s' % (name, how, reasons[name]))
        else:
            print('ONLY STOCK: %s (%s), no reason in explained.txt' % (name, how))
            bad.append(name)
    for name in sorted(reasons):
        if name not in known:
            print('STALE: explained.txt names %s, which is no test' % name)
            bad.append(name)
        elif name in names and name not in kinds['only stock']:
            print('STALE: explained.txt names %s, which is not only stock\'s' % name)
            bad.append(name)
    for name in kinds['only ours']:
        print('only ours: %s (%s with stock)' % (name, ledger.verdict('stock', name)))
    if everything:
        for name in kinds['failed by both']:
            print('failed by both: %s' % name)
    flaky = [name for name in names if any(
        ledger.verdict(s, name) == 'pass' and set(ledger.tries[s][name]) & {'fail', 'crash', 'timeout'}
        for s in SIDES)]
    for name in flaky:
        print('flaky: %s (stock: %s; ours: %s)' % (
            name, *(' '.join(ledger.tries[s][name]) for s in SIDES)))

    print('\n%-40s %6s' % ('Node\'s own tests', 'tests'))
    for kind in ('passed by both', 'failed by both', 'only stock', 'only ours',
                 'skipped by itself with both', 'left out by upstream for this system'):
        extra = ''
        if kind == 'only stock' and kinds[kind]:
            extra = '  (%d with a reason)' % sum(name in reasons for name in kinds[kind])
        print('%-40s %6d%s' % (kind, len(kinds[kind]), extra))
    print('%-40s %6d' % ('in all', len(names)))
    return not bad


def digest(path):
    return hashlib.sha256(open(path, 'rb').read()).hexdigest()


def main():
    args = parse_arguments()
    start = time.monotonic()
    stock = os.path.join(args.stock, 'bin/node')
    known = list_tests(args.tree)
    names = choose(args, known)
    if args.list:
        print('\n'.join(names))
        return
    key = hashlib.sha256(repr([digest(stock), digest(args.ours), sorted(args.env)]).encode())
    folder = os.path.join(args.results, key.hexdigest()[:16])
    if args.again:
        shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, exist_ok=True)
    ledger = Ledger(folder)
    way = isolated()
    sides = [Side('stock', stock, args, way), Side('ours', args.ours, args, way)]
    build_addons(args, {name.split('/')[0] for name in names})

    def out_of_time():
        return time.monotonic() - start > args.seconds

    left = [name for name in names if not ledger.done(name)]
    print('%d tests, %d of them to run, results in %s' % (len(names), len(left), folder), flush=True)
    # Chunks take their tests from all over the list, so that each takes about
    # as long as the others.
    size = 100 * args.j
    count = max(1, -(-len(left) // size))
    for n in range(count):
        if out_of_time():
            print('out of time')
            sys.exit(75)
        chunk = left[n::count]
        if chunk:
            run(sides, chunk, args.j, ledger)
            print('%4d s: %d of %d done, %d differ so far' % (
                time.monotonic() - start, min((n + 1) * size, len(left)), len(left),
                sum(differs(ledger, name) for name in names if ledger.done(name))), flush=True)

    # What only one of them passed gets up to two more tries, each alone.
    for name in names:
        while differs(ledger, name) and len(ledger.tries['ours'][name]) < 3:
            if out_of_time():
                print('out of time')
                sys.exit(75)
            for side in sides:
                run([side], [name], 1, ledger)

    ok = report(names, ledger, set(known), bool(args.names) or not args.sample)
    print('took %.0f s' % (time.monotonic() - start))
    sys.exit(0 if ok else 1)


main()
