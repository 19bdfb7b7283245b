/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "helper.h"

#include "artifact.h"
#include "figures.h"
#include "helper_env.h"
#include "helper_lock.h"
#include "helper_run.h"
#include "log.h"
#include "os.h"
#include "room.h"
#include "sea.h"
#include "sha256.h"

#include <errno.h>
#include <inttypes.h>  /* PRIu64 */
#include <string.h>
#include <unistd.h>    /* getpid */
#include "uv.h"

#define MB (UINT64_C(1) << 20)

/* How often a running one is looked at. */
#define LOOK (50 * VIGIL__MS)
#define LOOK_CLAIM (10 * VIGIL__MS)

/* While another one is at work in VIGIL_DIR, or memory is short. */
#define AGAIN (5 * VIGIL__SEC)
/* What could not be shipped is tried again, though nothing happens. */
#define SHIP_AGAIN (600 * VIGIL__SEC)

#define WORK_TIME (3600 * VIGIL__SEC)  /* Large uploads are slow. */
#define REPORT_TIME (600 * VIGIL__SEC)
#define PROBE_TIME (60 * VIGIL__SEC)
#define CLAIM_TIME (2 * VIGIL__SEC)

/* It takes what is half of the memory that is left. Node alone has some 70 MB
 * resident, and the report of a snapshot of 35 MB 120. */
#define LEAST_MEMORY (128 * MB)
#define MOST_MEMORY (512 * MB)

/* js/helper/main.js. */
#define CODE_YES 10
#define CODE_NO 11

/* Watch thread only, but what init() sets. */
static const struct vigil__config* config;
static char** env;
static pid_t self;                /* A fork child has no watch thread. */
static struct vigil__helper_counts counts;
static struct vigil__helper_run work;
static struct vigil__helper_run claim;
static bool working;
static bool claiming;
static bool want_probe;
static bool want_work;
static vigil__mono_t next_try;
static enum vigil__claim answer;
static bool said_memory;

/* Under `lock`: incidents are being shipped. */
static uv_mutex_t lock;
static uv_cond_t changed;
static bool shipping;

/* A binary that holds a program would run that once more. */
static bool can_run(void) {
  static bool said;

  if (env == NULL || !vigil__is_sea())
    return env != NULL;
  if (!said)
    vigil__log("there are no reports, and nothing is shipped: a single executable "
               "cannot run the helper");
  said = true;
  return false;
}

static bool ships(void) {
  return config->upload != 0 || config->alert != 0 ||
         config->on_incident != 0;
}

void vigil__helper_init(const struct vigil__config* c, char** environment) {
  config = c;
  self = getpid();
  if (uv_mutex_init(&lock) == 0 && uv_cond_init(&changed) == 0)
    env = vigil__helper_env(environment, c);
  if (env == NULL)
    vigil__log("no memory for the helper: there will be no reports");
}

static void set_shipping(bool is) {
  if (!ships())
    return;
  uv_mutex_lock(&lock);
  shipping = is;
  uv_cond_broadcast(&changed);
  uv_mutex_unlock(&lock);
}

/* ---- starting */

/* Bytes that it may take; 0: there are not enough. */
static uint64_t memory(void) {
  struct vigil__room room;

  vigil__figures_room(&room);
  if (room.bytes < LEAST_MEMORY) {
    if (!said_memory)
      vigil__log("the helper waits for memory: %s has %" PRIu64 " MB left",
                 room.of, room.bytes / MB);
    said_memory = true;
    return 0;
  }
  if (room.bytes / 2 < LEAST_MEMORY)
    return LEAST_MEMORY;
  return room.bytes / 2 < MOST_MEMORY ? room.bytes / 2 : MOST_MEMORY;
}

/* -EAGAIN is one that tells why there can be no process. */
#define LATER 1

/* 0, LATER, or -errno, which has been said. */
static int start(struct vigil__helper_run* run,
                 const char* name,
                 uint64_t time_ns,
                 bool alone) {
  struct vigil__artifact_dir dir;
  struct vigil__helper_task task = {
    .name = name, .dir = &dir, .lock = -1, .env = env, .time_ns = time_ns,
    .memory = memory()
  };
  int r;

  if (task.memory == 0)
    return LATER;
  r = vigil__artifact_dir_open(&dir, config->dir, &vigil__sha256_openssl);
  if (r == 0 && alone)
    r = task.lock = vigil__helper_lock(&dir);
  if (r >= 0)
    r = vigil__helper_run_start(run, &task);
  /* The child has the lock now. */
  if (task.lock >= 0)
    vigil__os.close(task.lock);
  vigil__artifact_dir_close(&dir);
  if (alone && task.lock == -EWOULDBLOCK)
    return LATER;
  counts.started += r >= 0;
  counts.failed += r < 0;
  if (r < 0)
    vigil__log("the helper (%s) cannot be started: %s", name, strerror(-r));
  return r < 0 ? r : 0;
}

static void start_work(vigil__mono_t now) {
  const bool probe = want_probe;
  const int r = probe ? start(&work, "probe", PROBE_TIME, true)
                      : start(&work, "work", ships() ? WORK_TIME : REPORT_TIME,
                              true);

  if (r == LATER)
    next_try = now + AGAIN;
  working = r == 0;
  set_shipping(working && !probe);
  if (r == LATER)
    return;
  if (probe)
    want_probe = false;
  else
    want_work = false;
}

/* ---- what happens */

void vigil__helper_armed(void) {
  static bool was;

  if (was)
    return;
  was = true;
  want_probe = config->fleet != 0 && can_run();
  want_work |= ships() && vigil__helper_has_work(config->dir) && can_run();
}

void vigil__helper_incident(void) {
  if ((config->report == 0 && !ships()) || !can_run())
    return;
  want_work = true;
  next_try = 0;
  /* Now, because the process may be about to end. */
  vigil__helper_step(vigil__os.mono());
}

static void count(const struct vigil__helper_run* run,
                  enum vigil__helper_end end) {
  counts.failed += end == VIGIL__HELPER_FAILED || end == VIGIL__HELPER_KILLED;
  counts.late += end == VIGIL__HELPER_LATE;
  counts.errors += run->failures;
  counts.reports += run->total[VIGIL__HELPER_REPORTS];
  counts.shipped += run->total[VIGIL__HELPER_SHIPPED];
  counts.ship_failed += run->total[VIGIL__HELPER_SHIP_FAILED];
  if (run == &work && end == VIGIL__HELPER_ENDED)
    counts.left = run->total[VIGIL__HELPER_LEFT];
}

static void poll_work(vigil__mono_t now) {
  enum vigil__helper_end end;

  if (!vigil__helper_run_poll(&work, now, &end))
    return;
  working = false;
  count(&work, end);
  if (want_work)
    return;  /* The next one begins at once. */
  set_shipping(false);
  want_work = end == VIGIL__HELPER_ENDED && counts.left != 0;
  next_try = now + SHIP_AGAIN;
}

/* Its answer counts once it is said, though the process may take its time to
 * end. */
static void poll_claim(vigil__mono_t now) {
  enum vigil__helper_end end;
  const bool ended = vigil__helper_run_poll(&claim, now, &end);

  if (answer == VIGIL__CLAIM_WAIT && claim.done)
    answer = claim.code == CODE_YES ? VIGIL__CLAIM_YES
             : claim.code == CODE_NO ? VIGIL__CLAIM_NO : VIGIL__CLAIM_LOCAL;
  else if (answer == VIGIL__CLAIM_WAIT && (ended || now >= claim.deadline))
    answer = VIGIL__CLAIM_LOCAL;
  if (!ended)
    return;
  claiming = false;
  count(&claim, end);
}

uint64_t vigil__helper_step(vigil__mono_t now) {
  if (claiming)
    poll_claim(now);
  if (working)
    poll_work(now);
  if (!working && (want_probe || want_work) && now >= next_try)
    start_work(now);
  if (claiming)
    return LOOK_CLAIM;
  if (working)
    return LOOK;
  if (want_probe || want_work)
    return next_try > now ? next_try - now : LOOK;
  return 0;
}

const struct vigil__helper_counts* vigil__helper_counts(void) {
  return &counts;
}

/* ---- the fleet's budget */

bool vigil__helper_has_fleet(void) {
  return config->fleet != 0 && config->upload != 0 && can_run();
}

void vigil__helper_claim(void) {
  answer = VIGIL__CLAIM_WAIT;
  /* The last one has been given up and will be gone soon. */
  if (claiming)
    answer = VIGIL__CLAIM_LOCAL;
  else if (start(&claim, "claim", CLAIM_TIME, false) == 0)
    claiming = true;
  else
    answer = VIGIL__CLAIM_LOCAL;
}

enum vigil__claim vigil__helper_claimed(void) {
  const enum vigil__claim is = answer;

  if (is != VIGIL__CLAIM_WAIT)
    answer = VIGIL__CLAIM_NONE;
  return is;
}

/* ---- the end of the process */

void vigil__helper_leave(void) {
  vigil__mono_t now = vigil__mono_now();
  vigil__mono_t until;

  if (env == NULL || !ships() || getpid() != self)
    return;
  until = now + config->ship_grace_ns;
  uv_mutex_lock(&lock);
  while (shipping && now < until) {
    uv_cond_timedwait(&changed, &lock, until - now);
    now = vigil__mono_now();
  }
  uv_mutex_unlock(&lock);
}
