# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Runs Node's own tests with both binaries side by side and compares. Called by
# run.sh. Every result is written down at once, so that a run that was stopped
# continues where it was.

import argparse
import hashlib
import os
import sys
import time

import names as tests
from side import Side, build_addons, isolated, plain
from table import Ledger, differs, report


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
                        help='forget what earlier runs of these tests gave')
    parser.add_argument('-j', type=int, default=1, metavar='N',
                        help='N tests at once with each of the two (default 1)')
    parser.add_argument('--list', action='store_true', help='name the tests, run none')
    parser.add_argument('--env', action='append', default=[], metavar='NAME=VALUE',
                        help='for our binary only, such as VIGIL=on')
    parser.add_argument('names', nargs='*', help='only these tests, such as parallel/test-assert')
    return parser.parse_args()


def run(sides, names, jobs, ledger):
    for side in sides:
        side.start(names, jobs, ledger.folder)
    for side in sides:
        results = side.finish()
        wanted = {name: results.get(plain(name), ['not run', 0, ['upstream\'s runner left it out']])
                  for name in names}
        ledger.add(side.name, wanted)


def digest(path):
    return hashlib.sha256(open(path, 'rb').read()).hexdigest()


def main():
    args = parse_arguments()
    start = time.monotonic()
    stock = os.path.join(args.stock, 'bin/node')
    known = tests.list_tests(args.tree)
    names = tests.choose(args, known)
    if args.list:
        print('\n'.join(names))
        return
    key = hashlib.sha256(repr([digest(stock), digest(args.ours), sorted(args.env)]).encode())
    folder = os.path.join(args.results, key.hexdigest()[:16])
    os.makedirs(folder, exist_ok=True)
    ledger = Ledger(folder)
    if args.again:
        ledger.forget(names)
    way = isolated(folder)
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

    ok = report(names, ledger, set(known))
    print('took %.0f s' % (time.monotonic() - start))
    sys.exit(0 if ok else 1)


main()
