/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_INCIDENT_H_
#define VIGIL_INCIDENT_H_

#include "artifact.h"
#include "budget_ask.h"
#include "child.h"
#include "cause.h"
#include "config.h"
#include "gc.h"
#include "lag.h"
#include "loop.h"
#include "pool.h"
#include "rule.h"
#include "timeline.h"
#include "v8_bridge.h"
#include "window.h"

#include <stdatomic.h>
#include <stdint.h>

/* One incident: its directory, what goes into it, and the line that tells of
 * it. Watch thread only. */

struct vigil__probe;

/* What made it an incident, and why. */
struct vigil__trigger {
  struct vigil__isolate* iso;
  struct vigil__loop* loop;     /* Lives as long as the isolate. */
  struct vigil__probe* probe;
  uint64_t thread_id;           /* Node's; 0: main thread. */
  char thread[64];              /* For people: "main thread", "worker 2 (x)". */
  const char* rule;             /* Its name; on demand: who asked. */
  bool demand;                  /* Somebody asked; no rule was looked at... */
  uint64_t want;                /* ...VIGIL__CAPTURE_*; 0: as configured... */
  uint64_t profile_ns;          /* ...and for how long; 0: the same. */
  uint64_t value;               /* The rule's figure... */
  uint64_t limit;               /* ...and limit, in its unit... */
  const char* unit;             /* ...which is "ms" (of ns) or "%" (of ppm). */
  uint64_t ratio;               /* Figure in 1/1000 of its limit; on demand 0. */
  bool again;                   /* It was refused before. */
  unsigned leak;                /* Round of a leak hunt; 0: none. */
  bool last;                    /* The program ends with it: do not wait. */
  char headline[192];           /* What happened, for people. */
  struct vigil__lag lag;
  struct vigil__window_span span;
  struct vigil__gc_copy gc;     /* Totals at the trigger. */
  uint64_t gc_window_ns;        /* GC pauses within the window. */
  struct vigil__pool_copy pool; /* Totals at the trigger. */
  struct vigil__figures figures;
  struct vigil__why why;
};

/* What an incident can hold beside incident.json. */
enum vigil__piece {
  VIGIL__PIECE_CPU,             /* cpu-<epoch>.cpuprofile */
  VIGIL__PIECE_HEAP,            /* heap-<epoch>.heapsnapshot */
  VIGIL__PIECE_ALLOC,           /* alloc-<epoch>.heapprofile */
  VIGIL__PIECE_BEFORE,          /* before-<epoch>.cpuprofile */
  VIGIL__PIECE_STALLS,          /* stalls.json */
  VIGIL__PIECE_LEAK,            /* leak.json, of the last round of a hunt... */
  VIGIL__PIECE_LEAK_TEXT,       /* ...and leak.txt. */
  VIGIL__PIECES
};

/* What a capture cost the loop. */
struct vigil__self {
  uint64_t start_ns;
  uint64_t stop_ns;
  uint64_t snapshot_ns;
};

/* How the heap snapshot was taken. */
struct vigil__snapshot_figures {
  const char* mode;             /* NULL: none was tried. */
  unsigned tries;
  uint64_t heap_bytes;
  uint64_t rest_ns;             /* Of the pause: before the fork... */
  uint64_t fork_ns;             /* ...and in it. */
  uint64_t child_ns;
  uint64_t child_bytes;
};

#define VIGIL__NOTE 160

struct vigil__incident {
  const struct vigil__config* config;
  struct vigil__trigger trigger;
  struct vigil__artifact_dir dir;
  struct vigil__artifact artifact;
  struct vigil__budget_grant grant;
  uint64_t trigger_wall_ns;     /* Unix time... */
  vigil__mono_t trigger_mono;   /* ...and this clock then. */
  struct vigil__timeline_copy timeline;
  struct {
    char name[VIGIL__ARTIFACT_NAME];  /* "": not written... */
    char note[VIGIL__NOTE];           /* ...and why. */
  } piece[VIGIL__PIECES];
  struct vigil__snapshot_figures snapshot;
  /* Set by anyone: what is being written is dropped soon. Only shortens work,
   * so relaxed on both sides. */
  atomic_bool give_up;
};

/* Opens it. 0; -EDQUOT (time), -EBUSY (other processes) or -ENOSPC (disk), the
 * budget does not allow it, which is counted; or -errno. After a line that says
 * why, the first time. */
int vigil__incident_begin(struct vigil__incident* i,
                          const struct vigil__config* config,
                          const struct vigil__trigger* trigger);

/* Whether that would be allowed now, as its result says, without doing it; what is
 * refused is counted. `fleet_refused`: it was elsewhere, so it is here. */
int vigil__incident_ask(const struct vigil__config* config,
                        const struct vigil__trigger* trigger,
                        bool fleet_refused);

/* Names the piece after the time of the call, when it starts. */
void vigil__incident_name(struct vigil__incident* i, enum vigil__piece piece);

/* Has `fill(what, sink, arg)` write the piece through the sink, naming it if
 * it has no name yet; a failure becomes its note. */
typedef int (*vigil__fill)(void* what, vigil__sink sink, void* arg);
void vigil__incident_write(struct vigil__incident* i,
                           enum vigil__piece piece,
                           vigil__fill fill,
                           void* what);

/* The same, but a forked child shall fill it: opens the file for it. 0, or
 * -errno, and that is its note. Then ended() with how that went. */
int vigil__incident_child(struct vigil__incident* i,
                          enum vigil__piece piece,
                          struct vigil__child* child);
void vigil__incident_ended(struct vigil__incident* i,
                           enum vigil__piece piece,
                           int err);

/* There is none, and why. Keeps an earlier note. */
__attribute__((format(printf, 3, 4)))
void vigil__incident_none(struct vigil__incident* i,
                          enum vigil__piece piece,
                          const char* format, ...);

/* Completes it and says so, or why not, in one line. 0 or -errno. */
int vigil__incident_finish(struct vigil__incident* i,
                           const struct vigil__self* self);
void vigil__incident_abort(struct vigil__incident* i);

#endif  /* VIGIL_INCIDENT_H_ */
