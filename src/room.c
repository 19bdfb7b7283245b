/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "room.h"

#include "os.h"
#include "procfs.h"

#define MB (UINT64_C(1) << 20)

/* That a small heap's snapshot needs, too: strings, buffers, tables. */
#define FIXED (48 * MB)

static uint64_t less_reserve(uint64_t left, uint64_t total) {
  const uint64_t reserve = total / 20 > 32 * MB ? total / 20 : 32 * MB;

  return left > reserve ? left - reserve : 0;
}

void vigil__room_read(struct vigil__room* room,
                      const struct vigil__cgroup* c,
                      const char* root) {
  const int fd = vigil__procfs_open(root, "/proc/meminfo");
  struct vigil__cgroup_memory m;
  uint64_t available = 0;
  uint64_t total = 0;
  uint64_t used;
  uint64_t left;
  char buf[4096];

  room->bytes = UINT64_MAX;
  room->of = "nobody knows of";
  if (fd >= 0) {
    if (vigil__procfs_read(fd, buf, sizeof(buf)) > 0 &&
        vigil__procfs_key(buf, "MemAvailable", &available) &&
        vigil__procfs_key(buf, "MemTotal", &total)) {
      room->bytes = less_reserve(available * 1024, total * 1024);
      room->of = "the machine";
    }
    vigil__os.close(fd);
  }
  if (vigil__cgroup_read_memory(c, &m) != 0 || m.limit == UINT64_MAX)
    return;
  used = m.current - m.reclaimable;
  left = less_reserve(m.limit > used ? m.limit - used : 0, m.limit);
  if (left < room->bytes) {
    room->bytes = left;
    room->of = "its cgroup";
  }
}

uint64_t vigil__room_need(const struct vigil__room_learnt* l, uint64_t heap) {
  const uint64_t permille =
      l->permille != 0 ? l->permille : VIGIL__ROOM_FIRST_PERMILLE;

  return FIXED + heap / 1000 * permille;
}

static uint64_t permille_of(uint64_t heap, uint64_t bytes) {
  return (bytes > FIXED ? bytes - FIXED : 0) / (heap / 1000);
}

void vigil__room_learn(struct vigil__room_learnt* l,
                       uint64_t heap,
                       uint64_t own) {
  uint64_t permille;

  if (heap < MB || own == 0)
    return;
  permille = permille_of(heap, own);
  /* Up at once, down slowly; always some more than was seen. */
  permille += permille / 4 + 100;
  if (l->permille > permille)
    permille = l->permille - (l->permille - permille) / 8;
  l->permille = permille;
}

void vigil__room_too_little(struct vigil__room_learnt* l,
                            uint64_t heap,
                            uint64_t had) {
  uint64_t permille;

  if (heap < MB)
    return;
  permille = permille_of(heap, had);
  permille += permille / 4 + 100;
  if (permille > l->permille)
    l->permille = permille;
}
