/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "config.h"

#include "clock.h"
#include "config_text.h"
#include "config_value.h"
#include "text.h"

#include <stdio.h>   /* snprintf */
#include <string.h>

#define MIN (60 * VIGIL__SEC)
#define HOUR (60 * MIN)
#define MB (UINT64_C(1) << 20)
#define GB (UINT64_C(1) << 30)
#define TB (UINT64_C(1) << 40)
#define PERCENT UINT64_C(10000)  /* In ppm. */
#define SHOWN 64  /* Bytes of a wrong value that a message shows. */

struct variable {
  const char* name;
  size_t offset;
  const char* standard;  /* The default, as one would write it. */
  struct vigil__value_form form;
  const char* help;
};

static const char* const mode_words[] = { "auto", "on", "off", NULL };
static const char* const switch_words[] = { "off", "on", NULL };
static const char* const heap_words[] = { "off", "inprocess", "fork", NULL };
static const char* const fallback_words[] = { "off", "inprocess", NULL };
/* In order of the bits VIGIL__CAPTURE_*. */
static const char* const capture_words[] = {
  "cpu", "heap", "alloc", "before", NULL
};
static const char* const path_style_words[] = { "auto", "on", "off", NULL };
static const char* const compress_words[] = { "gzip", "zstd", "off", NULL };
static const char* const alert_words[] = {
  "auto", "plain", "slack", "pagerduty", "alertmanager", NULL
};

#define FIELD(name) offsetof(struct vigil__config, name)
#define WORD(words) { VIGIL__VALUE_WORD, 0, 0, words, NULL, 0 }
#define WORDS(words) { VIGIL__VALUE_WORDS, 0, 0, words, "none", 0 }
#define MILLISECONDS(min, max) { VIGIL__VALUE_MILLISECONDS, min, max, NULL,   \
                                 NULL, 0 }
#define MILLISECONDS_OR_OFF(min, max) { VIGIL__VALUE_MILLISECONDS, min, max,  \
                                        NULL, "off", 0 }
#define DURATION(min, max) { VIGIL__VALUE_DURATION, min, max, NULL, NULL, 0 }
#define DURATION_OR_OFF(min, max) { VIGIL__VALUE_DURATION, min, max, NULL,    \
                                    "off", 0 }
#define PERCENT_OR_OFF(min, max) { VIGIL__VALUE_PERCENT, min, max, NULL,      \
                                   "off", 0 }
#define SIZE(min, max) { VIGIL__VALUE_SIZE, min, max, NULL, NULL, 0 }
#define SIZE_OR_AUTO(min, max) { VIGIL__VALUE_SIZE, min, max, NULL, "auto",   \
                                 VIGIL__DISK_FREE_AUTO }
#define COUNT(min, max) { VIGIL__VALUE_COUNT, min, max, NULL, NULL, 0 }
#define LOG_OR_OFF { VIGIL__VALUE_LOG, 0, 0, NULL, "off", 0 }
#define SIGNAL { VIGIL__VALUE_SIGNAL, 0, 0, NULL, "off", 0 }
#define PATH { VIGIL__VALUE_PATH, 0, 0, NULL, NULL, 0 }
#define TEXT(kind) { VIGIL__VALUE_##kind, 0, 0, NULL, NULL, 0 }
#define TEXT_OR_OFF(kind) { VIGIL__VALUE_##kind, 0, 0, NULL, "off", 0 }
#define LISTEN_OR_OFF { VIGIL__VALUE_LISTEN, 0, 0, NULL, "off", 0 }
#define SOCKET_OR_OFF { VIGIL__VALUE_SOCKET, 0, 0, NULL, "off", 0 }

/* Parsing, defaults, messages and documentation all come from here. */
static const struct variable variables[] = {
  { "VIGIL", FIELD(mode), "auto", WORD(mode_words),
    "`auto` watches a process from the moment it serves, `on` from the start, "
    "`off` never." },
  { "VIGIL_LAG_P99_MS", FIELD(lag_p99_ns), "50",
    MILLISECONDS(VIGIL__MS, 60 * VIGIL__SEC),
    "An incident needs a p99 of the event loop lag over this..." },
  { "VIGIL_WINDOW", FIELD(window_ns), "10s", DURATION(VIGIL__SEC, 10 * MIN),
    "...over a window of this length..." },
  { "VIGIL_FOR", FIELD(for_ns), "10s", DURATION(0, 10 * MIN),
    "...for at least this long. It is over when the p99 stays below half the "
    "limit for a window. The rules below but for the stall go by the same "
    "window and time." },
  { "VIGIL_STALL_MS", FIELD(stall_ns), "500",
    MILLISECONDS_OR_OFF(20 * VIGIL__MS, 60 * VIGIL__SEC),
    "When the loop is blocked for this long, stacks are taken while it is. "
    "`off` ends the next rule, too." },
  { "VIGIL_STALL_TRIGGER", FIELD(stall_trigger_ns), "5s",
    DURATION_OR_OFF(20 * VIGIL__MS, 10 * MIN),
    "One stall over this is an incident at once." },
  { "VIGIL_GC_SHARE", FIELD(gc_share_ppm), "30%",
    PERCENT_OR_OFF(PERCENT, 100 * PERCENT),
    "So are, for that time, garbage collection pauses that take more than "
    "this share of the window..." },
  { "VIGIL_POOL_WAIT_P99_MS", FIELD(pool_wait_p99_ns), "1000",
    MILLISECONDS_OR_OFF(VIGIL__MS, 10 * MIN),
    "...a p99 of the wait for a thread of libuv's pool over this..." },
  { "VIGIL_OLD_SPACE_SHARE", FIELD(old_space_ppm), "90%",
    PERCENT_OR_OFF(PERCENT, 100 * PERCENT),
    "...or full collections that leave more than this share of the heap limit "
    "in use, and more each time." },
  { "VIGIL_GRACE", FIELD(grace_ns), "10s", DURATION(0, 10 * MIN),
    "No incident this soon after the start." },
  { "VIGIL_CAPTURE", FIELD(capture), "cpu,heap,alloc,before",
    WORDS(capture_words),
    "What an incident may hold: a CPU profile, a heap snapshot, an allocation "
    "profile, the recorder's last minute. The cause decides what of it is "
    "worth taking." },
  { "VIGIL_CPU_PROFILE", FIELD(cpu_profile_ns), "10s",
    DURATION(VIGIL__SEC, MIN), "How long an incident records a CPU profile." },
  { "VIGIL_RECORDER", FIELD(recorder), "on", WORD(switch_words),
    "Whether a profile runs all the time at a low rate, for the minute before "
    "an incident." },
  { "VIGIL_RECORDER_SIZE", FIELD(recorder_bytes), "16MB", SIZE(MB, GB),
    "What the recorder may hold in memory." },
  { "VIGIL_HEAP_MODE", FIELD(heap_mode), "fork", WORD(heap_words),
    "`fork` takes a heap snapshot in a child process while the program goes "
    "on, `inprocess` stops the program for it, `off` takes none..." },
  { "VIGIL_HEAP_FALLBACK", FIELD(heap_fallback), "inprocess",
    WORD(fallback_words),
    "...and this is done where a fork is not allowed: in the process only up "
    "to a heap of 128 MB." },
  { "VIGIL_HEAP_TIME", FIELD(heap_time_ns), "5m", DURATION(VIGIL__SEC, HOUR),
    "A child that has not written its snapshot after this long is ended." },
  { "VIGIL_NEAR_HEAP_LIMIT", FIELD(near_heap_limit), "1", COUNT(0, 10),
    "How many heap snapshots a process takes when its main thread's heap "
    "reaches its limit. The program stands still for it, 30 s at most, and "
    "then ends as ever." },
  { "VIGIL_LEAK", FIELD(leak), "off", WORD(switch_words),
    "Whether the heap of a watched process is looked at three times for what "
    "grows with the work: see docs/leak.md. Once something was found it is "
    "over; else it begins again, after twice the time." },
  { "VIGIL_LEAK_EVERY", FIELD(leak_every_ns), "10m", DURATION(VIGIL__SEC, 24 * HOUR),
    "The time before the first of these, and from one to the next." },
  { "VIGIL_REDACT", FIELD(redact), "off", WORD(switch_words),
    "Whether heap snapshots show only the lengths of strings. Names of "
    "properties, functions and files stay." },
  { "VIGIL_SIGNAL", FIELD(signal), "off", SIGNAL,
    "This signal captures, unless the program handles it." },
  { "VIGIL_EXIT_WAIT", FIELD(exit_wait_ns), "3s", DURATION(0, MIN),
    "How long the end of the process waits for a capture that runs." },
  { "VIGIL_LOG", FIELD(log), "text", LOG_OR_OFF,
    "Where to, and how, Vigil says what happens: a line for each incident, each "
    "that is refused or fails, and each trouble of its own." },
  { "VIGIL_DIR", FIELD(dir), "${TMPDIR:-/tmp}/vigil-<uid>", PATH,
    "Where incidents are written. What the rest of this table bounds is kept "
    "there, too, for all processes that share it." },
  { "VIGIL_COOLDOWN", FIELD(cooldown_ns), "10m", DURATION(0, 24 * HOUR),
    "No new incident this soon after the last one in `VIGIL_DIR`." },
  { "VIGIL_PER_HOUR", FIELD(per_hour), "3", COUNT(1, 60),
    "No more incidents an hour than this, but for one at least twice as bad "
    "as all of them." },
  { "VIGIL_DISK", FIELD(disk_bytes), "1GB", SIZE(16 * MB, TB),
    "What all incidents may take; the oldest go first." },
  { "VIGIL_DISK_FREE", FIELD(disk_free_bytes), "auto", SIZE_OR_AUTO(0, TB),
    "No incident when less than this is free; `auto` is 256 MB, or 5 % of a "
    "smaller file system than 5 GB." },
  { "VIGIL_HOST_CAPTURES", FIELD(host_captures), "2", COUNT(1, 64),
    "No more processes than this capture at once." },
  { "VIGIL_METRICS", FIELD(metrics), "off", LISTEN_OR_OFF,
    "Where the process serves `/metrics`, `/status`, `/ready` and `/live` over "
    "HTTP while it is watched." },
  { "VIGIL_READY_AFTER", FIELD(ready_after_ns), "0s", DURATION(0, HOUR),
    "For how long after an incident `/ready` still says 503." },
  { "VIGIL_CONTROL", FIELD(control), "auto", SOCKET_OR_OFF,
    "Where the process can be looked at and asked for captures by its own user "
    "(the command `vigil`) while it is watched; `auto` is "
    "`control-<pid>.sock` in `VIGIL_DIR`. See docs/control.md." },
  { "VIGIL_REPORT", FIELD(report), "on", WORD(switch_words),
    "Whether each incident gets a `report.html`, made by a process of its own." },
  { "VIGIL_UPLOAD", FIELD(upload), "off", TEXT_OR_OFF(BUCKET),
    "Where incidents are uploaded to; credentials come from the usual `AWS_*` "
    "variables." },
  { "VIGIL_UPLOAD_ENDPOINT", FIELD(for_helper), "${AWS_ENDPOINT_URL_S3}",
    TEXT(URL), "The store, where it is not that of AWS." },
  { "VIGIL_UPLOAD_PATH_STYLE", FIELD(for_helper), "auto", WORD(path_style_words),
    "Whether the bucket is part of the path and not of the host's name." },
  { "VIGIL_UPLOAD_COMPRESS", FIELD(for_helper), "gzip", WORD(compress_words),
    "How files are compressed for it." },
  { "VIGIL_UPLOAD_RATE", FIELD(for_helper), "10MB", SIZE(1 << 10, TB),
    "No more bytes than this are sent in a second." },
  { "VIGIL_LINK", FIELD(for_helper), "presign", TEXT_OR_OFF(LINK),
    "The links that an alert has: signed ones that everybody can open for a "
    "while, or as this pattern says." },
  { "VIGIL_LINK_TIME", FIELD(for_helper), "7d", DURATION(MIN, 7 * 24 * HOUR),
    "How long signed links are good." },
  { "VIGIL_ALERT", FIELD(alert), "off", TEXT_OR_OFF(URL),
    "Gets a message about each incident by HTTP POST..." },
  { "VIGIL_ALERT_FORMAT", FIELD(for_helper), "auto", WORD(alert_words),
    "...in this form; `auto` goes by its host..." },
  { "VIGIL_ALERT_SECRET", FIELD(for_helper), "", TEXT(SECRET),
    "...signed with this secret..." },
  { "VIGIL_ALERT_KEY", FIELD(for_helper), "", TEXT(SECRET),
    "...and with this key, where the receiver wants one (PagerDuty)." },
  { "VIGIL_ON_INCIDENT", FIELD(on_incident), "off", TEXT_OR_OFF(TEXT),
    "A command of the shell that is run for each incident." },
  { "VIGIL_SERVICE", FIELD(for_helper), "${OTEL_SERVICE_NAME}", TEXT(TEXT),
    "The service that uploads and messages name..." },
  { "VIGIL_VERSION", FIELD(for_helper), "service.version of "
    "${OTEL_RESOURCE_ATTRIBUTES}", TEXT(TEXT), "...and its version." },
  { "VIGIL_SHIP_GRACE", FIELD(ship_grace_ns), "3s", DURATION(0, MIN),
    "How long the end of the process waits for incidents that are being "
    "shipped." },
  { "VIGIL_FLEET", FIELD(fleet), "off", TEXT_OR_OFF(QUOTA),
    "No more incidents than this of all processes of the service and version: "
    "kept in the store of `VIGIL_UPLOAD`." },
};

#define VARIABLES (sizeof(variables) / sizeof(variables[0]))
_Static_assert(VARIABLES <= 64, "one bit each in `refused`");

static bool parse_log(char* field, const char* s) {
  struct vigil__log_to to;

  if (strlen(s) >= VIGIL__LOG_TO || !vigil__log_parse(s, &to))
    return false;
  strcpy(field, s);
  return true;
}

static bool parse_listen(const struct variable* v, char* field,
                         const char* s) {
  struct vigil__listen l;

  if (strcmp(s, v->form.other) == 0) {
    *field = '\0';
    return true;
  }
  if (strlen(s) >= VIGIL__LISTEN_TEXT || !vigil__listen_parse(&l, s))
    return false;
  strcpy(field, s);
  return true;
}

static bool parse_socket(const struct variable* v, char* field,
                         const char* s) {
  if (strcmp(s, v->form.other) == 0)
    s = "";
  else if (strcmp(s, "auto") != 0 &&
           (*s != '/' || strlen(s) >= VIGIL__LISTEN_PATH))
    return false;
  strcpy(field, s);
  return true;
}

/* Leaves the field as it is when it does not understand `s`. */
static bool parse(const struct variable* v, struct vigil__config* c,
                  const char* s, const char** why) {
  char* field = (char*) c + v->offset;
  uint64_t value;

  *why = NULL;
  if (v->form.kind == VIGIL__VALUE_LOG)
    return parse_log(field, s);
  if (v->form.kind == VIGIL__VALUE_PATH) {
    if (*s == '\0' || strlen(s) >= VIGIL__DIR_MAX)
      return false;
    strcpy(field, s);
    return true;
  }
  if (v->form.kind == VIGIL__VALUE_LISTEN)
    return parse_listen(v, field, s);
  if (v->form.kind == VIGIL__VALUE_SOCKET)
    return parse_socket(v, field, s);
  if (!vigil__value_parse(&v->form, s, &value, why))
    return false;
  memcpy(field, &value, sizeof(value));
  return true;
}

static bool is_secret(const struct variable* v) {
  return v->form.kind == VIGIL__VALUE_SECRET ||
         v->form.kind == VIGIL__VALUE_URL;
}

/* Texts stand for what they are when they are not set; but `off`. */
static void set_standard(const struct variable* v, struct vigil__config* c) {
  const char* why;

  if (v->form.other != NULL || !vigil__text_is_kind(v->form.kind))
    parse(v, c, v->standard, &why);
}

/* Also when TMPDIR is too long to append to. */
static void default_dir(char* dir, const char* tmp, unsigned uid) {
  if (tmp == NULL || *tmp == '\0' || strlen(tmp) > VIGIL__DIR_MAX - 32)
    tmp = "/tmp";
  snprintf(dir, VIGIL__DIR_MAX, "%s/vigil-%u", tmp, uid);
}

void vigil__config_read(struct vigil__config* c,
                        unsigned uid,
                        vigil__config_get get,
                        vigil__config_line complain,
                        void* arg) {
  char used[VIGIL__DIR_MAX];
  char line[VIGIL__DIR_MAX + 384];
  char shown[SHOWN];
  char form[VIGIL__VALUE_FORM];
  const struct variable* v;
  const char* value;
  const char* why;

  memset(c, 0, sizeof(*c));
  for (v = variables; v < variables + VARIABLES; v++) {
    if (v->form.kind == VIGIL__VALUE_PATH)
      default_dir((char*) c + v->offset, get(arg, "TMPDIR"), uid);
    else
      set_standard(v, c);
    value = get(arg, v->name);
    /* As it is usual for variables that hold texts, empty is not set. */
    if (value == NULL || parse(v, c, value, &why) ||
        (*value == '\0' && vigil__text_is_kind(v->form.kind)))
      continue;
    c->refused |= UINT64_C(1) << (v - variables);
    vigil__text_escape(shown, sizeof(shown),
                       is_secret(v) ? "(not shown)" : value);
    vigil__text_escape(used, sizeof(used),
                       v->form.kind == VIGIL__VALUE_PATH
                           ? (char*) c + v->offset
                           : v->standard[0] == '\0' ? "none" : v->standard);
    vigil__value_form_print(&v->form, form, sizeof(form));
    snprintf(line, sizeof(line), "%s=\"%s\" is not %s%s: want %s; using %s",
             v->name, shown, why == NULL ? "understood" : "possible, ",
             why == NULL ? "" : why, form, used);
    complain(arg, line);
  }
}

bool vigil__config_value(const char* name,
                         const char* s,
                         uint64_t* value,
                         char form[VIGIL__CONFIG_FORM]) {
  const struct variable* v = variables;
  const char* why;

  while (strcmp(v->name, name) != 0)
    v++;
  if (form != NULL)
    vigil__value_form_print(&v->form, form, VIGIL__CONFIG_FORM);
  return vigil__value_parse(&v->form, s, value, &why);
}

bool vigil__config_is_good(const struct vigil__config* c, const char* name) {
  const struct variable* v;

  for (v = variables; v < variables + VARIABLES; v++)
    if (strcmp(v->name, name) == 0)
      return (c->refused >> (v - variables) & 1) == 0;
  return false;
}

void vigil__config_print(vigil__config_line print, void* arg) {
  const struct variable* v;
  char line[512];
  char form[VIGIL__VALUE_FORM];

  print(arg, "| Variable | Default | Value | Meaning |");
  print(arg, "|---|---|---|---|");
  for (v = variables; v < variables + VARIABLES; v++) {
    vigil__value_form_print(&v->form, form, sizeof(form));
    snprintf(line, sizeof(line), "| `%s` | `%s` | %s | %s |", v->name,
             v->standard[0] == '\0' ? "none" : v->standard, form, v->help);
    print(arg, line);
  }
}
