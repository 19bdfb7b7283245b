/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_FRAMES_H_
#define VIGIL_FRAMES_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What stands in a stack, as small numbers: the frame table. The same function
 * is the same number for ever, however often it is compiled or moved. Frames
 * are never forgotten, so both their number and their text are bounded; beyond
 * that everything new is one frame, "(too many functions)".
 *
 * Any one thread (the watch thread). About 30 bytes a frame and its text, each
 * different one once. */
struct vigil__frames;

enum vigil__frame_kind {
  VIGIL__FRAME_FIXED,           /* One of vigil__frame_id. */
  VIGIL__FRAME_JS,
  VIGIL__FRAME_BUILTIN,
  VIGIL__FRAME_TRAMPOLINE,      /* The builtin InterpreterEntryTrampoline. */
  VIGIL__FRAME_HANDLER,         /* Of a bytecode. */
  VIGIL__FRAME_REGEXP,
  VIGIL__FRAME_STUB,            /* Any other code of V8's. */
  VIGIL__FRAME_CALLBACK,        /* A native function that JS calls. */
  VIGIL__FRAME_NATIVE,          /* Of the program or a shared library. */
  VIGIL__FRAME_KINDS
};

enum vigil__frame_id {
  VIGIL__FRAME_ROOT,
  VIGIL__FRAME_PROGRAM,         /* Busy with who knows what. */
  VIGIL__FRAME_GC,
  VIGIL__FRAME_IDLE,
  VIGIL__FRAME_TRUNCATED,       /* The rest of a stack too deep to take. */
  VIGIL__FRAME_MANY,
  VIGIL__FRAME_FIRST,           /* Here the others begin. */
  VIGIL__FRAME_NONE = 0x7fffffff
};

#define VIGIL__FRAMES_MOST (256u * 1024)        /* 8 MB... */
#define VIGIL__FRAMES_TEXT (8u * 1024 * 1024)   /* ...and as much text. */
#define VIGIL__FRAMES_STRING 1023u  /* Bytes; longer names are cut. */

struct vigil__frame {
  const char* name;             /* Valid until the next frame is added. */
  const char* script;           /* The same. NATIVE: the module. May be "". */
  int32_t line;                 /* From 1; 0: unknown. */
  int32_t column;               /* From 1; 0: unknown. */
  enum vigil__frame_kind kind;
};

/* At most `most` frames with `text` bytes of names; 0: the values above. NULL
 * when there is no memory. */
struct vigil__frames* vigil__frames_new(uint32_t most, size_t text);
void vigil__frames_free(struct vigil__frames* f);

/* The number of a function; the texts need not be terminated. When there is no
 * room or memory: VIGIL__FRAME_MANY. */
uint32_t vigil__frames_code(struct vigil__frames* f,
                            enum vigil__frame_kind kind,
                            const char* name, size_t name_len,
                            const char* script, size_t script_len,
                            int32_t line,
                            int32_t column);

/* The same for a symbol. `module` may be NULL. */
uint32_t vigil__frames_native(struct vigil__frames* f,
                              const char* name,
                              const char* module);

/* Every number has an answer. */
struct vigil__frame vigil__frames_get(const struct vigil__frames* f,
                                      uint32_t id);

/* Frames known, bytes held, and frames that found no room. */
uint32_t vigil__frames_count(const struct vigil__frames* f);
size_t vigil__frames_bytes(const struct vigil__frames* f);
uint64_t vigil__frames_refused(const struct vigil__frames* f);

/* The length to keep of a name: what stands before a NUL, at most
 * VIGIL__FRAMES_STRING bytes, no character cut in two. */
size_t vigil__frames_cut(const char* s, size_t len);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_FRAMES_H_ */
