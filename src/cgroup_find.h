/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CGROUP_FIND_H_
#define VIGIL_CGROUP_FIND_H_

#include <sys/types.h>

/* Where the group of a controller is. */
struct vigil__cgroup_place {
  int version;          /* 1 or 2 */
  size_t mount_len;     /* `path` up to here is the root of what is mounted. */
  char path[4096];      /* PATH_MAX; with `root` in front. */
};

/* `controller` is "cpu" or "memory". 0; -ENOENT: not in a group of it, or its
 * directory cannot be seen from here; or another -errno. */
int vigil__cgroup_find(const char* root,
                       pid_t pid,
                       const char* controller,
                       struct vigil__cgroup_place* place);

#endif  /* VIGIL_CGROUP_FIND_H_ */
