/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LEAK_GROUPS_H_
#define VIGIL_LEAK_GROUPS_H_

#include "leak_summary.h"
#include "leak_tree.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Puts the nodes of a heap into groups by class and path, and adds them up.
 * - Names of edges are kept; indices are not, nor the keys of an object that is
 *   used as a dictionary, nor the contents of strings and numbers.
 * - Where the last steps of a path repeat the ones before them (a list, a
 *   tree), an object goes to the group of the first time.
 * - What hangs on a group of few bytes is not told apart.
 * - All that a group has beyond VIGIL__LEAK_CHILDREN different children is one.
 *
 * 12 bytes a node and 64 a group while it works. 0, -ENOMEM, -EFBIG. Any one
 * thread. */
#define VIGIL__LEAK_CHILDREN 1024u
#define VIGIL__LEAK_TRIE 262144u        /* Groups while it works. */

int vigil__leak_groups_build(struct vigil__leak_summary* s,
                             const struct vigil__leak_graph* g,
                             const struct vigil__leak_tree* t,
                             uint32_t most);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_LEAK_GROUPS_H_ */
