/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_SYMBOL_FILE_H_
#define VIGIL_SYMBOL_FILE_H_

#include <link.h>    /* ElfW */
#include <stddef.h>
#include <stdint.h>

/* The function symbols of one ELF file, sorted by address. Any one thread.
 *
 * Read with pread, not mapped: a file that is cut short while mapped would end
 * the process by SIGBUS. Nothing in the file is trusted. Source: elf(5). */
#define VIGIL__SYMBOL_PHDRS 32
#define VIGIL__SYMBOL_ENTRIES (UINT64_C(1) << 20)  /* 12 bytes each. */

/* What the loaded module and its file must have in common. */
struct vigil__symbol_id {
  unsigned phdrs;
  ElfW(Phdr) phdr[VIGIL__SYMBOL_PHDRS];
  size_t build_id_len;          /* 0: it has none. */
  uint8_t build_id[64];
};

struct vigil__symbol_entry {
  uint32_t at;                  /* Above `base`. */
  uint32_t size;                /* 0: not known. */
  uint32_t name;                /* Offset in the string table. */
};

struct vigil__symbol_file {
  int fd;                       /* For the names. */
  uint64_t base;                /* Lowest address that the file asks for. */
  uint64_t strings;             /* Offset of the string table... */
  uint64_t strings_len;         /* ...and its length. */
  size_t count;
  struct vigil__symbol_entry* entry;
};

/* .symtab if it has functions, or .dynsym. 0, -ENOEXEC: not ELF of this
 * machine's kind, or broken; -ESTALE: not the file that `id` is of; -ENOENT: no
 * file, or no symbols; -E2BIG, -ENOMEM, or another -errno. 12 MB and 200 ms at
 * most; of node 1.3 MB and about 15 ms. */
int vigil__symbol_file_open(struct vigil__symbol_file* f,
                            const char* path,
                            const struct vigil__symbol_id* id);
void vigil__symbol_file_close(struct vigil__symbol_file* f);

/* The last function that begins at or before `address` (as in the file), but
 * not before `begin`. Of several names that with the fewest underscores in
 * front. `past` is 0 inside of it, else how far behind its begin. 0, -ENOENT:
 * none, or -errno. */
int vigil__symbol_file_find(const struct vigil__symbol_file* f,
                            uint64_t address,
                            uint64_t begin,
                            char* name,
                            size_t size,
                            uint64_t* past);

/* The build id in the notes at `notes`; its length, 0: none there. */
size_t vigil__symbol_build_id(const uint8_t* notes,
                              size_t len,
                              size_t align,
                              uint8_t id[64]);

#endif  /* VIGIL_SYMBOL_FILE_H_ */
