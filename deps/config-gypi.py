#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes config.gypi say what a user of the official binary expects.

usage: config-gypi.py CONFIG_GYPI

config.gypi becomes process.config and steers node-gyp. Ours would tell it of
folders of the build machine, of "shared" libraries that are in fact linked in,
and to build add-ons with clang's flags, which the user's gcc does not know.
"""
import ast
import json
import sys

# As the official 24.21.0 says.
FIXED = {
    'clang': 0, 'llvm_version': '0.0', 'gas_version': '2.38',
    'icu_gyp_path': 'tools/icu/icu-generic.gyp', 'icu_path': 'deps/icu-small',
    'icu_data_in': '../../deps/icu-tmp/icudt78l.dat', 'icu_endianness': 'l',
    'icu_ver_major': '78', 'icu_small': False,
}
# Switches that exist only in our build.
OURS = ('v8_enable_private_mapping_fork_optimization',)


def clean(config):
    variables = config['variables']
    for key in variables:
        if key.startswith('node_shared'):
            variables[key] = 'false' if isinstance(variables[key], str) else False
    for key, value in FIXED.items():
        if isinstance(value, bool):
            value = 'true' if value else 'false'
        variables[key] = value
    for key in OURS:
        variables.pop(key, None)
    defaults = config['target_defaults']
    defaults['include_dirs'] = []
    defaults['libraries'] = []
    defaults['cflags'] = []
    return config


def main():
    path = sys.argv[1]
    with open(path) as f:
        text = f.read()
    head = ''.join(line for line in text.splitlines(True) if line.startswith('#'))
    config = clean(ast.literal_eval(text[len(head):]))
    with open(path, 'w') as f:
        f.write(head + json.dumps(config, indent=2) + '\n')


if __name__ == '__main__':
    main()
