# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Whether table.py sees what it is there to see. Run by test/integration.

import collections
import os
import tempfile

from table import Ledger, complaints, differs, is_flaky, kind_of, read_reasons

for stock, ours, kind in (
        ('pass', 'pass', 'passed by both'),
        ('pass', 'fail', 'only stock'),
        ('pass', 'crash', 'only stock'),
        ('pass', 'timeout', 'only stock'),
        ('pass', 'skip', 'only stock'),
        ('pass', 'not run', 'only stock'),
        ('skip', 'fail', 'only stock'),
        ('skip', 'skip', 'skips itself with both'),
        ('skip', 'pass', 'only ours'),
        ('fail', 'pass', 'only ours'),
        ('fail', 'skip', 'only ours'),
        ('fail', 'fail', 'failed by both'),
        ('fail', 'crash', 'failed by both'),
        ('not run', 'not run', 'left out by upstream here')):
    assert kind_of(stock, ours) == kind, (stock, ours, kind_of(stock, ours))

kinds = collections.defaultdict(list, {'only stock': ['a', 'b'], 'passed by both': ['c']})
known = {'a', 'b', 'c', 'd'}
names = {'a', 'b', 'c'}


def wrong(reasons):
    return [name for name, _ in complaints(kinds, names, reasons, known)]


assert wrong({'a': 'why', 'b': 'why'}) == []
assert wrong({'a': 'why'}) == ['b']                             # no reason
assert wrong({'a': 'why', 'b': 'why', 'c': 'why'}) == ['c']     # passes now
assert wrong({'a': 'why', 'b': 'why', 'd': 'why'}) == []        # not in this run
assert wrong({'a': 'why', 'b': 'why', 'e': 'why'}) == ['e']     # no such test

assert is_flaky(['fail', 'pass']) and is_flaky(['timeout', 'fail', 'pass'])
assert not is_flaky(['pass']) and not is_flaky(['fail', 'fail', 'fail'])

with tempfile.TemporaryDirectory() as folder:
    ledger = Ledger(folder)
    ledger.add('stock', {'a/b': ('pass', 1, []), 'c': ('fail', 1, ['said'])})
    assert not ledger.done('a/b')
    ledger.add('ours', {'a/b': ('fail', 1, ['said']), 'c': ('fail', 1, [])})
    assert ledger.done('a/b') and differs(ledger, 'a/b') and not differs(ledger, 'c')
    ledger.add('ours', {'a/b': ('pass', 1, [])})
    again = Ledger(folder)  # Another run continues with what this one wrote.
    assert again.tries['ours']['a/b'] == ['fail', 'pass'] and not differs(again, 'a/b')
    assert open(os.path.join(folder, 'failures/ours/a/b.txt')).read() == 'said\n'
    again.forget(['a/b'])
    assert not again.done('a/b') and again.done('c')
    assert not Ledger(folder).done('a/b') and Ledger(folder).done('c')
    path = os.path.join(folder, 'reasons')
    with open(path, 'w') as out:
        out.write('# a comment\n\na/b because it is so\nc\n')
    try:
        read_reasons(path)
        raise AssertionError('a test without a reason is taken')
    except SystemExit:
        pass
print('ok')
