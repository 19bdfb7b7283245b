# Our module as one static library; node_base depends on it. Every .c and .cc
# file of this folder belongs to it, and what deps/scripts.sh has made.
{
  'targets': [
    {
      'target_name': 'vigil',
      'type': 'static_library',
      'toolsets': ['host', 'target'],
      'include_dirs': ['.', '../v8/include', '../../src'],
      'direct_dependent_settings': { 'include_dirs': ['.'] },
      'sources': ['<!@(ls *.c *.cc)', '../../../scripts/helper_script.c'],
      'cflags_c': ['-std=c11', '-D_GNU_SOURCE'],
      'cflags': ['-Wall', '-Wextra', '-Wno-unused-parameter'],
    },
  ],
}
