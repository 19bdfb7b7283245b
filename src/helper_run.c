/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "helper_run.h"

#include "helper_script.h"
#include "log.h"
#include "os.h"
#include "reap.h"

#include <errno.h>
#include <inttypes.h>  /* PRIu64 */
#include <stdio.h>     /* snprintf */
#include <string.h>
#include <sys/wait.h>  /* WIFSIGNALED */
#include <unistd.h>    /* read */

#define MB (UINT64_C(1) << 20)
#define END_TIME (5 * VIGIL__SEC)  /* From its last word to its end. */
#define LINES 20u      /* That one run may say. */

/* What Node's threads and V8's reservations count as data, without touching it:
 * 600 MB on 2 cores. */
#define RESERVED (UINT64_C(1) << 30)

/* V8's own heap gets about half of what there is, typed arrays the rest. */
static uint64_t heap_mb(uint64_t memory) {
  return memory / MB / 2;
}

int vigil__helper_run_start(struct vigil__helper_run* run,
                            const struct vigil__helper_task* task) {
  char name[] = "vigil-helper";
  char input[] = "--input-type=commonjs";
  char inspector[] = "--disable-sigusr1";
  char quiet[] = "--no-warnings";
  char from[] = "-";
  char heap[48];
  char memory[24];
  char* argv[] = {
    name, heap, input, inspector, quiet, from, (char*) task->name,
    (char*) task->dir->path, memory, NULL
  };
  const struct vigil__helper_order order = {
    .path = "/proc/self/exe",  /* Also where the file was replaced. */
    .argv = argv,
    .env = task->env,
    .input = vigil__helper_script,
    .input_len = vigil__helper_script_len,
    .dir = task->dir->fd,
    .lock = task->lock,
    .data_bytes = RESERVED + task->memory,
    /* For when this process has ended before. */
    .seconds = (unsigned) (task->time_ns / VIGIL__SEC) + 5
  };

  snprintf(heap, sizeof(heap), "--max-old-space-size=%" PRIu64,
           heap_mb(task->memory));
  snprintf(memory, sizeof(memory), "%" PRIu64, task->memory);
  memset(run, 0, sizeof(*run));
  run->task = task->name;
  run->deadline = vigil__os.mono() + task->time_ns;
  return vigil__helper_start(&order, &run->process);
}

static void pass_on(struct vigil__helper_run* run, const char* text) {
  if (run->said < LINES) {
    run->said++;
    vigil__log("%s", text);
  } else {
    run->unsaid++;
  }
}

/* The last line that speaks of an error, or else the first. */
static void remember(struct vigil__helper_run* run, const char* text) {
  if (text[0] != '\0' &&
      (run->why[0] == '\0' || strstr(text, "rror") != NULL ||
       strstr(text, "ERROR") != NULL))
    snprintf(run->why, sizeof(run->why), "%s", text);
}

/* What has been said counts, also of one that then hangs. */
static void end_soon(struct vigil__helper_run* run) {
  const vigil__mono_t latest = vigil__os.mono() + END_TIME;

  run->deadline = run->deadline < latest ? run->deadline : latest;
}

static void take_line(struct vigil__helper_run* run) {
  struct vigil__helper_said said;

  vigil__helper_line_parse(run->lines.line, &said);
  switch (said.word) {
    case VIGIL__HELPER_FAIL:
      run->failures++;
      pass_on(run, said.text);
      break;
    case VIGIL__HELPER_LOG:
      pass_on(run, said.text);
      break;
    case VIGIL__HELPER_TOTAL:
      if (said.total == VIGIL__HELPER_LEFT)
        run->total[said.total] = said.n;
      else
        run->total[said.total] += said.n;
      break;
    case VIGIL__HELPER_DONE:
      run->done = true;
      run->code = said.n;
      end_soon(run);
      break;
    case VIGIL__HELPER_OTHER:
      remember(run, said.text);
      break;
  }
}

/* All that is there, up to a limit: whoever writes faster than we read must not
 * keep us here. */
static void read_lines(struct vigil__helper_run* run) {
  char buf[4096];
  const char* at;
  size_t len;
  ssize_t r;
  int i;

  for (i = 0; i < 32; i++) {
    r = read(run->process.out, buf, sizeof(buf));
    if (r <= 0)
      return;
    at = buf;
    len = (size_t) r;
    while (vigil__helper_lines_take(&run->lines, &at, &len))
      take_line(run);
  }
}

static enum vigil__helper_end how(const struct vigil__helper_run* run,
                                  int status) {
  if (run->done)
    return run->code == 1 ? VIGIL__HELPER_FAILED : VIGIL__HELPER_ENDED;
  if (run->late)
    return VIGIL__HELPER_LATE;
  return status != -1 && WIFSIGNALED(status) ? VIGIL__HELPER_KILLED
                                             : VIGIL__HELPER_FAILED;
}

static void say(const struct vigil__helper_run* run,
                enum vigil__helper_end end, int status) {
  if (run->unsaid != 0)
    vigil__log("the helper said %u lines more", run->unsaid);
  if (end == VIGIL__HELPER_LATE)
    vigil__log("the helper (%s) was not done in time and was ended",
               run->task);
  else if (end == VIGIL__HELPER_KILLED)
    vigil__log("the helper (%s) was ended by %s%s%s", run->task,
               strsignal(WTERMSIG(status)), run->why[0] == '\0' ? "" : ": ",
               run->why);
  else if (!run->done)
    vigil__log("the helper (%s) did not finish%s%s", run->task,
               run->why[0] == '\0' ? "" : ": ", run->why);
}

bool vigil__helper_run_poll(struct vigil__helper_run* run,
                            vigil__mono_t now,
                            enum vigil__helper_end* end) {
  int status;

  read_lines(run);
  if (!vigil__reap(run->process.pid, run->process.pidfd, &status)) {
    if (now >= run->deadline && !run->late) {
      run->late = true;  /* Once. */
      vigil__reap_kill(run->process.pid, run->process.pidfd);
    }
    return false;
  }
  read_lines(run);
  *end = how(run, status);
  say(run, *end, status);
  vigil__helper_close(&run->process);
  return true;
}
