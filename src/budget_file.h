/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_BUDGET_FILE_H_
#define VIGIL_BUDGET_FILE_H_

#include "budget.h"

#include <stddef.h>
#include <sys/types.h>

/* The part of the state that outlives processes (events and the suppressed
 * count), as a small text file. Watch thread, but parse and print are pure. */
#define VIGIL__BUDGET_TEXT (16u * 1024)  /* Enough for any state. */
#define VIGIL__BUDGET_BOOT 40

_Static_assert(VIGIL__BUDGET_EVENTS * 110 + 128 <= VIGIL__BUDGET_TEXT,
               "an event takes at most 110 bytes");

/* As os.h, what it has not. */
struct vigil__budget_os {
  ssize_t (*read)(int fd, void* data, size_t len);
  /* Bytes that are free for us, and in all. */
  int (*space)(int fd, uint64_t* free_bytes, uint64_t* total_bytes);
};

extern struct vigil__budget_os vigil__budget_os;

/* Which boot of the machine this is, from /proc; "-" when that is not known,
 * and then the times since the boot are not used. */
void vigil__budget_boot(char boot[VIGIL__BUDGET_BOOT]);

/* Fills events and suppressed count. 0, or -EBADMSG when the text is not one
 * that vigil__budget_print() made: then they are empty. */
int vigil__budget_parse(struct vigil__budget_state* state,
                        const char* text,
                        size_t len,
                        const char* boot);

/* Returns the length. */
size_t vigil__budget_print(const struct vigil__budget_state* state,
                           char text[VIGIL__BUDGET_TEXT],
                           const char* boot);

/* From and to the file `state` in the directory `folder`. No file is an empty
 * state. 0 or -errno; -EBADMSG as above. A file is replaced whole. */
int vigil__budget_load(struct vigil__budget_state* state,
                       int folder,
                       const char* boot);
int vigil__budget_save(const struct vigil__budget_state* state,
                       int folder,
                       const char* boot);

#endif  /* VIGIL_BUDGET_FILE_H_ */
