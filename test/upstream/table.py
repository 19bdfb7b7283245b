# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Results as they are kept, and what they say about the two binaries.

import collections
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SIDES = ('stock', 'ours')
SAME = {'pass': 'passed by both', 'skip': 'skips itself with both',
        'not run': 'left out by upstream here'}


class Ledger:
    """results.tsv: side, name, outcome, ms; one line a result."""

    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, 'results.tsv')
        self.tries = {side: collections.defaultdict(list) for side in SIDES}
        if os.path.exists(self.path):
            for line in open(self.path):
                side, name, outcome, _ = line.rstrip('\n').split('\t')
                self.tries[side][name].append(outcome)

    def forget(self, names):
        forgotten = set(names)
        if os.path.exists(self.path):
            with open(self.path) as lines:
                kept = [line for line in lines if line.split('\t')[1] not in forgotten]
            with open(self.path + '.new', 'w') as out:
                out.writelines(kept)
            os.replace(self.path + '.new', self.path)
        for side in SIDES:
            for name in forgotten:
                self.tries[side].pop(name, None)

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


def differs(ledger, name):
    return ledger.verdict('stock', name) != ledger.verdict('ours', name)


def read_reasons(path):
    """explained.txt: a test and why it passes with the official binary only."""
    reasons = {}
    with open(path) as lines:
        for line in lines:
            name, _, reason = line.strip().partition(' ')
            if not name or name.startswith('#'):
                continue
            if not reason.strip():
                sys.exit('upstream: %s gives no reason for %s' % (path, name))
            reasons[name] = reason.strip()
    return reasons


def kind_of(stock, ours):
    """Which row of the table two outcomes belong to."""
    if stock == ours and stock in SAME:
        return SAME[stock]
    # A test that skips itself with one of the two has found a difference, too.
    if stock == 'pass' or (stock == 'skip' and ours != 'pass'):
        return 'only stock'
    if ours in ('pass', 'skip'):
        return 'only ours'
    return 'failed by both'


def complaints(kinds, names, reasons, known):
    """What makes the run fail: (test, what is wrong)."""
    found = [(name, 'passes with stock only, and explained.txt has no reason')
             for name in kinds['only stock'] if name not in reasons]
    for name in sorted(reasons):
        if name not in known:
            found.append((name, 'is in explained.txt and is no test'))
        elif name in names and name not in kinds['only stock']:
            found.append((name, 'is in explained.txt and is not only stock\'s'))
    return found


def is_flaky(tries):
    return 'pass' in tries and bool(set(tries) & {'fail', 'crash', 'timeout', 'not run'})


def report(names, ledger, known):
    """Prints all that is worth knowing; whether all is well."""
    kinds = collections.defaultdict(list)
    for name in names:
        kinds[kind_of(*(ledger.verdict(side, name) for side in SIDES))].append(name)
    reasons = read_reasons(os.path.join(HERE, 'explained.txt'))

    def both(name):
        return 'stock: %s; ours: %s' % tuple(' '.join(ledger.tries[s][name]) for s in SIDES)

    for name in kinds['failed by both'] + kinds['only ours']:
        print('%s: %s (%s)' % (kind_of(*(ledger.verdict(s, name) for s in SIDES)), name, both(name)))
    for name in names:
        if any(is_flaky(ledger.tries[side][name]) for side in SIDES):
            print('flaky: %s (%s)' % (name, both(name)))
    for name in kinds['only stock']:
        print('only stock: %s (%s): %s' % (name, both(name), reasons.get(name, 'NO REASON')))
    wrong = complaints(kinds, set(names), reasons, known)
    for name, what in wrong:
        print('WRONG: %s %s' % (name, what))

    print('\n%-40s %6s' % ('Node\'s own tests', 'tests'))
    for kind in ('passed by both', 'failed by both', 'only stock', 'only ours',
                 'skips itself with both', 'left out by upstream here'):
        print('%-40s %6d' % (kind, len(kinds[kind])))
    print('%-40s %6d' % ('in all', len(names)))
    return not wrong
