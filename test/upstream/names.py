# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
#
# Which tests there are, and which of them are run.

import hashlib
import importlib.util
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Suites that cannot run here, with either binary.
LEFT_OUT = {
    'benchmark': 'runs benchmarks, which have their own dependencies',
    'cctest': 'C++, wants a build of its own',
    'doctool': 'tests the tools of the documentation',
    'embedding': 'C++, wants a build of its own',
    'internet': 'wants the internet',
}


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
