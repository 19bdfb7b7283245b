#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes ninja compile V8 and Node in unity chunks.

usage: unity.py OUT

Headers dominate the compile time: 24 files of one folder cost little more
than one. After configure this rewrites gyp's ninja files so that the sources
of one folder compile CHUNK at a time through a generated .cc that includes
them; the archive steps then name the chunk's object instead of theirs.
Nothing upstream is touched. Files named in unity-single.txt clash with their
neighbours and stay single. Files are dealt to chunks before those are taken
out, so that a new exception leaves every other chunk as it was.
"""
import os
import re
import sys

V8 = 'tools/v8_gypfiles/'
# Target: files per chunk.
TARGETS = {V8 + 'v8_base_without_compiler': 24, V8 + 'v8_compiler': 24,
           V8 + 'v8_initializers': 24, V8 + 'v8_initializers_slow': 24,
           V8 + 'v8_libbase': 24, V8 + 'v8_libplatform': 24, 'node_base': 10}
EDGE = re.compile(r'build (\S+\.o): (cxx) (\S+)(?: \|\| (.*))?$')


def write_if_changed(path, text):
    """Keeps the time of an unchanged file: ninja and ccache look at it."""
    if os.path.exists(path):
        with open(path) as f:
            if f.read() == text:
                return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as f:
        f.write(text)


def compile_edges(lines):
    """Splits a ninja file: compile edges without variables, and the rest."""
    edges, rest = [], []
    for i, line in enumerate(lines):
        m = EDGE.match(re.sub(r'\s+', ' ', line))
        has_variables = i + 1 < len(lines) and lines[i + 1].startswith('  ')
        if m and not has_variables:
            edges.append(m.groups())
        else:
            rest.append(line)
    return edges, rest


def chunks_of(files, size):
    count = max(1, -(-len(files) // size))
    for k in range(count):
        yield k, files[k * len(files) // count:(k + 1) * len(files) // count]


def unit_text(target, sources, base):
    """A chunk. Each file of Node's defines a static `_module`: rename them."""
    for i, src in enumerate(sources):
        include = f'#include "{os.path.relpath(src, base)}"\n'
        if target == 'node_base':
            include = f'#define _module _module_{i}\n{include}#undef _module\n'
        yield include


def rewrite(out, target, size, single):
    path = f'{out}/obj/{target}.ninja'
    with open(path) as f:
        lines = f.read().replace('$\n', '').splitlines()
    edges, rest = compile_edges(lines)
    folders = {}
    for obj, _, src, order in edges:
        folders.setdefault((os.path.dirname(src), order), []).append((obj, src))
    replaced, steps = {}, []
    for (folder, order), files in folders.items():
        after = f' || {order}' if order else ''
        slug = re.sub(r'[^A-Za-z0-9]+', '_', folder.replace('../../', '')).strip('_')
        for k, chunk in chunks_of(files, size):
            alone = [f for f in chunk if any(p.search(f[1]) for p in single)]
            together = [f for f in chunk if f not in alone]
            if len(together) == 1:
                alone, together = alone + together, []
            for obj, src in alone:
                steps.append(f'build {obj}: cxx {src}{after}')
            if not together:
                continue
            name = f'unity/{os.path.basename(target)}/{slug}_{k}'
            unit, unit_obj = f'gen/{name}.cc', f'obj/{name}.o'
            base = os.path.dirname(f'{out}/{unit}')
            sources = [os.path.join(out, src) for _, src in together]
            write_if_changed(f'{out}/{unit}',
                             ''.join(unit_text(target, sources, base)))
            steps.append(f'build {unit_obj}: cxx {unit}{after}')
            replaced.update((obj, unit_obj) for obj, _ in together)
    result = []
    for line in rest:
        if line.startswith('build ') and '.o' in line:
            words = (replaced.get(w, w) for w in line.split(' '))
            line = ' '.join(dict.fromkeys(words))
        result.append(line)
    with open(path, 'w') as f:
        f.write('\n'.join(result + [''] + steps) + '\n')
    return len(edges), len(steps)


def main():
    out = sys.argv[1]
    listed = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          'unity-single.txt')
    with open(listed) as f:
        single = [re.compile(re.escape(name) + '$')
                  for name in f.read().split('\n')
                  if name and not name.startswith('#')]
    before = after = 0
    for target, size in TARGETS.items():
        b, a = rewrite(out, target, size, single)
        before, after = before + b, after + a
    print(f'  V8 and Node: {before} compile steps become {after}')


if __name__ == '__main__':
    main()
