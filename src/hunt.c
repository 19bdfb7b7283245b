/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "hunt.h"

#include "evidence.h"
#include "leak.h"
#include "leak_parse.h"
#include "os.h"

#include <errno.h>
#include <stdio.h>     /* snprintf */
#include <stdlib.h>    /* free */
#include <string.h>
#include <unistd.h>    /* pread */

/* A summary of the most groups there can be has some MB. */
#define SUMMARY_MOST (64u << 20)

/* A hunt by the clock that found nothing comes back, ever more seldom. */
#define EVERY_MOST (UINT64_C(24) * 3600 * VIGIL__SEC)

static const struct vigil__config* config;

static struct {
  const struct vigil__isolate* iso;  /* Only compared. */
  unsigned rounds;              /* That there is a summary of. */
  struct vigil__leak_summary heap[VIGIL__HUNT_ROUNDS];
} hunt;

/* By the clock. */
static struct {
  vigil__mono_t next;           /* 0: not begun. */
  uint64_t every;
  unsigned round;               /* The next one; 0: no more. */
} clock_hunt;

void vigil__hunt_init(const struct vigil__config* c) {
  config = c;
  clock_hunt.every = c->leak_every_ns;
  clock_hunt.round = c->leak != 0;
}

/* ---- in the child */

static int parse_sink(void* arg, const char* data, size_t len) {
  return vigil__leak_parse_write(arg, data, len);
}

int vigil__hunt_summarize(struct vigil__isolate* iso,
                          uint64_t memory,
                          vigil__sink sink,
                          void* arg) {
  struct vigil__leak_memory limit = { .limit = (size_t) memory };
  struct vigil__leak_summary summary;
  struct vigil__heap_snapshot* taken;
  struct vigil__leak_parse parse = { .top = 0 };
  int err = vigil__heap_snapshot_take(iso, 0, &taken);

  if (err != 0)
    return err;
  vigil__leak_parse_begin(&parse, &limit);
  err = vigil__heap_snapshot_write(taken, parse_sink, &parse);
  vigil__heap_snapshot_free(taken);
  if (err != 0)
    return err;
  err = vigil__leak_summarize(&parse, 0, &summary);
  return err != 0 ? err : vigil__leak_summary_write(&summary, sink, arg);
}

/* ---- on the watch thread */

static void drop(void) {
  unsigned i;

  for (i = 0; i < hunt.rounds; i++)
    vigil__leak_summary_free(&hunt.heap[i]);
  memset(&hunt, 0, sizeof(hunt));
}

/* The whole of `fd`; NULL: it cannot be had. */
static char* read_all(int fd, uint64_t bytes) {
  char* data = bytes > SUMMARY_MOST ? NULL
                                    : vigil__os.realloc(NULL, (size_t) bytes);
  uint64_t at = 0;
  ssize_t n;

  while (data != NULL && at < bytes) {
    n = pread(fd, data + at, (size_t) (bytes - at), (off_t) at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      free(data);
      return NULL;
    }
    at += (uint64_t) n;
  }
  return data;
}

int vigil__hunt_add(const struct vigil__isolate* iso,
                    unsigned round,
                    int fd,
                    uint64_t bytes) {
  char* data;
  int err;

  if (round == 1 || iso != hunt.iso)
    drop();
  if (round != hunt.rounds + 1)
    return -ECANCELED;
  hunt.iso = iso;
  data = read_all(fd, bytes);
  err = data == NULL ? -ENOMEM
                     : vigil__leak_summary_read(&hunt.heap[hunt.rounds], data,
                                                (size_t) bytes);
  free(data);
  if (err == 0)
    hunt.rounds++;
  else
    drop();
  return err;
}

static int fill_text(void* report, vigil__sink sink, void* arg) {
  return vigil__leak_text(report, sink, arg);
}

static void headline(struct vigil__trigger* t,
                     const struct vigil__leak_report* r) {
  char name[100];

  if (r->suspects == 0) {
    snprintf(t->headline, sizeof(t->headline),
             "leak hunt: nothing grows with the work (%s)", t->thread);
    return;
  }
  vigil__leak_name(&hunt.heap[2], r->suspect[0].container, name, sizeof(name));
  snprintf(t->headline, sizeof(t->headline),
           "leak hunt: %s grows by %llu KB each round (%u suspect%s, %s)", name,
           (unsigned long long) r->suspect[0].bytes_per_round >> 10,
           r->suspects, r->suspects == 1 ? "" : "s", t->thread);
}

void vigil__hunt_write(struct vigil__incident* i) {
  struct vigil__json json = { .limit = 4 << 20 };
  struct vigil__leak_report report;
  int err;

  if (hunt.rounds != VIGIL__HUNT_ROUNDS)
    return;
  err = vigil__leak_compare(&report, hunt.heap, 0);
  if (err != 0) {
    vigil__incident_none(i, VIGIL__PIECE_LEAK, "%s", strerror(-err));
    drop();
    return;
  }
  headline(&i->trigger, &report);
  vigil__json_object(&json, NULL);
  vigil__json_uint(&json, "schema", 1);
  vigil__leak_json(&report, &json);
  vigil__json_end(&json);
  vigil__json_finish(&json);
  vigil__incident_write(i, VIGIL__PIECE_LEAK, vigil__evidence_fill, &json);
  vigil__incident_write(i, VIGIL__PIECE_LEAK_TEXT, fill_text, &report);
  vigil__json_free(&json);
  if (report.suspects != 0)
    clock_hunt.round = 0;
  vigil__leak_report_free(&report);
  drop();
}

unsigned vigil__hunt_due(vigil__mono_t now, bool armed) {
  const unsigned round = clock_hunt.round;

  if (!armed || round == 0)
    return 0;
  if (clock_hunt.next == 0)
    clock_hunt.next = now + clock_hunt.every;
  if (now < clock_hunt.next)
    return 0;
  clock_hunt.round = round % VIGIL__HUNT_ROUNDS + 1;
  if (clock_hunt.round == 1 && clock_hunt.every < EVERY_MOST / 2)
    clock_hunt.every *= 2;
  clock_hunt.next = now + clock_hunt.every;
  return round;
}
