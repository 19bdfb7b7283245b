/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "modules.h"

#include <link.h>
#include <string.h>

struct refresh {
  struct vigil__modules* to;
  bool begun;
};

/* Offset of a copy of `path`; that of "" when there is no room. */
static uint32_t add_path(struct vigil__modules* m, const char* path) {
  const size_t size = strlen(path) + 1;
  const uint32_t at = m->paths_len;

  if (size > VIGIL__MODULES_PATHS - m->paths_len)
    return 0;
  memcpy(m->paths + at, path, size);
  m->paths_len += (uint32_t) size;
  return at;
}

/* Keeps the order. */
static void add_range(struct vigil__modules* m,
                      const struct vigil__module* module) {
  uint32_t i;

  if (m->count == VIGIL__MODULES_MAX) {
    m->dropped++;
    return;
  }
  for (i = m->count++; i > 0 && m->module[i - 1].lo > module->lo; i--)
    m->module[i] = m->module[i - 1];
  m->module[i] = *module;
}

static int each(struct dl_phdr_info* info, size_t size, void* arg) {
  struct refresh* r = arg;
  struct vigil__modules* m = r->to;
  struct vigil__module module = { .bias = info->dlpi_addr };
  bool has_code = false;
  unsigned i;

  if (size < offsetof(struct dl_phdr_info, dlpi_subs) +
             sizeof(info->dlpi_subs))
    return 1;
  if (!r->begun) {
    if (m->paths_len != 0 && m->adds == info->dlpi_adds &&
        m->subs == info->dlpi_subs)
      return 1;
    memset(m, 0, offsetof(struct vigil__modules, paths));
    m->paths[0] = '\0';
    m->paths_len = 1;
    m->adds = info->dlpi_adds;
    m->subs = info->dlpi_subs;
    r->begun = true;
  }
  for (i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr)* p = &info->dlpi_phdr[i];

    if (p->p_type == PT_GNU_EH_FRAME) {
      module.eh_frame_hdr = info->dlpi_addr + p->p_vaddr;
      module.eh_frame_hdr_len = p->p_memsz;
    }
    has_code |= p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0;
  }
  if (!has_code)
    return 0;
  module.path = add_path(m, info->dlpi_name == NULL ? "" : info->dlpi_name);
  for (i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr)* p = &info->dlpi_phdr[i];

    if (p->p_type != PT_LOAD || (p->p_flags & PF_X) == 0)
      continue;
    module.lo = info->dlpi_addr + p->p_vaddr;
    module.hi = module.lo + p->p_memsz;
    add_range(m, &module);
  }
  return 0;
}

bool vigil__modules_refresh(struct vigil__modules* m) {
  struct refresh r = { .to = m };

  dl_iterate_phdr(each, &r);
  return r.begun;
}

const struct vigil__module* vigil__modules_find(
    const struct vigil__modules* m,
    uint64_t pc) {
  uint32_t low = 0;
  uint32_t high = m->count;

  /* The first that begins after pc. */
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;

    if (m->module[middle].lo <= pc)
      low = middle + 1;
    else
      high = middle;
  }
  return low > 0 && pc < m->module[low - 1].hi ? &m->module[low - 1] : NULL;
}

const char* vigil__modules_path(const struct vigil__modules* m,
                                const struct vigil__module* module) {
  return m->paths + module->path;
}
