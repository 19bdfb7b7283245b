/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "incident.h"

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

#define FILE_MAX (UINT64_C(16) << 30)

static void file_name(char* name, const char* kind, const char* suffix) {
  snprintf(name, VIGIL__ARTIFACT_NAME, "%s-%" PRIu64 ".%s", kind,
           vigil__os.wall() / VIGIL__SEC, suffix);
}

int vigil__incident_begin(struct vigil__incident* i,
                          const struct vigil__config* config,
                          const struct vigil__cause* cause) {
  int err;

  memset(i, 0, sizeof(*i));
  i->config = config;
  i->cause = *cause;
  i->trigger_wall_ns = vigil__os.wall();
  err = vigil__artifact_dir_open(&i->dir, config->dir, &vigil__sha256_openssl);
  if (err == 0) {
    err = vigil__artifact_begin(&i->artifact, &i->dir, i->trigger_wall_ns,
                                getpid());
    if (err != 0)
      vigil__artifact_dir_close(&i->dir);
  }
  if (err != 0)
    vigil__log("event loop lag p99 is %" PRIu64 " ms (%s), but nothing can be "
               "captured in %s: %s",
               cause->lag.p99_ns / VIGIL__MS, cause->thread, config->dir,
               i->dir.error[0] != '\0' ? i->dir.error : strerror(-err));
  return err;
}

void vigil__incident_name_profile(struct vigil__incident* i) {
  file_name(i->cpu_name, "cpu", "cpuprofile");
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

/* Opens `name`, has `write` fill it with `what`, closes it. On failure empties
 * `name` and says why in `note`. */
static void write_file(struct vigil__incident* i,
                       char* name,
                       char* note,
                       int (*write)(void* what, struct target* target),
                       void* what) {
  struct target t = { .incident = i };
  int err;
  int r;

  err = vigil__artifact_file_open(&i->artifact, name, FILE_MAX, &t.file);
  if (err == 0) {
    err = write(what, &t);
    if (err != 0)
      vigil__artifact_file_drop(t.file);
    else if ((r = vigil__artifact_file_close(t.file)) != 0)
      err = r;
  }
  if (err != 0) {
    snprintf(note, VIGIL__NOTE, "writing %s failed: %s", name, strerror(-err));
    name[0] = '\0';
  }
}

static int fill_profile(void* what, struct target* target) {
  return vigil__cpu_profile_write(what, sink, target);
}

static int fill_snapshot(void* what, struct target* target) {
  return vigil__heap_snapshot_write(what, sink, target);
}

void vigil__incident_profile(struct vigil__incident* i,
                             struct vigil__cpu_profile* profile) {
  write_file(i, i->cpu_name, i->cpu_note, fill_profile, profile);
}

void vigil__incident_snapshot(struct vigil__incident* i,
                              struct vigil__heap_snapshot* snapshot) {
  file_name(i->heap_name, "heap", "heapsnapshot");
  write_file(i, i->heap_name, i->heap_note, fill_snapshot, snapshot);
}

static void take_note(char* note, const char* format, va_list args) {
  if (note[0] == '\0')
    vsnprintf(note, VIGIL__NOTE, format, args);
}

void vigil__incident_no_profile(struct vigil__incident* i,
                                const char* format, ...) {
  va_list args;

  va_start(args, format);
  take_note(i->cpu_note, format, args);
  va_end(args);
  i->cpu_name[0] = '\0';
}

void vigil__incident_no_snapshot(struct vigil__incident* i,
                                 const char* format, ...) {
  va_list args;

  va_start(args, format);
  take_note(i->heap_note, format, args);
  va_end(args);
  i->heap_name[0] = '\0';
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

static void say(const struct vigil__incident* i) {
  const uint64_t span_ms = (i->cause.span.end - i->cause.span.begin) /
                           VIGIL__MS;
  const char* names[2] = { i->cpu_name, i->heap_name };
  const char* notes[2] = { i->cpu_note, i->heap_note };
  char text[VIGIL__LOG_LINE] = "";
  int k;

  for (k = 0; k < 2; k++) {
    if (names[k][0] != '\0')
      add(text, "%s%s/%s/%s", text[0] == '\0' ? "; captured " : " and ",
          i->dir.path, i->artifact.name, names[k]);
  }
  if (text[0] == '\0')
    add(text, "; wrote %s/%s/incident.json", i->dir.path, i->artifact.name);
  for (k = 0; k < 2; k++) {
    if (names[k][0] == '\0')
      add(text, "; no %s: %s", k == 0 ? "CPU profile" : "heap snapshot",
          notes[k]);
  }
  vigil__log("event loop lag p99 is %" PRIu64 " ms over the last %" PRIu64
             ".%" PRIu64 " s (limit %" PRIu64 " ms, %s)%s",
             i->cause.lag.p99_ns / VIGIL__MS, span_ms / 1000,
             span_ms % 1000 / 100, i->config->lag_p99_ns / VIGIL__MS,
             i->cause.thread, text);
}

void vigil__incident_finish(struct vigil__incident* i, uint64_t self_ns) {
  struct vigil__json json = { .limit = 0 };
  int err;

  vigil__manifest_write(&json, i, self_ns);
  err = vigil__artifact_finish(&i->artifact, &json);
  vigil__json_free(&json);
  if (err == 0)
    say(i);
  else
    vigil__log("event loop lag p99 is %" PRIu64 " ms (%s), but the incident "
               "could not be written to %s: %s",
               i->cause.lag.p99_ns / VIGIL__MS, i->cause.thread, i->dir.path,
               strerror(-err));
  vigil__artifact_dir_close(&i->dir);
}

void vigil__incident_abort(struct vigil__incident* i) {
  vigil__artifact_abort(&i->artifact);
  vigil__artifact_dir_close(&i->dir);
}
