/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "limit.h"

#include "demand.h"
#include "hold.h"
#include "job.h"
#include "os.h"
#include "watch.h"

#include <errno.h>
#include <time.h>    /* nanosleep */

#define WAIT (30 * VIGIL__SEC)
#define LOOK (2 * VIGIL__MS)

static const struct vigil__config* config;
static void (*wake)(void);
static unsigned taken;  /* Main thread. */

void vigil__limit_init(const struct vigil__config* c, void (*w)(void)) {
  config = c;
  wake = w;
}

/* Does what the watch thread asks of this one, which gets nowhere else now. */
static void serve(struct vigil__isolate* iso) {
  const struct timespec pause = { 0, LOOK };

  vigil__job_serve(iso);
  nanosleep(&pause, NULL);
}

void vigil__limit_reached(struct vigil__isolate* iso, uint64_t limit) {
  const struct vigil__demand demand = { .heap_limit = limit };
  const vigil__mono_t until = vigil__os.mono() + WAIT;
  char path[VIGIL__DIR_MAX];
  uint64_t ticket;

  if (!vigil__watch_armed() || taken >= config->near_heap_limit)
    return;
  taken++;
  /* One that is being made anyway takes its snapshot now. */
  if (vigil__hold_hurry(iso)) {
    while (vigil__hold_unfinished() && vigil__os.mono() < until)
      serve(iso);
    return;
  }
  ticket = vigil__demand_ask(&demand);
  if (ticket == 0)
    return;
  wake();
  while (vigil__demand_result(ticket, path, sizeof(path)) == -EINPROGRESS &&
         vigil__os.mono() < until)
    serve(iso);
}
