#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes ninja compile V8 in unity chunks.

usage: unity.py OUT [FILES_PER_CHUNK]

Headers dominate V8's compile time: 24 files of one folder cost little more
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

TARGETS = ['v8_base_without_compiler', 'v8_compiler',
           'v8_compiler_for_mksnapshot_source_set', 'v8_initializers',
           'v8_initializers_slow', 'v8_libbase', 'v8_libplatform']
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


def rewrite(out, target, size, single):
    path = f'{out}/obj/tools/v8_gypfiles/{target}.ninja'
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
            unit = f'gen/unity/{target}/{slug}_{k}.cc'
            unit_obj = f'obj/unity/{target}/{slug}_{k}.o'
            base = os.path.dirname(f'{out}/{unit}')
            write_if_changed(f'{out}/{unit}', ''.join(
                f'#include "{os.path.relpath(os.path.join(out, s), base)}"\n'
                for _, s in together))
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
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 24
    listed = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          'unity-single.txt')
    with open(listed) as f:
        single = [re.compile(re.escape(name) + '$')
                  for name in f.read().split('\n')
                  if name and not name.startswith('#')]
    before = after = 0
    for target in TARGETS:
        b, a = rewrite(out, target, size, single)
        before, after = before + b, after + a
    print(f'  V8: {before} compile steps become {after}')


if __name__ == '__main__':
    main()
