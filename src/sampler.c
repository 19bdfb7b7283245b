/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "sampler.h"

#include "figures.h"
#include "loop.h"
#include "os.h"
#include "probe.h"
#include "thread.h"
#include "v8_bridge.h"

#include <string.h>

/* Looked at in one step. With more threads than this, the others wait for the
 * next one. */
#define AT_ONCE 64u

/* A loop that polls no more than this from one look to the next is idle. */
#define IDLE_POLLS 4u

static const struct vigil__config* config;
static unsigned turn;           /* Which threads are looked at first. */
static uint64_t pause_ns = VIGIL__SAMPLER_NS;

/* One thread, as the list had it. With references of ours. */
struct seen {
  struct vigil__probe* probe;
  struct vigil__isolate* iso;
  vigil__mono_t start;          /* Of the open period; 0: idle. */
  uint64_t polls;
  bool self;                    /* The period is our own work. */
  bool at_work;                 /* That goes on. */
};

/* Own thread. */
static void job_listen(void* arg) {
  struct vigil__probe* p = arg;

  vigil__loop_self_begin(p->loop, vigil__mono_now());
  vigil__isolate_listen(p->iso, p->code);
  vigil__loop_self_end(p->loop, vigil__mono_now());
}

/* No reference goes with it: it runs before the thread leaves, or never. */
static void ask_listen(const struct seen* s) {
  if (s->probe->asked)
    return;
  s->probe->asked = true;
  vigil__isolate_run(s->iso, job_listen, s->probe);
}

static unsigned collect(struct seen seen[AT_ONCE]) {
  struct vigil__thread* t;
  unsigned all = 0;
  unsigned skip;
  unsigned n = 0;

  vigil__threads_lock();
  for (t = vigil__threads_first(); t != NULL; t = t->next)
    all += t->loop != NULL && t->probe != NULL;
  skip = all > AT_ONCE ? turn++ % (all - AT_ONCE + 1) : 0;
  for (t = vigil__threads_first(); t != NULL && n < AT_ONCE; t = t->next) {
    /* Start-up is apart: it is not busy time, and nothing waits for it. */
    if (t->loop == NULL || t->probe == NULL ||
        vigil__load(&t->loop->startup_ns) == 0)
      continue;
    if (skip > 0) {
      skip--;
      continue;
    }
    seen[n].probe = t->probe;
    seen[n].iso = t->iso;
    seen[n].start = vigil__load(&t->loop->busy_start);
    seen[n].self = seen[n].start != 0 &&
                   vigil__loop_is_self(t->loop, seen[n].start, vigil__os.mono());
    seen[n].at_work = vigil__load(&t->loop->self_since) != 0;
    seen[n].polls = vigil__load(&t->loop->polls);
    vigil__probe_ref(t->probe);
    vigil__isolate_ref(t->iso);
    n++;
  }
  vigil__threads_unlock();
  return n;
}

/* V8 at work for JavaScript: parsing JSON, sorting, compiling. Its templates
 * begin with the type they return, so the name is anywhere in the symbol; what
 * both V8 and others call says nothing. */
static bool is_engine(const struct vigil__frame* f) {
  static const char* const names[] = { "v8::", "std::", "Builtins_",
                                       "fast_float::", "absl::", "cppgc::" };
  static const char* const libraries[] = { "libc.", "libc-", "libstdc++.",
                                           "libm.", "ld-linux", "vdso" };
  size_t i;

  for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (strstr(f->name, names[i]) != NULL)
      return true;
  }
  for (i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
    if (strstr(f->script, libraries[i]) != NULL)
      return true;
  }
  return false;
}

/* Whether JavaScript runs, or the engine on its behalf. */
static bool is_js(struct vigil__probe* p, const uint32_t* frames, int n) {
  struct vigil__frame f;
  int i;

  for (i = 0; i < n; i++) {
    f = vigil__frames_get(p->frames, frames[i]);
    if (f.kind != VIGIL__FRAME_NATIVE)
      return f.kind != VIGIL__FRAME_FIXED;
    if (!is_engine(&f))
      return false;
  }
  return false;
}

static enum vigil__recorder_state state_of(struct vigil__probe* p,
                                           bool in_gc,
                                           enum vigil__stack_how how,
                                           const uint32_t* frames,
                                           int n) {
  if (in_gc)
    return VIGIL__RECORDER_GC;
  if (how == VIGIL__STACK_IN_SYSCALL)
    return VIGIL__RECORDER_SYSCALL;
  return is_js(p, frames, n) ? VIGIL__RECORDER_JS : VIGIL__RECORDER_NATIVE;
}

/* Adds to the recorder, and to `look` if that is not NULL. */
static void look_at(const struct seen* s,
                    vigil__mono_t now,
                    struct vigil__stall_look* look) {
  static uint32_t frames[VIGIL__PROBE_FRAMES];
  const bool in_gc = vigil__gc_open(vigil__isolate_pauses(s->iso)) != 0;
  enum vigil__stack_how how = VIGIL__STACK_ON_CPU;
  uint32_t count;
  int n;

  /* First, for the rest takes longer. */
  if (look != NULL)
    vigil__task_read(vigil__probe_task(s->probe), VIGIL__TASK_ALL, &look->task);
  n = vigil__probe_look(s->probe, frames, &how);
  count = n > 0 ? (uint32_t) n : 0;
  if (config->recorder)
    vigil__recorder_add(&s->probe->recorder, now,
                        state_of(s->probe, in_gc, how, frames, n), frames,
                        count);
  if (look == NULL)
    return;
  look->in_gc = in_gc;
  look->error = n < 0 ? n : 0;
  look->frames = count < VIGIL__STALL_FRAMES ? count : VIGIL__STALL_FRAMES;
  look->more = count - look->frames;
  memcpy(look->frame, frames, look->frames * sizeof(frames[0]));
}

static void look_at_stall(const struct seen* s, vigil__mono_t now) {
  struct vigil__stall_look* look = NULL;
  struct vigil__stall* stall = vigil__stalls_look(
      &s->probe->stalls, s->start, now, vigil__os.wall(), &look);

  look_at(s, now, look);
  if (stall == NULL)
    return;
  vigil__figures_stall(
      s->probe, now,
      vigil__gc_pauses(vigil__isolate_pauses(s->iso), now), &stall->figures);
  vigil__cause_decide(&stall->figures, &stall->why);
}

/* When the thread wants to be looked at again for a stall. */
static vigil__mono_t step(const struct seen* s, vigil__mono_t now) {
  const uint64_t gc_ns =
      vigil__gc_pauses(vigil__isolate_pauses(s->iso), now);
  struct vigil__probe* p = s->probe;
  vigil__mono_t due = UINT64_MAX;
  struct vigil__usage usage;

  ask_listen(s);
  vigil__probe_usage(p, now, gc_ns, &usage);
  if (p->start != s->start) {
    p->base = p->last;
    p->start = s->start;
  }
  p->last = usage;
  p->polls = s->polls;
  vigil__stalls_now(&p->stalls, s->start, s->self, now);
  if (s->start == 0) {
    if (config->recorder)
      vigil__recorder_idle(&p->recorder, now);
    return due;
  }
  /* In our own work there is nothing to learn. */
  if (config->stall_ns != 0 && !s->self && !s->at_work)
    due = vigil__stalls_due(&p->stalls, s->start, config->stall_ns);
  if (now >= due) {
    look_at_stall(s, now);
    due = vigil__stalls_due(&p->stalls, s->start, config->stall_ns);
    vigil__stalls_now(&p->stalls, s->start, s->self, now);
  } else if (config->recorder && !s->self && !s->at_work) {
    look_at(s, now, NULL);
  }
  return due;
}

vigil__mono_t vigil__sampler_step(vigil__mono_t now) {
  static struct seen seen[AT_ONCE];
  const unsigned n = collect(seen);
  vigil__mono_t next;
  vigil__mono_t due = UINT64_MAX;
  bool active = false;
  unsigned i;

  for (i = 0; i < n; i++) {
    active |= seen[i].start != 0 ||
              seen[i].polls - seen[i].probe->polls > IDLE_POLLS;
    /* Each one shares what there is for all. */
    seen[i].probe->recorder.limit = config->recorder_bytes / n;
    next = step(&seen[i], vigil__os.mono());
    if (next < due)
      due = next;
    vigil__isolate_unref(seen[i].iso);
    vigil__probe_unref(seen[i].probe);
  }
  if (active)
    pause_ns = VIGIL__SAMPLER_NS;
  else if (pause_ns < VIGIL__SAMPLER_IDLE_NS)
    pause_ns *= 2;
  if (pause_ns > VIGIL__SAMPLER_IDLE_NS)
    pause_ns = VIGIL__SAMPLER_IDLE_NS;
  /* A period that begins after this look is seen before it is a stall. */
  if (config->stall_ns != 0 && pause_ns > config->stall_ns)
    pause_ns = config->stall_ns;
  next = now + pause_ns;
  return next < due ? next : due;
}

void vigil__sampler_init(const struct vigil__config* c) {
  config = c;
}
