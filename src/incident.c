/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "incident.h"

#include "announce.h"
#include "ledger.h"
#include "manifest.h"
#include "os.h"
#include "sha256.h"

#include <errno.h>
#include <inttypes.h>  /* PRIu64 */
#include <stdarg.h>
#include <stdio.h>     /* snprintf */
#include <string.h>
#include <unistd.h>    /* getpid */

static const struct {
  const char* kind;
  const char* suffix;
} pieces[VIGIL__PIECES] = {
  [VIGIL__PIECE_CPU] = { "cpu", "cpuprofile" },
  [VIGIL__PIECE_HEAP] = { "heap", "heapsnapshot" },
  [VIGIL__PIECE_ALLOC] = { "alloc", "heapprofile" },
  [VIGIL__PIECE_BEFORE] = { "before", "cpuprofile" },
  [VIGIL__PIECE_STALLS] = { "stalls", "json" },
  [VIGIL__PIECE_LEAK] = { "leak", "json" },
  [VIGIL__PIECE_LEAK_TEXT] = { "leak", "txt" }
};

/* Room that one is taken to need, so that old ones are removed for it: twice
 * what it has, for the snapshot, and some for the rest. */
#define EXPECT_BYTES (UINT64_C(64) << 20)

static int error_of(int answer) {
  switch (answer) {
    case VIGIL__BUDGET_ALLOW:
      return 0;
    case VIGIL__BUDGET_DISK:
      return -ENOSPC;
    case VIGIL__BUDGET_HOST:
      return -EBUSY;
    default:
      return answer < 0 ? answer : -EDQUOT;
  }
}

/* Opens the directory, and asks the budget: its answer, or -errno. */
static int ask(struct vigil__artifact_dir* dir,
               const struct vigil__config* config,
               const struct vigil__budget_request* request,
               struct vigil__budget_grant* grant) {
  const int err =
      vigil__artifact_dir_open(dir, config->dir, &vigil__sha256_openssl);

  return err != 0 ? err : vigil__budget_ask(dir, config, request, grant);
}

/* That instant was a few ms ago. */
static vigil__mono_t mono_of(uint64_t wall_ns) {
  const uint64_t now = vigil__os.wall();

  return vigil__os.mono() - (now > wall_ns ? now - wall_ns : 0);
}

/* The directory is open, and the budget has granted it. */
static int begin_granted(struct vigil__incident* i) {
  int err;

  i->trigger_wall_ns = i->grant.wall_ns;
  i->trigger_mono = mono_of(i->trigger_wall_ns);
  err = vigil__artifact_begin(&i->artifact, &i->dir, i->trigger_wall_ns,
                              getpid());
  if (err != 0) {
    vigil__budget_end(&i->dir, i->config, &i->grant, false);
    vigil__ledger_ended(i, err);
  }
  return err;
}

int vigil__incident_begin(struct vigil__incident* i,
                          const struct vigil__config* config,
                          const struct vigil__trigger* trigger) {
  const struct vigil__budget_request request = {
    .ratio = trigger->ratio,
    .expect_bytes = EXPECT_BYTES,
    .again = trigger->again
  };
  int answer;

  memset(i, 0, sizeof(*i));
  i->config = config;
  i->trigger = *trigger;
  answer = ask(&i->dir, config, &request, &i->grant);
  vigil__ledger_asked(answer, trigger->again);
  if (answer == VIGIL__BUDGET_ALLOW)
    answer = begin_granted(i);
  if (answer != VIGIL__BUDGET_ALLOW) {
    vigil__announce_none(config, trigger, &i->dir, answer);
    vigil__artifact_dir_close(&i->dir);
  }
  return error_of(answer);
}

int vigil__incident_ask(const struct vigil__config* config,
                        const struct vigil__trigger* trigger,
                        bool fleet_refused) {
  const struct vigil__budget_request request = {
    .ratio = trigger->ratio,
    .expect_bytes = EXPECT_BYTES,
    .again = trigger->again,
    .look = true,
    .fleet_refused = fleet_refused
  };
  struct vigil__budget_grant grant;
  struct vigil__artifact_dir dir;
  const int answer = ask(&dir, config, &request, &grant);

  if (answer != VIGIL__BUDGET_ALLOW) {
    vigil__ledger_asked(answer, trigger->again);
    vigil__announce_none(config, trigger, &dir, answer);
  }
  vigil__artifact_dir_close(&dir);
  return error_of(answer);
}

void vigil__incident_name(struct vigil__incident* i, enum vigil__piece piece) {
  char* name = i->piece[piece].name;

  if (piece >= VIGIL__PIECE_STALLS)
    snprintf(name, VIGIL__ARTIFACT_NAME, "%s.%s", pieces[piece].kind,
             pieces[piece].suffix);
  else
    snprintf(name, VIGIL__ARTIFACT_NAME, "%s-%" PRIu64 ".%s",
             pieces[piece].kind, vigil__os.wall() / VIGIL__SEC,
             pieces[piece].suffix);
}

/* ---- files */

struct target {
  struct vigil__incident* incident;
  struct vigil__artifact_file* file;
};

static int sink(void* arg, const char* data, size_t len) {
  struct target* t = arg;

  if (atomic_load_explicit(&t->incident->give_up, memory_order_relaxed))
    return -ECANCELED;
  return vigil__artifact_file_write(t->file, data, len);
}

static int open_file(struct vigil__incident* i,
                     enum vigil__piece piece,
                     struct vigil__artifact_file** file) {
  if (i->piece[piece].name[0] == '\0')
    vigil__incident_name(i, piece);
  return vigil__artifact_file_open(&i->artifact, i->piece[piece].name,
                                   i->grant.bytes, file);
}

void vigil__incident_write(struct vigil__incident* i,
                           enum vigil__piece piece,
                           vigil__fill fill,
                           void* what) {
  struct target t = { .incident = i };
  int err = open_file(i, piece, &t.file);
  int r;

  if (err == 0) {
    err = fill(what, sink, &t);
    if (err != 0)
      vigil__artifact_file_drop(t.file);
    else if ((r = vigil__artifact_file_close(t.file)) != 0)
      err = r;
  }
  vigil__incident_ended(i, piece, err);
}

int vigil__incident_child(struct vigil__incident* i,
                          enum vigil__piece piece,
                          struct vigil__child* child) {
  struct vigil__artifact_file* file;
  int err = open_file(i, piece, &file);

  if (err == 0) {
    err = vigil__child_open(child, file);
    if (err != 0)
      vigil__artifact_file_drop(file);
  }
  if (err != 0)
    vigil__incident_ended(i, piece, err);
  return err;
}

void vigil__incident_ended(struct vigil__incident* i,
                           enum vigil__piece piece,
                           int err) {
  char* name = i->piece[piece].name;

  if (err == -ENODATA) {
    snprintf(i->piece[piece].note, VIGIL__NOTE, "nothing was seen yet");
    name[0] = '\0';
  } else if (err != 0) {
    snprintf(i->piece[piece].note, VIGIL__NOTE, "writing %s failed: %s", name,
             strerror(-err));
    name[0] = '\0';
  }
}

void vigil__incident_none(struct vigil__incident* i,
                          enum vigil__piece piece,
                          const char* format, ...) {
  va_list args;

  va_start(args, format);
  if (i->piece[piece].note[0] == '\0')
    vsnprintf(i->piece[piece].note, VIGIL__NOTE, format, args);
  va_end(args);
  i->piece[piece].name[0] = '\0';
}

/* ---- the end */

int vigil__incident_finish(struct vigil__incident* i,
                           const struct vigil__self* self) {
  struct vigil__json json = { .limit = 0 };
  int err;

  vigil__manifest_write(&json, i, self);
  err = vigil__artifact_finish(&i->artifact, &json);
  vigil__json_free(&json);
  if (err == 0)
    vigil__announce(i);
  else
    vigil__announce_failed(i, err);
  vigil__ledger_ended(i, err);
  vigil__budget_end(&i->dir, i->config, &i->grant, err == 0);
  vigil__artifact_dir_close(&i->dir);
  return err;
}

void vigil__incident_abort(struct vigil__incident* i) {
  vigil__artifact_abort(&i->artifact);
  vigil__ledger_ended(i, -ECANCELED);
  vigil__budget_end(&i->dir, i->config, &i->grant, false);
  vigil__artifact_dir_close(&i->dir);
}
