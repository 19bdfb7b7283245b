/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "stall.h"

#include "cause_json.h"

#include <stdlib.h>
#include <string.h>

static struct vigil__stall* newest(const struct vigil__stalls* s) {
  return s->count == 0 ? NULL : &s->ring[(s->count - 1) % VIGIL__STALLS];
}

void vigil__stalls_free(struct vigil__stalls* s) {
  free(s->ring);
  memset(s, 0, sizeof(*s));
}

vigil__mono_t vigil__stalls_due(const struct vigil__stalls* s,
                                vigil__mono_t start,
                                uint64_t limit_ns) {
  const struct vigil__stall* last = newest(s);
  const uint32_t looks = last != NULL && last->begin == start ? last->looks : 0;

  /* The last one is followed by none: far beyond any deadline. */
  if (looks >= VIGIL__STALL_LOOKS || limit_ns > UINT64_MAX >> 16)
    return UINT64_MAX;
  return start + (limit_ns << looks);
}

struct vigil__stall* vigil__stalls_look(struct vigil__stalls* s,
                                        vigil__mono_t start,
                                        vigil__mono_t now,
                                        uint64_t wall_ns,
                                        struct vigil__stall_look** look) {
  struct vigil__stall* stall = newest(s);

  if (stall == NULL || stall->begin != start) {
    if (s->ring == NULL)
      s->ring = calloc(VIGIL__STALLS, sizeof(*s->ring));
    if (s->ring == NULL)
      return NULL;
    s->count++;
    stall = newest(s);
    memset(stall, 0, sizeof(*stall));
    stall->begin = start;
    stall->wall_ns = wall_ns - (now - start);
  }
  if (stall->looks == VIGIL__STALL_LOOKS)
    return NULL;
  *look = &stall->look[stall->looks++];
  memset(*look, 0, sizeof(**look));
  (*look)->after_ns = now - start;
  return stall;
}

void vigil__stalls_now(struct vigil__stalls* s,
                       vigil__mono_t start,
                       bool self,
                       vigil__mono_t now) {
  struct vigil__stall* stall = newest(s);
  unsigned cause;

  if (stall == NULL || stall->ended)
    return;
  stall->lasted_ns = now - stall->begin;
  if (stall->begin == start) {
    stall->self = self;
  } else {
    cause = stall->self ? VIGIL__STALL_OWN : (unsigned) stall->why.cause;
    s->ended[cause]++;
    s->ended_ns[cause] += stall->lasted_ns;
    stall->ended = true;
  }
  if (!stall->self && stall->lasted_ns > s->longest_ns)
    s->longest_ns = stall->lasted_ns;
}

bool vigil__stalls_open(const struct vigil__stalls* s) {
  const struct vigil__stall* stall = newest(s);

  return stall != NULL && !stall->ended;
}

uint64_t vigil__stalls_longest(struct vigil__stalls* s) {
  const uint64_t ns = s->longest_ns;

  s->longest_ns = 0;
  return ns;
}

/* ---- stalls.json */

static void write_frame(struct vigil__json* j,
                        const struct vigil__frames* frames,
                        uint32_t id) {
  const struct vigil__frame f = vigil__frames_get(frames, id);

  vigil__json_object(j, NULL);
  vigil__json_string(j, "function", f.name);
  if (f.kind == VIGIL__FRAME_NATIVE)
    vigil__json_string(j, "module", f.script);
  else if (f.script[0] != '\0')
    vigil__json_string(j, "url", f.script);
  if (f.line > 0) {
    vigil__json_int(j, "line", f.line);
    vigil__json_int(j, "column", f.column);
  }
  vigil__json_end(j);
}

static void write_look(struct vigil__json* j,
                       const struct vigil__frames* frames,
                       const struct vigil__stall_look* l) {
  const char state[2] = { l->task.state, '\0' };
  const char* name;
  uint32_t i;

  vigil__json_object(j, NULL);
  vigil__json_ms(j, "afterMs", l->after_ns);
  if (l->task.valid & VIGIL__TASK_STATE)
    vigil__json_string(j, "state", state);
  vigil__json_bool(j, "gc", l->in_gc);
  if (l->task.valid & VIGIL__TASK_SYSCALL &&
      l->task.syscall_nr != VIGIL__TASK_NO_SYSCALL) {
    name = vigil__system_syscall(l->task.syscall_nr);
    vigil__json_int(j, "syscallNumber", l->task.syscall_nr);
    if (name != NULL)
      vigil__json_string(j, "syscall", name);
  }
  if (l->task.valid & VIGIL__TASK_WCHAN && l->task.wchan[0] != '\0')
    vigil__json_string(j, "wchan", l->task.wchan);
  if (l->error != 0)
    vigil__json_string(j, "noStack", strerror(-l->error));
  vigil__json_array(j, "stack");
  for (i = 0; i < l->frames; i++)
    write_frame(j, frames, l->frame[i]);
  vigil__json_end(j);
  if (l->more != 0)
    vigil__json_uint(j, "moreFrames", l->more);
  vigil__json_end(j);
}

static void write_stall(struct vigil__json* j,
                        const struct vigil__frames* frames,
                        const struct vigil__stall* s) {
  uint32_t i;

  vigil__json_object(j, NULL);
  vigil__json_time(j, "began", s->wall_ns);
  vigil__json_ms(j, "lastedMs", s->lasted_ns);
  vigil__json_bool(j, "ended", s->ended);
  vigil__json_bool(j, "ownWork", s->self);
  vigil__cause_write(j, "cause", &s->why, &s->figures);
  vigil__json_array(j, "looks");
  for (i = 0; i < s->looks; i++)
    write_look(j, frames, &s->look[i]);
  vigil__json_end(j);
  vigil__json_end(j);
}

uint32_t vigil__stalls_write(const struct vigil__stalls* s,
                             const struct vigil__frames* frames,
                             vigil__mono_t from,
                             struct vigil__json* j) {
  const uint64_t kept = s->count < VIGIL__STALLS ? s->count : VIGIL__STALLS;
  const struct vigil__stall* stall;
  uint32_t written = 0;
  uint64_t i;

  vigil__json_object(j, NULL);
  vigil__json_uint(j, "schema", 1);
  vigil__json_uint(j, "stallsSinceStart", s->count);
  vigil__json_array(j, "stalls");
  for (i = s->count - kept; i < s->count; i++) {
    stall = &s->ring[i % VIGIL__STALLS];
    if (stall->begin + stall->lasted_ns < from)
      continue;
    write_stall(j, frames, stall);
    written++;
  }
  vigil__json_end(j);
  vigil__json_end(j);
  return written;
}
