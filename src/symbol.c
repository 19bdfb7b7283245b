/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "symbol.h"

#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>   /* snprintf */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>  /* readlink */

/* Of the C++ runtime; absent in a program without it. */
extern char* __cxa_demangle(const char* name, char* buf, size_t* len,
                            int* status) __attribute__((weak));

/* A longer one is left as it is: the demangler is recursive. */
#define NAME_SIZE 2048

/* What dl_iterate_phdr() tells; copied, because the module may be unloaded
 * when it has returned. */
struct found {
  uintptr_t pc;
  bool first;                   /* The next module is the program itself. */
  int error;
  uintptr_t bias;
  uintptr_t segment;            /* Where `pc` is: begin of it in the file. */
  const ElfW(Phdr)* phdr;
  bool main;
  struct vigil__symbol_id id;
  char path[PATH_MAX];
};

/* `address` is in a loaded segment with these rights, with `len` bytes. */
static const ElfW(Phdr)* segment_of(const struct dl_phdr_info* info,
                                    uintptr_t address,
                                    uint64_t len,
                                    unsigned rights) {
  unsigned i;

  for (i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr)* p = &info->dlpi_phdr[i];
    const uintptr_t offset = address - info->dlpi_addr - p->p_vaddr;

    if (p->p_type == PT_LOAD && (p->p_flags & rights) == rights &&
        offset < p->p_memsz && len <= p->p_memsz - offset)
      return p;
  }
  return NULL;
}

static int look(struct dl_phdr_info* info, size_t size, void* arg) {
  struct found* f = arg;
  const ElfW(Phdr)* segment = segment_of(info, f->pc, 1, PF_X);
  unsigned i;

  (void) size;
  f->main = f->first;
  f->first = false;
  if (segment == NULL)
    return 0;
  f->bias = info->dlpi_addr;
  f->segment = segment->p_vaddr;
  f->phdr = info->dlpi_phdr;
  f->error = 0;
  snprintf(f->path, sizeof(f->path), "%s", info->dlpi_name);
  if (info->dlpi_phnum > VIGIL__SYMBOL_PHDRS) {
    f->error = -E2BIG;
    return 1;
  }
  f->id.phdrs = info->dlpi_phnum;
  memcpy(f->id.phdr, info->dlpi_phdr,
         f->id.phdrs * sizeof(f->id.phdr[0]));
  for (i = 0; i < f->id.phdrs && f->id.build_id_len == 0; i++) {
    const ElfW(Phdr)* p = &f->id.phdr[i];

    if (p->p_type == PT_NOTE &&
        segment_of(info, f->bias + p->p_vaddr, p->p_memsz, PF_R) != NULL)
      f->id.build_id_len = vigil__symbol_build_id(
          (const uint8_t*) (f->bias + p->p_vaddr), p->p_memsz, p->p_align,
          f->id.build_id);
  }
  return 1;
}

void vigil__symbols_drop(struct vigil__symbols* s) {
  unsigned i;

  for (i = 0; i < s->count; i++)
    if (s->module[i].error == 0)
      vigil__symbol_file_close(&s->module[i].file);
  memset(s, 0, sizeof(*s));
}

/* The module's symbols, which are read once. */
static const struct vigil__symbol_module* load(struct vigil__symbols* s,
                                               const struct found* f) {
  struct vigil__symbol_module* m;
  unsigned i;

  for (i = 0; i < s->count; i++)
    if (s->module[i].bias == f->bias && s->module[i].phdr == f->phdr)
      return &s->module[i];
  if (s->count == VIGIL__SYMBOL_FILES || s->entries > VIGIL__SYMBOL_ENTRIES)
    vigil__symbols_drop(s);
  m = &s->module[s->count++];
  m->bias = f->bias;
  m->phdr = f->phdr;
  if (f->main)  /* Also when its file was replaced or deleted. */
    m->error = vigil__symbol_file_open(&m->file, "/proc/self/exe", &f->id);
  else if (f->path[0] == '/')
    m->error = vigil__symbol_file_open(&m->file, f->path, &f->id);
  else  /* Such as the vDSO. */
    m->error = -ENOENT;
  if (m->error == 0)
    s->entries += m->file.count;
  return m;
}

static void put_name(char* out, size_t size, const char* name) {
  char* plain = NULL;
  int status;

  if (strncmp(name, "_Z", 2) == 0 && strlen(name) < NAME_SIZE - 1 &&
      __cxa_demangle != NULL)
    plain = __cxa_demangle(name, NULL, NULL, &status);
  vigil__text_escape(out, size, plain != NULL ? plain : name);
  free(plain);
}

/* Behind the end of what is known, as in a library without its own symbols:
 * the name before it would be a wrong one. */
static void put_offset(char* out, size_t size, const char* path, uint64_t at) {
  const char* base = strrchr(path, '/');
  char tail[24];

  snprintf(tail, sizeof(tail), "+0x%" PRIx64, at);
  if (strlen(tail) + 8 > size)
    return;  /* The address alone is there. */
  vigil__text_escape(out, size - strlen(tail), base != NULL ? base + 1 : path);
  strcat(out, tail);
}

int vigil__symbol_name(struct vigil__symbols* s,
                       uintptr_t pc,
                       char* out,
                       size_t size,
                       char* module,
                       size_t module_size) {
  struct found f = { .pc = pc, .first = true, .error = -ENOENT };
  const struct vigil__symbol_module* m;
  char name[NAME_SIZE];
  uint64_t past;
  ssize_t n;
  int r;

  module[0] = '\0';
  snprintf(out, size, "0x%" PRIxPTR, pc);
  if (dl_iterate_phdr(look, &f) == 0)
    return -ENOENT;
  if (f.main) {
    n = readlink("/proc/self/exe", f.path, sizeof(f.path) - 1);
    f.path[n < 0 ? 0 : n] = '\0';
  }
  vigil__text_escape(module, module_size, f.path);
  snprintf(out, size, "0x%" PRIxPTR, pc - f.bias);
  if (f.error < 0)
    return f.error;
  m = load(s, &f);
  if (m->error < 0)
    return m->error;
  r = vigil__symbol_file_find(&m->file, pc - f.bias, f.segment, name,
                              sizeof(name), &past);
  if (r < 0)
    return r;
  if (past > 0)
    put_offset(out, size, f.path, pc - f.bias);
  else
    put_name(out, size, name);
  return 0;
}
