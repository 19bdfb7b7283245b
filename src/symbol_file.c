/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "symbol_file.h"

#include "os.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>  /* pread */

#if UINTPTR_MAX == UINT64_MAX
#define CLASS ELFCLASS64
#else
#define CLASS ELFCLASS32
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define DATA ELFDATA2LSB
#else
#define DATA ELFDATA2MSB
#endif

#define ALIASES 8u

/* All of it, or -errno; -ENOEXEC where the file ends before. */
static int read_at(int fd, void* to, uint64_t len, uint64_t offset) {
  char* at = to;

  while (len > 0) {
    ssize_t n;

    if (offset > INT64_MAX - len)
      return -ENOEXEC;
    n = pread(fd, at, len, (off_t) offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -errno;
    if (n == 0)
      return -ENOEXEC;
    at += n;
    len -= (uint64_t) n;
    offset += (uint64_t) n;
  }
  return 0;
}

static uint64_t round_up(uint64_t n, size_t align) {
  return (n + align - 1) / align * align;
}

size_t vigil__symbol_build_id(const uint8_t* notes,
                              size_t len,
                              size_t align,
                              uint8_t id[64]) {
  size_t at = 0;

  align = align == 8 ? 8 : 4;
  while (len - at >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    uint64_t desc;

    memcpy(&note, notes + at, sizeof(note));
    desc = round_up(at + sizeof(note) + (uint64_t) note.n_namesz, align);
    if (desc > len || note.n_descsz > len - desc)
      return 0;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
        memcmp(notes + at + sizeof(note), "GNU", 4) == 0) {
      if (note.n_descsz > 64)
        return 0;
      memcpy(id, notes + desc, note.n_descsz);
      return note.n_descsz;
    }
    desc = round_up(desc + note.n_descsz, align);
    if (desc > len)
      return 0;
    at = (size_t) desc;
  }
  return 0;
}

/* The file is the one that was loaded. */
static int check_id(int fd,
                    const ElfW(Ehdr)* header,
                    const struct vigil__symbol_id* id) {
  uint8_t notes[4096];
  uint8_t build_id[64];
  size_t len = 0;
  unsigned i;
  int r;

  if (header->e_phnum != id->phdrs ||
      header->e_phentsize != sizeof(ElfW(Phdr)))
    return -ESTALE;
  for (i = 0; i < id->phdrs; i++) {
    ElfW(Phdr) p;

    r = read_at(fd, &p, sizeof(p), header->e_phoff + i * sizeof(p));
    if (r < 0)
      return r;
    if (memcmp(&p, &id->phdr[i], sizeof(p)) != 0)
      return -ESTALE;
    if (p.p_type != PT_NOTE || p.p_filesz > sizeof(notes) || len > 0)
      continue;
    r = read_at(fd, notes, p.p_filesz, p.p_offset);
    if (r < 0)
      return r;
    len = vigil__symbol_build_id(notes, p.p_filesz, p.p_align, build_id);
  }
  return len == id->build_id_len && memcmp(build_id, id->build_id, len) == 0
      ? 0 : -ESTALE;
}

static bool is_function(const ElfW(Sym)* s, uint64_t base) {
  const unsigned type = s->st_info & 0xf;

  return (type == STT_FUNC || type == STT_GNU_IFUNC) &&
         s->st_shndx != SHN_UNDEF && s->st_name != 0 && s->st_value >= base &&
         s->st_value - base <= UINT32_MAX;
}

/* Goes through a symbol table; fills f->entry, up to `room`, and counts. */
static int scan(struct vigil__symbol_file* f,
                const ElfW(Shdr)* table,
                size_t room) {
  ElfW(Sym) chunk[512];
  const uint64_t all = table->sh_size / sizeof(chunk[0]);
  uint64_t at;
  uint64_t n;
  uint64_t i;

  f->count = 0;
  for (at = 0; at < all; at += n) {
    int r;

    n = all - at < 512 ? all - at : 512;
    r = read_at(f->fd, chunk, n * sizeof(chunk[0]),
                table->sh_offset + at * sizeof(chunk[0]));
    if (r < 0)
      return r;
    for (i = 0; i < n; i++) {
      if (!is_function(&chunk[i], f->base))
        continue;
      if (f->entry != NULL) {
        if (f->count == room)  /* It changes under us. */
          return -ESTALE;
        f->entry[f->count] = (struct vigil__symbol_entry) {
          .at = (uint32_t) (chunk[i].st_value - f->base),
          .size = (uint32_t) (chunk[i].st_size < UINT32_MAX
                                  ? chunk[i].st_size : UINT32_MAX),
          .name = chunk[i].st_name
        };
      }
      if (++f->count > VIGIL__SYMBOL_ENTRIES)
        return -E2BIG;
    }
  }
  return 0;
}

/* By address; then the longest first, and as in the file. */
static int compare(const void* a, const void* b) {
  const struct vigil__symbol_entry* x = a;
  const struct vigil__symbol_entry* y = b;

  if (x->at != y->at)
    return x->at < y->at ? -1 : 1;
  if (x->size != y->size)
    return x->size > y->size ? -1 : 1;
  return x->name < y->name ? -1 : x->name > y->name;
}

static int load(struct vigil__symbol_file* f,
                const ElfW(Ehdr)* header,
                unsigned type) {
  ElfW(Shdr) table;
  ElfW(Shdr) strings;
  unsigned i;
  int r;

  for (i = 0; i < header->e_shnum; i++) {
    r = read_at(f->fd, &table, sizeof(table),
                header->e_shoff + i * sizeof(table));
    if (r < 0)
      return r;
    if (table.sh_type == type)
      break;
  }
  if (i == header->e_shnum)
    return -ENOENT;
  if (table.sh_entsize != sizeof(ElfW(Sym)) ||
      table.sh_link >= header->e_shnum)
    return -ENOEXEC;
  r = read_at(f->fd, &strings, sizeof(strings),
              header->e_shoff + table.sh_link * sizeof(strings));
  if (r < 0)
    return r;
  f->strings = strings.sh_offset;
  f->strings_len = strings.sh_size;

  r = scan(f, &table, 0);
  if (r < 0 || f->count == 0)
    return r < 0 ? r : -ENOENT;
  i = (unsigned) f->count;
  f->entry = vigil__os.realloc(NULL, i * sizeof(f->entry[0]));
  if (f->entry == NULL)
    return -ENOMEM;
  r = scan(f, &table, i);
  if (r < 0)
    return r;
  qsort(f->entry, f->count, sizeof(f->entry[0]), compare);
  return f->count == 0 ? -ESTALE : 0;
}

int vigil__symbol_file_open(struct vigil__symbol_file* f,
                            const char* path,
                            const struct vigil__symbol_id* id) {
  ElfW(Ehdr) header;
  struct stat st;
  unsigned i;
  int r;

  memset(f, 0, sizeof(*f));
  /* A FIFO must not hold us up. */
  f->fd = vigil__os.openat(AT_FDCWD, path,
                           O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
  if (f->fd < 0)
    return f->fd;
  r = vigil__os.fstat(f->fd, &st);
  if (r == 0 && !S_ISREG(st.st_mode))
    r = -ENOEXEC;
  if (r == 0)
    r = read_at(f->fd, &header, sizeof(header), 0);
  if (r == 0 && (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
                 header.e_ident[EI_CLASS] != CLASS ||
                 header.e_ident[EI_DATA] != DATA ||
                 (header.e_shnum > 0 &&
                  header.e_shentsize != sizeof(ElfW(Shdr)))))
    r = -ENOEXEC;
  if (r == 0)
    r = check_id(f->fd, &header, id);
  if (r == 0) {
    f->base = UINT64_MAX;
    for (i = 0; i < id->phdrs; i++)
      if (id->phdr[i].p_type == PT_LOAD && id->phdr[i].p_vaddr < f->base)
        f->base = id->phdr[i].p_vaddr;
    r = load(f, &header, SHT_SYMTAB);
    if (r == -ENOENT)
      r = load(f, &header, SHT_DYNSYM);
  }
  if (r < 0)
    vigil__symbol_file_close(f);
  return r;
}

void vigil__symbol_file_close(struct vigil__symbol_file* f) {
  free(f->entry);
  if (f->fd >= 0)
    vigil__os.close(f->fd);
  memset(f, 0, sizeof(*f));
  f->fd = -1;
}

/* As much of a name as fits. */
static int read_name(const struct vigil__symbol_file* f,
                     uint32_t at,
                     char* name,
                     size_t size) {
  uint64_t len;
  int r;

  if (at >= f->strings_len)
    return -ENOEXEC;
  len = f->strings_len - at < size - 1 ? f->strings_len - at : size - 1;
  r = read_at(f->fd, name, len, f->strings + at);
  name[r < 0 ? 0 : len] = '\0';
  return r < 0 ? r : *name == '\0' ? -ENOENT : 0;
}

int vigil__symbol_file_find(const struct vigil__symbol_file* f,
                            uint64_t address,
                            uint64_t begin,
                            char* name,
                            size_t size,
                            uint64_t* past) {
  const struct vigil__symbol_entry* e = f->entry;
  size_t low = 0;               /* Those below begin at or before it... */
  size_t high = f->count;       /* ...and those from here on behind it. */
  size_t first;
  size_t best;
  size_t best_bars = SIZE_MAX;
  size_t i;

  while (low < high) {
    const size_t middle = low + (high - low) / 2;

    if (address >= f->base && e[middle].at <= address - f->base)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0 || e[low - 1].at + f->base < begin)
    return -ENOENT;
  for (first = low - 1; first > 0 && e[first - 1].at == e[low - 1].at;)
    first--;
  best = first;
  for (i = first; low - first > 1 && i < low && i - first < ALIASES; i++) {
    char start[16];
    size_t bars;

    if (read_name(f, e[i].name, start, sizeof(start)) < 0)
      continue;
    bars = strspn(start, "_");
    if (bars < best_bars) {
      best_bars = bars;
      best = i;
    }
  }
  *past = address - f->base - e[best].at;
  if (e[first].size == 0 || *past < e[first].size)
    *past = 0;
  return read_name(f, e[best].name, name, size);
}
