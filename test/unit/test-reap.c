/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "os.h"
#include "reap.h"
#include "test.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(int* pidfd) {
  const pid_t pid = fork();

  if (pid == 0) {
    pause();
    _exit(0);
  }
  *pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
  CHECK(*pidfd >= 0);
  return pid;
}

static pid_t victim;
static int (*real_poll)(struct pollfd*, nfds_t, int);

TEST(reap_gets_the_status) {
  int pidfd;
  const pid_t pid = start(&pidfd);
  int status;

  CHECK(!vigil__reap(pid, pidfd, &status));
  vigil__reap_kill(pid, pidfd);
  while (!vigil__reap(pid, pidfd, &status))
    usleep(1000);
  CHECK(WIFSIGNALED(status));
  CHECK_EQ(WTERMSIG(status), SIGKILL);
  CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
  close(pidfd);
}

/* It ends between two questions: nothing may be taken for its status, and no
 * zombie be left. */
static int poll_late(struct pollfd* fds, nfds_t n, int timeout) {
  kill(victim, SIGTERM);
  real_poll(fds, n, -1);
  return real_poll(fds, n, timeout);
}

TEST(reap_when_it_ends_meanwhile) {
  struct vigil__os os = vigil__os;
  int pidfd;
  int status;

  victim = start(&pidfd);
  real_poll = vigil__os.poll;
  vigil__os.poll = poll_late;
  while (!vigil__reap(victim, pidfd, &status)) {
    kill(victim, SIGTERM);
    usleep(1000);
  }
  vigil__os = os;
  CHECK(WIFSIGNALED(status));
  CHECK_EQ(WTERMSIG(status), SIGTERM);
  CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
  close(pidfd);
}

TEST(reap_when_somebody_else_has_the_status) {
  int pidfd;
  const pid_t pid = start(&pidfd);
  int status;

  vigil__reap_kill(pid, -1);
  CHECK_EQ(waitpid(-1, NULL, 0), pid);
  CHECK(vigil__reap(pid, pidfd, &status));
  CHECK_EQ(status, -1);
  CHECK(vigil__reap(pid, -1, &status));
  CHECK_EQ(status, -1);
  close(pidfd);
}

TEST(reap_when_the_kernel_drops_the_status) {
  const struct sigaction ignore = { .sa_handler = SIG_IGN };
  int pidfd;
  int status;
  pid_t pid;

  sigaction(SIGCHLD, &ignore, NULL);
  pid = start(&pidfd);
  CHECK(!vigil__reap(pid, pidfd, &status));
  vigil__reap_kill(pid, pidfd);
  while (!vigil__reap(pid, pidfd, &status))
    usleep(1000);
  CHECK_EQ(status, -1);
  close(pidfd);
}
