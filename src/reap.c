/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "reap.h"

#include "os.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

bool vigil__reap(pid_t pid, int pidfd, int* status) {
  struct pollfd ended = { .fd = pidfd, .events = POLLIN };
  const pid_t r = waitpid(pid, status, WNOHANG);

  if (r == pid)
    return true;
  *status = -1;
  /* 0: it has not ended, whatever the descriptor says a moment later: then the
   * next look gets the status. */
  if (r == 0 || errno != ECHILD)
    return false;
  return pidfd < 0 || vigil__os.poll(&ended, 1, 0) == 1;
}

void vigil__reap_kill(pid_t pid, int pidfd) {
  if (pidfd < 0)
    kill(pid, SIGKILL);
  else
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}
