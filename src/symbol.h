/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_SYMBOL_H_
#define VIGIL_SYMBOL_H_

#include "symbol_file.h"

#include <stddef.h>
#include <stdint.h>

/* Names of native functions of this process, from the files of its modules.
 * When reporting only, never while a thread is held up: the first name of a
 * module takes some ms. Any one thread; watch thread. */
#define VIGIL__SYMBOL_FILES 16

struct vigil__symbol_module {
  uintptr_t bias;               /* Address in memory less that in the file. */
  const ElfW(Phdr)* phdr;       /* To tell modules apart; not read. */
  int error;                    /* Its file cannot be used. */
  struct vigil__symbol_file file;
};

/* Zero it. */
struct vigil__symbols {
  unsigned count;
  uint64_t entries;             /* Of all; see VIGIL__SYMBOL_ENTRIES. */
  struct vigil__symbol_module module[VIGIL__SYMBOL_FILES];
};

/* Names the function that holds `pc`; for a return address, give the byte
 * before it. `out` (`size` >= 8) gets
 *   "name(int)"       of C++ demangled, where the C++ runtime is there; or
 *   "libc.so.6+0x1f"  when `pc` lies behind the end of what is before it: the
 *                     file's name and the address in it, which addr2line takes;
 *   "0x1234"          when there is no name: the same without the name, or `pc`
 *                     outside of all modules.
 * `module` (`module_size` >= 8) gets the path of its file, or "". Both without
 * control characters, cut to fit with "...". 0; -ENOENT: in no module, such as
 * code made at run time, or no symbols; -ESTALE: the file was replaced; or
 * another -errno. */
int vigil__symbol_name(struct vigil__symbols* s,
                       uintptr_t pc,
                       char* out,
                       size_t size,
                       char* module,
                       size_t module_size);

/* Gives back memory and descriptors: after each report. Later use starts
 * again. */
void vigil__symbols_drop(struct vigil__symbols* s);

#endif  /* VIGIL_SYMBOL_H_ */
