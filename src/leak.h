/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LEAK_H_
#define VIGIL_LEAK_H_

#include "json.h"
#include "leak_summary.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Three heaps compared: in the steady state, after work, after the same work
 * again. A suspect is what grew in both rounds, by amounts that the same work
 * can explain; docs/leak.md tells how objects are matched.
 *
 * Pure functions of the summaries; any one thread. */
#define VIGIL__LEAK_SUSPECTS 20u
#define VIGIL__LEAK_PARTS 4u

enum vigil__leak_kind {         /* What it usually is. */
  VIGIL__LEAK_CACHE,            /* A collection that only grows. */
  VIGIL__LEAK_LISTENERS,        /* Never removed. */
  VIGIL__LEAK_CLOSURES,         /* Functions that hold what they use. */
  VIGIL__LEAK_BUFFERS,          /* Memory of Buffers, or of slices of them. */
  VIGIL__LEAK_UNKNOWN,
  VIGIL__LEAK_KINDS
};

/* One group in all three. */
struct vigil__leak_figures {
  uint64_t count[3];
  uint64_t shallow[3];
  uint64_t retained[3];
  uint64_t through[3];
};

struct vigil__leak_suspect {
  uint32_t container;           /* Group of the third heap: it stays... */
  uint32_t parts;
  uint32_t part[VIGIL__LEAK_PARTS];  /* ...and these grow in it, most first. */
  uint32_t more;                /* Parts that found no room here. */
  enum vigil__leak_kind kind;
  uint64_t bytes[3];            /* That it retains. */
  uint64_t objects[3];          /* Of part[0]. */
  uint64_t bytes_per_round;     /* The smaller growth of the two. */
  uint64_t objects_per_round;
};

struct vigil__leak_report {
  const struct vigil__leak_summary* heap[3];  /* Must outlive the report. */
  struct vigil__leak_figures* figures;  /* By group of the third heap. */
  uint64_t least;               /* Bytes a round that make a suspect. */
  uint64_t system[3];           /* Bytes held by code and hidden classes. */
  uint32_t suspects;            /* Most bytes a round first. */
  uint32_t more;                /* That found no room here. */
  struct vigil__leak_suspect suspect[VIGIL__LEAK_SUSPECTS];
};

/* `least` bytes a round; 0: 1/2000 of the heap, 8 KB to 64 KB. 0 or -ENOMEM
 * with nothing held. */
int vigil__leak_compare(struct vigil__leak_report* r,
                        const struct vigil__leak_summary heap[3],
                        uint64_t least);
void vigil__leak_report_free(struct vigil__leak_report* r);

/* Adds the members "heaps", "system", "suspects"... of leak.json (docs/leak.md)
 * to an open object. */
void vigil__leak_json(const struct vigil__leak_report* r,
                      struct vigil__json* j);

/* The summary for people: some lines for each suspect, made of printable
 * ASCII and UTF-8. 0, or the sink's error. */
int vigil__leak_text(const struct vigil__leak_report* r,
                     vigil__leak_sink* sink, void* arg);

/* leak_kind.c. One word for JSON, and one sentence that says what to look for;
 * and which kind a suspect is, by its parts, its container and what they grow
 * by (`scratch` has room for all groups of the third heap). */
const char* vigil__leak_kind_name(enum vigil__leak_kind kind);
const char* vigil__leak_advice(enum vigil__leak_kind kind);
enum vigil__leak_kind vigil__leak_kind_of(const struct vigil__leak_report* r,
                                          const struct vigil__leak_suspect* x,
                                          uint8_t* scratch);

/* The smaller growth of the two rounds; 0 when it did not grow in both, or by
 * amounts that differ too much for the same work. */
uint64_t vigil__leak_growth(const uint64_t v[3]);

/* leak_match.c: the figures of all groups of the third heap. 0 or -ENOMEM. */
int vigil__leak_match(struct vigil__leak_figures* figures,
                      const struct vigil__leak_summary heap[3]);

/* leak_path.c. A name for a group ("settings._events.change"), its class
 * ("Map"), and the path to it. They are cut to `size`, at least 64, and
 * terminated; as they came from the program: neither escaped nor checked. */
void vigil__leak_name(const struct vigil__leak_summary* s, uint32_t group,
                      char* out, size_t size);
void vigil__leak_class(const struct vigil__leak_summary* s, uint32_t group,
                       char* out, size_t size);
void vigil__leak_path(const struct vigil__leak_summary* s, uint32_t group,
                      char* out, size_t size);
/* One step of it, ".name", "[]", "[key]", "{table}". */
void vigil__leak_edge_text(const struct vigil__leak_summary* s, uint32_t group,
                           char* out, size_t size);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_LEAK_H_ */
