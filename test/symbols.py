#!/usr/bin/env python3
# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
"""Compares the dynamic symbols that the official binary and ours export.

usage: symbols.py [--markdown | --missing] OFFICIAL OURS

Native add-ons link against what the node binary exports. Each name that the
official one exports and ours lacks must be explained by a line of
symbols-explained.txt, and no line may be left over. What the shipped headers
declare is for add-ons to use: that is not explained away, except by "version:"
or "abstract:". The first word of a reason is checked:

  version:   names the two versions
  abstract:  the complete constructor (C1) of a class that can only be a base;
             ours exports the base constructor (C2), which add-ons call
  inline:    weak in the official binary: an inline function or a template,
             of which an add-on that uses it carries its own copy
  internal:  no shipped header declares it

Prints what is wrong and exits with 1, or prints the counts.
"""
import collections
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
IDENTIFIER = re.compile(r'[A-Za-z_]\w*')
# Of C++ names: what of these namespaces is not public although it is exported.
PRIVATE_V8 = re.compile(r'v8::(internal|base|bigint|debug|platform|sampler|tracing|heap)\b')


def exported(binary):
    """{name: nm's letter for its type}"""
    out = subprocess.run(['nm', '-D', '--defined-only', '--format=posix', binary],
                         check=True, capture_output=True, text=True).stdout
    rows = (line.split() for line in out.splitlines())
    return {row[0].split('@')[0]: row[1] for row in rows}


def demangled(names):
    names = list(names)
    out = subprocess.run(['c++filt'], input='\n'.join(names) + '\n', check=True,
                         capture_output=True, text=True).stdout.splitlines()
    return dict(zip(names, out))


def elsewhere(binary):
    """What the shared libraries export that the binary loads anyway."""
    out = subprocess.run(['ldd', binary], check=True, capture_output=True, text=True).stdout
    found = {}
    for path in re.findall(r'/\S+(?= \(0x)', out):
        found.update(exported(path))
    return found


class Headers:
    """Names that the shipped headers mention."""

    def __init__(self, folder):
        self.c, self.v8, self.node = set(), set(), set()
        for path, _, files in os.walk(folder):
            for name in files:
                part = os.path.relpath(os.path.join(path, name), folder)
                with open(os.path.join(path, name), errors='replace') as f:
                    text = f.read()
                if re.match(r'(openssl/|uv/|uv\.h|zlib\.h|zconf\.h|node_api|js_native_api)', part):
                    self.c |= set(IDENTIFIER.findall(text))
                elif re.match(r'(v8|cppgc/|libplatform/)', part):
                    self.v8 |= set(IDENTIFIER.findall(text))
                elif part.startswith('node'):
                    self.node |= set(re.findall(r'class NODE_EXTERN (\w+)', text))
                    self.node |= set(re.findall(r'NODE_EXTERN\s[^;{]*?(\w+)\(', text))

    def declare(self, name, plain):
        """Whether an add-on may use `name`, whose C++ name is `plain`."""
        if not name.startswith('_Z'):
            return name in self.c or bool(re.match(r'(uv_|napi_|node_api)', name))
        if re.match(r'(vtable|typeinfo|typeinfo name|guard variable|VTT|non-virtual thunk|virtual thunk)', plain):
            plain = plain.split(' for ')[-1].split(' to ')[-1]
        qualified = plain.split('(')[0]
        if '<' in qualified or '[abi:' in qualified:
            return False    # instantiated in the add-on itself
        qualified = qualified.split(' ')[-1]
        parts = [part.lstrip('~') for part in qualified.split('::')]
        if parts[0] == 'node':
            return len(parts) > 1 and parts[1] in self.node
        if parts[0] not in ('v8', 'cppgc') or PRIVATE_V8.match(qualified):
            return False
        # Every part of the name is in a header: v8, Isolate, GetCurrent.
        return all(part in self.v8 for part in parts)


def explanations(path):
    """[number, pattern, reason]; a line is PATTERN, white space, REASON."""
    rows = []
    with open(path) as f:
        for number, line in enumerate(f, 1):
            if line.strip() and not line.startswith('#'):
                pattern, reason = line.rstrip('\n').split('\t', 1)
                rows.append((number, re.compile(pattern), reason.strip()))
    return rows


def holds(reason, name, public, official, ours):
    """Whether what the first word of `reason` claims is true of `name`."""
    kind = reason.split(':')[0]
    if kind == 'version':
        return bool(re.match(r'version: .*\d+\.\d+.*\d+\.\d+', reason))
    if kind == 'abstract':
        return re.sub(r'C1(E|I)', r'C2\1', name) in ours and 'C1' in name
    if kind == 'inline':
        return not public and official[name] in 'WVu'
    return kind == 'internal' and not public


def main():
    args = [a for a in sys.argv[1:] if not a.startswith('--')]
    if len(args) != 2:
        sys.exit(__doc__)
    official, ours = exported(args[0]), exported(args[1])
    absent = official.keys() - ours.keys()
    missing = sorted(absent - elsewhere(args[1]).keys())
    plain = demangled(missing)
    if '--missing' in sys.argv:
        for name in missing:
            print(official[name], name, plain[name], sep='\t')
        return 0
    include = os.path.join(os.path.dirname(args[0]), '..', 'include', 'node')
    headers = Headers(include)
    rows = explanations(os.path.join(HERE, 'symbols-explained.txt'))
    used, wrong = collections.Counter(), []
    for name in missing:
        public = headers.declare(name, plain[name])
        row = next((r for r in rows if r[1].search(plain[name]) and
                    holds(r[2], name, public, official, ours)), None)
        if row is None:
            wrong.append(f'not exported by ours{" but public" * public}: '
                         f'{official[name]} {name} {plain[name]}')
        else:
            used[row[0]] += 1
    wrong += [f'line {number} of symbols-explained.txt explains nothing: {pattern.pattern}'
              for number, pattern, _ in rows if not used[number]]
    if '--markdown' in sys.argv:
        print(f'The official binary exports {len(official)} names, ours {len(ours)}. Of the\n'
              f'official ones ours lacks {len(absent)}; {len(absent) - len(missing)} of these come from\n'
              f'glibc or libstdc++ instead, and {len(missing)} are not there:\n\n| names | what | why |\n|---|---|---|')
        for number, pattern, reason in rows:
            text = pattern.pattern.replace('|', '\\|')
            print(f'| {used[number]} | `{text}` | {reason} |')
    else:
        print(f'{len(official)} names official, {len(ours)} ours, {len(absent)} missing: '
              f'{len(absent) - len(missing)} from glibc and libstdc++ instead, {sum(used.values())} explained by {len(rows)} lines')
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
