/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "incident.h"

#include "ledger.h"
#include "log.h"
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
  const char* people;  /* What it is called in the line. */
} pieces[VIGIL__PIECES] = {
  [VIGIL__PIECE_CPU] = { "cpu", "cpuprofile", "CPU profile" },
  [VIGIL__PIECE_HEAP] = { "heap", "heapsnapshot", "heap snapshot" },
  [VIGIL__PIECE_ALLOC] = { "alloc", "heapprofile", "allocation profile" },
  [VIGIL__PIECE_BEFORE] = { "before", "cpuprofile", "profile of the time before" },
  [VIGIL__PIECE_STALLS] = { "stalls", "json", "stalls" },
  [VIGIL__PIECE_LEAK] = { "leak", "json", "leak hunt" },
  [VIGIL__PIECE_LEAK_TEXT] = { "leak", "txt", "leak hunt" }
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

/* Says once why there is none, but for what the budget says later. */
static void complain(const struct vigil__config* config,
                     const struct vigil__trigger* trigger,
                     const struct vigil__artifact_dir* dir,
                     int err) {
  if (err != 0 && err != -EDQUOT && err != -EBUSY && !trigger->again)
    vigil__log("%s, but nothing can be captured in %s: %s", trigger->headline,
               config->dir,
               dir->error[0] != '\0' ? dir->error : strerror(-err));
}

/* 0, or the error; the directory is open. */
static int open_granted(struct vigil__incident* i) {
  const struct vigil__budget_request request = {
    .ratio = i->trigger.ratio,
    .expect_bytes = EXPECT_BYTES,
    .again = i->trigger.again
  };
  const int answer =
      vigil__budget_ask(&i->dir, i->config, &request, &i->grant);
  int err;

  vigil__ledger_asked(answer, i->trigger.again);
  if (answer != VIGIL__BUDGET_ALLOW)
    return error_of(answer);
  i->trigger_wall_ns = i->grant.wall_ns;
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
  int err;

  memset(i, 0, sizeof(*i));
  i->config = config;
  i->trigger = *trigger;
  err = vigil__artifact_dir_open(&i->dir, config->dir, &vigil__sha256_openssl);
  if (err == 0) {
    err = open_granted(i);
    if (err != 0)
      vigil__artifact_dir_close(&i->dir);
  } else {
    vigil__ledger_asked(err, trigger->again);
  }
  complain(config, trigger, &i->dir, err);
  return err;
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
  int answer =
      vigil__artifact_dir_open(&dir, config->dir, &vigil__sha256_openssl);
  int err;

  if (answer == 0)
    answer = vigil__budget_ask(&dir, config, &request, &grant);
  if (answer != VIGIL__BUDGET_ALLOW)
    vigil__ledger_asked(answer, trigger->again);
  err = error_of(answer);
  complain(config, trigger, &dir, err);
  vigil__artifact_dir_close(&dir);
  return err;
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

/* snprintf to the end of a text that is cut where it is full. */
__attribute__((format(printf, 2, 3)))
static void add(char* text, const char* format, ...) {
  const size_t len = strlen(text);
  va_list args;

  va_start(args, format);
  vsnprintf(text + len, VIGIL__LOG_LINE - len, format, args);
  va_end(args);
}

/* The two that people look at first with their whole paths, or else the
 * incident's; the rest by name. */
static void list_files(const struct vigil__incident* i, char* text) {
  int k;

  for (k = VIGIL__PIECE_CPU; k <= VIGIL__PIECE_HEAP; k++) {
    if (i->piece[k].name[0] != '\0')
      add(text, "%s%s/%s/%s", text[0] == '\0' ? "; captured " : " and ",
          i->dir.path, i->artifact.name, i->piece[k].name);
  }
  if (text[0] == '\0')
    add(text, "; wrote %s/%s/incident.json", i->dir.path, i->artifact.name);
  for (; k < VIGIL__PIECES; k++) {
    if (i->piece[k].name[0] != '\0')
      add(text, ", %s", i->piece[k].name);
  }
}

static void say(const struct vigil__incident* i) {
  const struct vigil__trigger* t = &i->trigger;
  char text[VIGIL__LOG_LINE] = "";
  int k;

  list_files(i, text);
  for (k = 0; k < VIGIL__PIECES; k++) {
    if (i->piece[k].name[0] == '\0' && i->piece[k].note[0] != '\0')
      add(text, "; no %s: %s", pieces[k].people, i->piece[k].note);
  }
  if (i->grant.suppressed != 0)
    add(text, "; over the budget before it: %" PRIu64, i->grant.suppressed);
  if (t->leak != 0)
    vigil__log("%s%s", t->headline, text);
  else
    vigil__log("%s, cause: %s (%s)%s", t->headline,
               vigil__cause_name(t->why.cause), t->why.text, text);
}

int vigil__incident_finish(struct vigil__incident* i,
                           const struct vigil__self* self) {
  struct vigil__json json = { .limit = 0 };
  int err;

  vigil__manifest_write(&json, i, self);
  err = vigil__artifact_finish(&i->artifact, &json);
  vigil__json_free(&json);
  if (err == 0)
    say(i);
  else
    vigil__log("%s, but the incident could not be written to %s: %s",
               i->trigger.headline, i->dir.path, strerror(-err));
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
