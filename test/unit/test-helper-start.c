/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "helper_start.h"
#include "os.h"
#include "reap.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char said[8192];
static struct vigil__helper_process process;

static int wait_for_end(void) {
  int status;

  while (!vigil__reap(process.pid, process.pidfd, &status))
    poll(NULL, 0, 1);
  return status;
}

/* Starts `sh -c script` and reads all it says. The status of waitpid(2). */
static int run(const char* script, struct vigil__helper_order* order) {
  char* argv[] = { "sh", "-c", (char*) script, NULL };
  char* env[] = { "PATH=/usr/bin:/bin", "A=1", NULL };
  struct pollfd out = { .events = POLLIN };
  size_t len = 0;
  int status;
  ssize_t r;

  order->path = "/bin/sh";
  order->argv = argv;
  order->env = env;
  if (order->seconds == 0)
    order->seconds = 30;
  CHECK_EQ(vigil__helper_start(order, &process), 0);
  CHECK_OP(process.pid, >, 0);
  out.fd = process.out;
  while ((r = read(process.out, said + len, sizeof(said) - 1 - len)) != 0) {
    if (r > 0)
      len += (size_t) r;
    else if (errno == EAGAIN)
      poll(&out, 1, 1000);
    else
      test_fail(__FILE__, __LINE__, "read: %s", strerror(errno));
  }
  said[len] = '\0';
  status = wait_for_end();
  vigil__helper_close(&process);
  return status;
}

static struct vigil__helper_order order_in(const char* dir) {
  return (struct vigil__helper_order) {
    .input = "the input", .input_len = 9, .lock = -1,
    .dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  };
}

#define SAID(text) CHECK(strstr(said, text) != NULL)

TEST(helper_start_gives_it_what_was_ordered) {
  struct vigil__helper_order o = order_in("/usr");
  const int fds = test_open_fds();
  int status;

  status = run("cat; echo; pwd; echo $A-$HOME; echo err >&2; exit 7", &o);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 7);
  CHECK_STR(said, "the input\n/usr\n1-\nerr\n");
  CHECK_EQ(test_open_fds(), fds);
}

TEST(helper_start_inherits_nothing) {
  const struct sigaction ignore = { .sa_handler = SIG_IGN };
  const int null = open("/dev/null", O_RDWR);
  struct vigil__helper_order o;
  int nice;
  int session;
  int pid;
  sigset_t set;

  /* Without close-on-exec, low and high. */
  CHECK_EQ(dup2(null, 3), 3);
  CHECK_EQ(dup2(null, 100), 100);
  o = order_in("/");
  sigaction(SIGPIPE, &ignore, NULL);
  sigaction(SIGTERM, &ignore, NULL);
  sigfillset(&set);
  sigprocmask(SIG_SETMASK, &set, NULL);
  o.data_bytes = UINT64_C(1) << 30;
  run("ls -l /proc/self/fd | grep -c -- '->'; ps -o ni=,sid=,pid= -p $$;"
      "cat /proc/self/status /proc/self/limits", &o);
  /* Its three, and the one that ls opens. */
  CHECK_EQ(sscanf(said, "4 %d %d %d", &nice, &session, &pid), 3);
  CHECK_EQ(nice, 10);
  CHECK_EQ(session, pid);
  SAID("SigBlk:\t0000000000000000");
  SAID("SigIgn:\t0000000000000000");
  SAID("Max core file size        0                    0 ");
  SAID("Max data size             1073741824           1073741824 ");
  /* This process has its own as ever. */
  CHECK_EQ(getpriority(PRIO_PROCESS, 0), 0);
  sigprocmask(SIG_SETMASK, NULL, &set);
  CHECK(sigismember(&set, SIGTERM));
}

TEST(helper_start_hands_the_lock_over) {
  char path[] = "/tmp/vigil-unit-XXXXXX";
  const int lock = mkstemp(path);
  struct vigil__helper_order o = order_in("/");
  char* argv[] = { "sh", "-c", "exec sleep 60", NULL };
  char* env[] = { NULL };
  const int again = open(path, O_RDWR);
  int status;

  CHECK_EQ(flock(lock, LOCK_EX | LOCK_NB), 0);
  fcntl(lock, F_SETFD, FD_CLOEXEC);
  o.lock = lock;
  o.path = "/bin/sh";
  o.argv = argv;
  o.env = env;
  o.seconds = 60;
  CHECK_EQ(vigil__helper_start(&o, &process), 0);
  close(lock);
  CHECK_EQ(flock(again, LOCK_EX | LOCK_NB), -1);
  CHECK_EQ(vigil__reap(process.pid, process.pidfd, &status), false);
  vigil__reap_kill(process.pid, process.pidfd);
  status = wait_for_end();
  CHECK(WIFSIGNALED(status));
  CHECK_EQ(WTERMSIG(status), SIGKILL);
  CHECK_EQ(flock(again, LOCK_EX | LOCK_NB), 0);
  vigil__helper_close(&process);
  unlink(path);
}

TEST(helper_start_says_why_not) {
  struct vigil__helper_order o = order_in("/");
  const int fds = test_open_fds();
  const int dir = o.dir;
  char* none[] = { NULL };

  o.path = "/proc/self/not-there";
  o.argv = o.env = none;
  o.seconds = 5;
  CHECK_EQ(vigil__helper_start(&o, &process), -ENOENT);
  o.path = "/etc/passwd";
  CHECK_EQ(vigil__helper_start(&o, &process), -EACCES);
  o.path = "/bin/true";
  o.dir = -1;
  CHECK_EQ(vigil__helper_start(&o, &process), -EBADF);
  o.dir = dir;
  CHECK_EQ(test_open_fds(), fds);
  /* No child is left. */
  CHECK_EQ(waitpid(-1, NULL, WNOHANG | __WALL), -1);
  CHECK_EQ(errno, ECHILD);
}

TEST(helper_start_ends_at_its_deadline) {
  struct vigil__helper_order o = order_in("/");
  int status;

  o.seconds = 1;
  status = run("exec sleep 60", &o);
  CHECK(WIFSIGNALED(status));
  CHECK_EQ(WTERMSIG(status), SIGALRM);
}

TEST(helper_start_where_somebody_else_waits) {
  struct vigil__helper_order o = order_in("/");
  const struct sigaction ignore = { .sa_handler = SIG_IGN };

  sigaction(SIGCHLD, &ignore, NULL);
  CHECK_EQ(run("echo x", &o), -1);
  CHECK_STR(said, "x\n");
}
