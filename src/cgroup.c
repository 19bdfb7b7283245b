/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "cgroup.h"

#include "cgroup_find.h"
#include "clock.h"
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

/* What the kernel gives as v1's "no limit", whatever its page size: close to
 * INT64_MAX. */
#define NO_LIMIT_V1 (UINT64_C(1) << 62)

static void close_chain(struct vigil__cgroup_chain* chain) {
  while (chain->levels > 0) {
    struct vigil__cgroup_level* l = &chain->level[--chain->levels];

    vigil__os.close(l->dir);
    if (l->stat >= 0)
      vigil__os.close(l->stat);
  }
  chain->version = 0;
}

/* 0, or -errno: then the chain is empty. */
static int open_chain(struct vigil__cgroup_chain* chain,
                      const char* root,
                      pid_t pid,
                      const char* controller,
                      bool with_stat) {
  struct vigil__cgroup_place place;
  size_t len;
  int r = vigil__cgroup_find(root, pid, controller, &place);

  if (r < 0)
    return r;
  chain->version = place.version;
  len = strlen(place.path);
  while (chain->levels < VIGIL__CGROUP_LEVELS) {
    struct vigil__cgroup_level* l = &chain->level[chain->levels];

    place.path[len] = '\0';
    l->dir = vigil__os.openat(AT_FDCWD, place.path,
                              O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (l->dir < 0) {
      r = l->dir;
      break;
    }
    chain->levels++;
    l->stat = -1;
    if (with_stat) {
      /* A kernel without CPU limits has no such file. */
      r = vigil__os.openat(l->dir, "cpu.stat", O_RDONLY | O_CLOEXEC, 0);
      if (r < 0 && r != -ENOENT)
        break;
      l->stat = r < 0 ? -1 : r;
    }
    r = 0;
    if (len <= place.mount_len)
      break;
    do
      len--;
    while (len > place.mount_len && place.path[len] != '/');
  }
  if (r < 0)
    close_chain(chain);
  return r;
}

void vigil__cgroup_open(struct vigil__cgroup* c,
                        const char* root,
                        pid_t pid,
                        struct vigil__missing* missing) {
  int r;

  memset(c, 0, sizeof(*c));
  r = open_chain(&c->cpu, root, pid, "cpu", true);
  if (r < 0)
    vigil__missing_say(missing, VIGIL__MISSING_CPU_CGROUP,
                       "cgroup: whether a CPU limit holds this process back",
                       r);
  r = open_chain(&c->memory, root, pid, "memory", false);
  if (r < 0)
    vigil__missing_say(missing, VIGIL__MISSING_MEMORY_CGROUP,
                       "cgroup: how much memory this process may use", r);
}

void vigil__cgroup_close(struct vigil__cgroup* c) {
  close_chain(&c->cpu);
  close_chain(&c->memory);
}

/* Sets `most` to the growth since the last call where that is more. */
static void grow(uint64_t now, uint64_t* last, uint64_t* most) {
  const uint64_t growth = now > *last ? now - *last : 0;

  *last = now;
  if (growth > *most)
    *most = growth;
}

int vigil__cgroup_read_cpu(struct vigil__cgroup* c,
                           struct vigil__cgroup_cpu* cpu) {
  struct vigil__cgroup_cpu most = { 0 };
  char buf[4096];
  unsigned i;

  if (c->cpu.version == 0)
    return -ENODATA;
  for (i = 0; i < c->cpu.levels; i++) {
    struct vigil__cgroup_level* l = &c->cpu.level[i];
    uint64_t periods;
    uint64_t throttled;
    uint64_t time;

    if (l->stat < 0)
      continue;
    if (vigil__procfs_read(l->stat, buf, sizeof(buf)) < 0)
      return -ENODATA;
    /* v2 leaves them out where its CPU controller is not in use. */
    if (!vigil__procfs_key(buf, "nr_periods", &periods) ||
        !vigil__procfs_key(buf, "nr_throttled", &throttled))
      continue;
    if (vigil__procfs_key(buf, "throttled_usec", &time))
      time = time < UINT64_MAX / VIGIL__US ? time * VIGIL__US : UINT64_MAX;
    else if (!vigil__procfs_key(buf, "throttled_time", &time))
      continue;
    grow(periods, &l->periods, &most.periods);
    grow(throttled, &l->throttled, &most.throttled);
    grow(time, &l->throttled_ns, &most.throttled_ns);
  }
  c->total.periods += most.periods;
  c->total.throttled += most.throttled;
  c->total.throttled_ns += most.throttled_ns;
  *cpu = c->total;
  return 0;
}

/* Reads a small file of a level. */
static ssize_t read_at(int dir, const char* name, char* buf, size_t size) {
  const int fd = vigil__os.openat(dir, name, O_RDONLY | O_CLOEXEC, 0);
  ssize_t n;

  if (fd < 0)
    return fd;
  n = vigil__procfs_read(fd, buf, size);
  vigil__os.close(fd);
  return n;
}

/* One number; "max" and v1's -1 become UINT64_MAX. 0 or -errno. */
static int number_at(int dir, const char* name, uint64_t* value) {
  char buf[64];
  const char* s = buf;
  const ssize_t n = read_at(dir, name, buf, sizeof(buf));

  if (n < 0)
    return (int) n;
  if (strncmp(s, "max", 3) == 0 || *s == '-') {
    *value = UINT64_MAX;
    return 0;
  }
  return vigil__procfs_u64(&s, value) ? 0 : -EINVAL;
}

/* In microseconds; quota UINT64_MAX: none. 0 or -errno. */
static int quota_at(int version, int dir, uint64_t* quota, uint64_t* period) {
  char buf[64];
  const char* s = buf;
  ssize_t n;
  int r;

  if (version == 1) {
    r = number_at(dir, "cpu.cfs_quota_us", quota);
    return r < 0 ? r : number_at(dir, "cpu.cfs_period_us", period);
  }
  n = read_at(dir, "cpu.max", buf, sizeof(buf));
  if (n < 0)
    return (int) n;
  *quota = UINT64_MAX;
  if (strncmp(s, "max", 3) == 0)
    s += 3;
  else if (!vigil__procfs_u64(&s, quota))
    return -EINVAL;
  return vigil__procfs_u64(&s, period) ? 0 : -EINVAL;
}

int vigil__cgroup_read_quota(const struct vigil__cgroup* c,
                             uint64_t* quota_ns,
                             uint64_t* period_ns) {
  double least = -1;
  unsigned i;

  *quota_ns = 0;
  *period_ns = 0;
  if (c->cpu.version == 0)
    return -ENODATA;
  for (i = 0; i < c->cpu.levels; i++) {
    uint64_t quota;
    uint64_t period;
    double cpus;
    const int r = quota_at(c->cpu.version, c->cpu.level[i].dir, &quota,
                           &period);

    /* Neither the root of v2, nor a kernel without limits, has the files. */
    if (r == -ENOENT)
      continue;
    if (r < 0)
      return -ENODATA;
    if (quota >= UINT64_MAX / VIGIL__US || period == 0 ||
        period >= UINT64_MAX / VIGIL__US)
      continue;
    cpus = (double) quota / (double) period;
    if (least >= 0 && cpus >= least)
      continue;
    least = cpus;
    *quota_ns = quota * VIGIL__US;
    *period_ns = period * VIGIL__US;
  }
  return 0;
}

int vigil__cgroup_read_memory(const struct vigil__cgroup* c,
                              struct vigil__cgroup_memory* memory) {
  const bool v1 = c->memory.version == 1;
  uint64_t least = UINT64_MAX;
  bool found = false;
  char buf[8192];
  unsigned i;

  memset(memory, 0, sizeof(*memory));
  memory->limit = UINT64_MAX;
  if (c->memory.version == 0)
    return -ENODATA;
  for (i = 0; i < c->memory.levels; i++) {
    const int dir = c->memory.level[i].dir;
    struct vigil__cgroup_memory m = { 0 };
    uint64_t used;
    uint64_t room;
    int r = number_at(dir, v1 ? "memory.limit_in_bytes" : "memory.max",
                      &m.limit);

    if (r == 0)
      r = number_at(dir, v1 ? "memory.usage_in_bytes" : "memory.current",
                    &m.current);
    /* The root of v2 has neither, nor has a group without the controller. */
    if (r == -ENOENT)
      continue;
    if (r < 0)
      return -ENODATA;
    if (m.limit >= NO_LIMIT_V1)
      m.limit = UINT64_MAX;
    if (read_at(dir, "memory.stat", buf, sizeof(buf)) >= 0) {
      uint64_t file = 0;

      if (vigil__procfs_key(buf, v1 ? "total_inactive_file" : "inactive_file",
                            &file))
        m.reclaimable = file;
      if (vigil__procfs_key(buf, v1 ? "total_active_file" : "active_file",
                            &file))
        m.reclaimable += file;
    }
    if (m.reclaimable > m.current)
      m.reclaimable = m.current;
    used = m.current - m.reclaimable;
    room = m.limit == UINT64_MAX ? UINT64_MAX
         : m.limit > used ? m.limit - used : 0;
    if (found && room >= least)
      continue;
    found = true;
    least = room;
    *memory = m;
  }
  return 0;
}
