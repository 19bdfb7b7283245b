# Copyright Node Vigil contributors.
# SPDX-License-Identifier: MIT
{
  'targets': [
    { 'target_name': 'napi', 'sources': ['napi.c'] },
    { 'target_name': 'classic', 'sources': ['classic.cc'] },
    { 'target_name': 'inside', 'sources': ['inside.c'] },
  ],
}
