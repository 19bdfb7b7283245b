/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "log.h"

#include "json.h"
#include "log_write.h"
#include "os.h"
#include "text.h"

#include <inttypes.h>  /* PRIu64 */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>   /* vsnprintf */
#include <string.h>
#include <unistd.h>  /* STDERR_FILENO, getpid */

static const struct {
  const char* level;
  const char* name;
} events[] = {
  [VIGIL__LOG_NOTE] = { "info", "note" },
  [VIGIL__LOG_PROBLEM] = { "warn", "problem" },
  [VIGIL__LOG_CONFIG] = { "warn", "config" },
  [VIGIL__LOG_INCIDENT] = { "warn", "incident" },
  [VIGIL__LOG_REFUSED] = { "warn", "refused" },
  [VIGIL__LOG_FAILED] = { "error", "failed" }
};

/* Does not change once there are threads. */
static struct vigil__log_to to;

/* Mere figures: they order nothing. */
static _Atomic uint64_t dropped;
static _Atomic uint64_t left_out;   /* Lines over the limit, not yet said. */
static _Atomic uint64_t busy_until; /* All lines so far have had their time. */
static atomic_bool failing;         /* The file cannot be written: was said. */

bool vigil__log_parse(const char* s, struct vigil__log_to* result) {
  memset(result, 0, sizeof(*result));
  if (strcmp(s, "off") == 0) {
    result->off = true;
    return true;
  }
  if (strncmp(s, "json", 4) == 0 && (s[4] == '\0' || s[4] == ':')) {
    result->json = true;
    s += 4;
  } else if (strncmp(s, "text", 4) == 0 && (s[4] == '\0' || s[4] == ':')) {
    s += 4;
  } else if (*s != '/') {
    return false;
  }
  if (*s == '\0')
    return true;
  s += *s == ':';
  if (*s != '/' || strlen(s) >= sizeof(result->path))
    return false;
  strcpy(result->path, s);
  return true;
}

void vigil__log_init(const char* value) {
  struct vigil__log_to wanted;

  if (value != NULL && vigil__log_parse(value, &wanted))
    to = wanted;
}

/* ---- one line */

struct entry {
  enum vigil__log_event event;
  vigil__log_members members;
  const void* arg;
  uint64_t wall_ns;
  uint64_t left_out;
  char text[VIGIL__LOG_LINE];
};

static void drop(void) {
  atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}

/* Text, for people; in a file with the time and the process in front. */
static size_t make_text(char line[VIGIL__LOG_LINE],
                        const struct entry* e,
                        bool in_file) {
  char prefix[VIGIL__TEXT_TIME + 32] = "vigil: ";
  char suffix[64] = "\n";
  char time[VIGIL__TEXT_TIME];
  size_t begin;
  size_t end;

  if (in_file)
    snprintf(prefix, sizeof(prefix), "%s %d vigil: ",
             vigil__text_time(time, e->wall_ns), (int) getpid());
  if (e->left_out != 0)
    snprintf(suffix, sizeof(suffix), "; lines left out before it: %" PRIu64
             "\n", e->left_out);
  begin = strlen(prefix);
  end = strlen(suffix);
  memcpy(line, prefix, begin);
  begin += vigil__text_escape(line + begin, VIGIL__LOG_LINE - begin - end,
                              e->text);
  memcpy(line + begin, suffix, end);
  return begin + end;
}

static int put_json(struct vigil__json* j, const struct entry* e, bool all) {
  vigil__json_object(j, NULL);
  vigil__json_time(j, "time", e->wall_ns);
  vigil__json_string(j, "level", events[e->event].level);
  vigil__json_string(j, "logger", "vigil");
  vigil__json_string(j, "event", events[e->event].name);
  vigil__json_string(j, "message", e->text);
  vigil__json_int(j, "pid", getpid());
  if (all && e->members != NULL)
    e->members(j, e->arg);
  if (e->left_out != 0)
    vigil__json_uint(j, "linesLeftOut", e->left_out);
  vigil__json_end(j);
  return vigil__json_finish(j);
}

/* Halves the message until there is room; then does without the members. */
static size_t make_json(char line[VIGIL__LOG_LINE], struct entry* e) {
  size_t len = strlen(e->text);
  bool all = true;

  for (;;) {
    /* What is never too small never grows: no allocation. */
    struct vigil__json j = { .data = line, .size = VIGIL__LOG_LINE,
                             .limit = VIGIL__LOG_LINE, .compact = true };

    if (put_json(&j, e, all) == 0)
      return j.len;
    if (len < 512 && !all)
      return 0;
    all = all && len >= 512;
    len /= 2;
    while (len > 0 && (e->text[len] & 0xc0) == 0x80)
      len--;  /* Not within a character. */
    memcpy(e->text + len, "...", 4);
  }
}

static void to_stderr(const struct entry* e) {
  char line[VIGIL__LOG_LINE];

  if (vigil__log_write(STDERR_FILENO, line, make_text(line, e, false)) != 0)
    drop();
}

static void say_failure(int err) {
  struct entry e = { .event = VIGIL__LOG_PROBLEM };

  if (atomic_exchange_explicit(&failing, true, memory_order_relaxed))
    return;
  snprintf(e.text, sizeof(e.text),
           "%s cannot be written (%s): lines go to stderr", to.path,
           strerror(-err));
  to_stderr(&e);
}

void vigil__log_check(void) {
  int err;

  if (to.path[0] == '\0')
    return;
  err = vigil__log_append(to.path, "", 0);
  if (err != 0)
    say_failure(err);
}

static void write_entry(struct entry* e) {
  char line[VIGIL__LOG_LINE];
  size_t len;
  int err;

  if (to.off) {
    to_stderr(e);
    return;
  }
  len = to.json ? make_json(line, e) : make_text(line, e, to.path[0] != '\0');
  if (to.path[0] == '\0') {
    if (vigil__log_write(STDERR_FILENO, line, len) != 0)
      drop();
    return;
  }
  err = vigil__log_append(to.path, line, len);
  if (err != 0) {
    say_failure(err);
    to_stderr(e);
  } else {
    atomic_store_explicit(&failing, false, memory_order_relaxed);
  }
}

/* Each line takes VIGIL__LOG_EVERY_NS of a time that may run ahead of the clock
 * by VIGIL__LOG_BURST of them. */
static bool is_over_limit(vigil__mono_t now) {
  uint64_t until = atomic_load_explicit(&busy_until, memory_order_relaxed);
  uint64_t next;

  do {
    next = (until > now ? until : now) + VIGIL__LOG_EVERY_NS;
    if (next - now > VIGIL__LOG_BURST * VIGIL__LOG_EVERY_NS)
      return true;
  } while (!atomic_compare_exchange_weak_explicit(
      &busy_until, &until, next, memory_order_relaxed, memory_order_relaxed));
  return false;
}

static void log_line(enum vigil__log_event event,
                     vigil__log_members members,
                     const void* arg,
                     const char* format,
                     va_list args) {
  struct entry e;

  if (to.off && event != VIGIL__LOG_CONFIG)
    return;
  if (event != VIGIL__LOG_CONFIG && is_over_limit(vigil__os.mono())) {
    atomic_fetch_add_explicit(&left_out, 1, memory_order_relaxed);
    drop();
    return;
  }
  e.event = event;
  e.members = members;
  e.arg = arg;
  e.wall_ns = vigil__os.wall();
  e.left_out = atomic_exchange_explicit(&left_out, 0, memory_order_relaxed);
  /* What vsnprintf() cuts fits no line either, and gets its "...". */
  vsnprintf(e.text, sizeof(e.text), format, args);
  write_entry(&e);
}

void vigil__log_event(enum vigil__log_event event,
                      vigil__log_members members,
                      const void* arg,
                      const char* format, ...) {
  va_list args;

  va_start(args, format);
  log_line(event, members, arg, format, args);
  va_end(args);
}

void vigil__log(const char* format, ...) {
  va_list args;

  va_start(args, format);
  log_line(VIGIL__LOG_PROBLEM, NULL, NULL, format, args);
  va_end(args);
}

uint64_t vigil__log_dropped(void) {
  return atomic_load_explicit(&dropped, memory_order_relaxed);
}
