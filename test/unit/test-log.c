/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "log.h"
#include "os.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A stderr that takes at most `most` bytes at once. */
static char got[3 * VIGIL__LOG_LINE];
static size_t got_len;
static int writes;
static size_t most = SIZE_MAX;
static int interrupts;       /* So many calls give -EINTR or -EAGAIN first. */
static int full_after = INT_MAX;  /* So many writes; then nobody reads. */
static vigil__mono_t now = 1;
static int waited_ms;

static vigil__mono_t fake_mono(void) {
  return now;
}

static ssize_t fake_write(int fd, const void* data, size_t len) {
  CHECK_EQ(fd, 2);
  if (interrupts > 0)
    return interrupts-- % 2 ? -EINTR : -EAGAIN;
  writes++;
  len = len < most ? len : most;
  CHECK_OP(got_len + len, <, sizeof(got));
  memcpy(got + got_len, data, len);
  got_len += len;
  got[got_len] = '\0';
  return (ssize_t) len;
}

static int fake_poll(struct pollfd* fds, nfds_t n, int timeout_ms) {
  CHECK_EQ(n, 1);
  CHECK_EQ(fds->fd, 2);
  CHECK_EQ(fds->events, POLLOUT);
  CHECK_OP(timeout_ms, >, 0);
  CHECK_OP(timeout_ms, <=, VIGIL__LOG_WAIT_MS);
  if (writes >= full_after) {
    now += (uint64_t) timeout_ms * VIGIL__MS;
    waited_ms += timeout_ms;
    return 0;
  }
  fds->revents = POLLOUT;
  return 1;
}

static void setup(void) {
  vigil__os.mono = fake_mono;
  vigil__os.write = fake_write;
  vigil__os.poll = fake_poll;
}

TEST(log_one_line_is_one_write) {
  setup();
  vigil__log("%d lags of %s", 3, "main");
  CHECK_STR(got, "vigil: 3 lags of main\n");
  CHECK_EQ(writes, 1);
  CHECK_EQ(vigil__log_dropped(), 0);
}

TEST(log_escapes_control_characters) {
  setup();
  vigil__log("%s", "a\nvigil: forged\x1b[2J");
  CHECK_STR(got, "vigil: a\\x0avigil: forged\\x1b[2J\n");
}

TEST(log_long_line_is_shortened) {
  static char text[2 * VIGIL__LOG_LINE];

  setup();
  memset(text, 'x', sizeof(text) - 1);
  vigil__log("%s", text);
  CHECK_OP(got_len, <=, VIGIL__LOG_LINE);
  CHECK_OP(got_len, >, VIGIL__LOG_LINE - 10);
  CHECK_STR(got + got_len - 5, "x...\n");
  got_len = 0;
  memset(text, '\n', sizeof(text) - 1);
  vigil__log("%s", text);
  CHECK_OP(got_len, <=, VIGIL__LOG_LINE);
  CHECK_STR(got + got_len - 8, "\\x0a...\n");
}

TEST(log_goes_on_after_partial_and_interrupted_writes) {
  setup();
  most = 5;
  interrupts = 6;
  vigil__log("a line in pieces");
  CHECK_STR(got, "vigil: a line in pieces\n");
  CHECK_OP(writes, >, 1);
  CHECK_EQ(vigil__log_dropped(), 0);
}

TEST(log_full_stderr_drops_after_a_while) {
  setup();
  full_after = 0;
  vigil__log("nobody reads this");
  CHECK_EQ(vigil__log_dropped(), 1);
  CHECK_EQ(waited_ms, VIGIL__LOG_WAIT_MS);
  CHECK_EQ(got_len, 0);
  full_after = 2;
  most = 3;
  vigil__log("cut");
  CHECK_EQ(vigil__log_dropped(), 2);
  full_after = INT_MAX;
  vigil__log("again");
  CHECK_EQ(vigil__log_dropped(), 2);
}

static ssize_t always_again(int fd, const void* data, size_t len) {
  (void) fd, (void) data, (void) len;
  now += VIGIL__MS;
  return -EAGAIN;
}

static int always_interrupted(struct pollfd* fds, nfds_t n, int timeout_ms) {
  (void) fds, (void) n, (void) timeout_ms;
  now += VIGIL__MS;
  return -EINTR;
}

TEST(log_ends_though_it_makes_no_progress) {
  setup();
  vigil__os.write = always_again;
  vigil__log("a");
  CHECK_EQ(vigil__log_dropped(), 1);
  vigil__os.poll = always_interrupted;
  vigil__log("b");
  CHECK_EQ(vigil__log_dropped(), 2);
}

static int failing_poll(struct pollfd* fds, nfds_t n, int timeout_ms) {
  (void) fds, (void) n, (void) timeout_ms;
  return -ENOMEM;
}

static ssize_t failing_write(int fd, const void* data, size_t len) {
  (void) fd, (void) data, (void) len;
  return -ENOSPC;
}

TEST(log_errors_drop) {
  setup();
  vigil__os.write = failing_write;
  vigil__log("a");
  CHECK_EQ(vigil__log_dropped(), 1);
  vigil__os.poll = failing_poll;
  vigil__log("b");
  CHECK_EQ(vigil__log_dropped(), 2);
}

/* The rest on real descriptors. */
TEST(log_into_a_full_blocking_pipe_does_not_hang) {
  char block[4096];
  int fds[2];

  CHECK_EQ(pipe(fds), 0);
  CHECK_EQ(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
  memset(block, 'x', sizeof(block));
  while (write(fds[1], block, sizeof(block)) > 0)
    continue;
  CHECK_EQ(fcntl(fds[1], F_SETFL, 0), 0);
  dup2(fds[1], 2);
  vigil__log("lost");
  CHECK_EQ(vigil__log_dropped(), 1);
}

TEST(log_into_a_pipe_without_reader_raises_no_signal) {
  int fds[2];

  signal(SIGPIPE, SIG_DFL);
  CHECK_EQ(pipe(fds), 0);
  dup2(fds[1], 2);
  close(fds[0]);
  vigil__log("lost");
  CHECK_EQ(vigil__log_dropped(), 1);
}

TEST(log_into_a_closed_stderr) {
  close(2);
  vigil__log("lost");
  CHECK_EQ(vigil__log_dropped(), 1);
}

TEST(log_into_a_pipe_and_a_file) {
  char text[100] = "";
  char path[PATH_MAX];
  int fds[2];
  int fd;

  CHECK_EQ(pipe(fds), 0);
  dup2(fds[1], 2);
  vigil__log("%s", "hello");
  CHECK_EQ(read(fds[0], text, sizeof(text) - 1), 13);
  CHECK_STR(text, "vigil: hello\n");

  strcpy(path, test_dir());
  strcat(path, "/log");
  fd = open(path, O_RDWR | O_CREAT, 0600);
  dup2(fd, 2);
  vigil__log("%s", "file!");
  memset(text, 0, sizeof(text));
  CHECK_EQ(pread(fd, text, sizeof(text) - 1, 0), 13);
  CHECK_STR(text, "vigil: file!\n");
}
