/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "child.h"

#include "child_own.h"
#include "os.h"
#include "reap.h"

#include <errno.h>
#include <signal.h>    /* SIGALRM */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BEGUN, DONE };

struct vigil__child_result {
  atomic_int state;
  int error;
  uint64_t bytes;
  uint64_t own_bytes;
  char sha256[65];
};

int vigil__child_open(struct vigil__child* c,
                      struct vigil__artifact_file* file) {
  void* at = mmap(NULL, sizeof(*c->result), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  memset(c, 0, sizeof(*c));
  c->pidfd = -1;
  c->file = file;
  if (at == MAP_FAILED)
    return -errno;
  c->result = at;
  return 0;
}

int vigil__child_fork(void* child) {
  struct vigil__child* c = child;
  const bool main_thread = getpid() == gettid();
  const pid_t parent = getpid();
  const vigil__mono_t began = vigil__os.mono();
  const pid_t pid = fork();

  if (pid == 0) {
    vigil__child_settle(c, parent, main_thread);
    return 0;
  }
  if (pid < 0)
    return -errno;
  c->forked = vigil__os.mono();
  c->fork_ns = c->forked - began;
  c->pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
  c->pid = pid;
  return pid;
}

/* ---- the child */

struct target {
  struct vigil__child* child;
  pid_t parent;
};

static int sink(void* arg, const char* data, size_t len) {
  struct target* t = arg;

  /* Nobody waits for it any more. */
  if (getppid() != t->parent)
    _exit(1);
  return vigil__artifact_file_write(t->child->file, data, len);
}

_Noreturn void vigil__child_fail(void* child, int error) {
  struct vigil__child* c = child;

  c->result->error = error;
  /* Pairs with the acquiring load in vigil__child_poll(). */
  atomic_store_explicit(&c->result->state, DONE, memory_order_release);
  _exit(0);
}

_Noreturn void vigil__child_run(void* child) {
  struct vigil__child* c = child;
  struct target t = { c, getppid() };
  int err = c->fill(c->what, sink, &t);

  if (err == 0)
    err = vigil__artifact_file_close(c->file);
  c->result->bytes = c->file->bytes;
  c->result->own_bytes = vigil__child_own_bytes();
  memcpy(c->result->sha256, c->file->sha256, sizeof(c->result->sha256));
  vigil__child_fail(c, err);
}

/* ---- the watch thread */

void vigil__child_kill(struct vigil__child* c) {
  if (c->pid != 0)
    vigil__reap_kill(c->pid, c->pidfd);
}

int vigil__child_poll(struct vigil__child* c,
                      vigil__mono_t now,
                      struct vigil__child_end* end) {
  const struct vigil__child_result* r = c->result;
  const uint64_t ns = now > c->forked ? now - c->forked : 0;
  int status;

  memset(end, 0, sizeof(*end));
  if (!vigil__reap(c->pid, c->pidfd, &status)) {
    if (ns > c->time_ns)
      vigil__child_kill(c);
    return -EAGAIN;
  }
  end->ns = ns;
  /* Without a status what counts is what it said, and that it is gone. */
  end->signal = status != -1 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (atomic_load_explicit(&r->state, memory_order_acquire) == DONE) {
    end->error = r->error;
    end->own_bytes = r->own_bytes;
  } else {
    end->error = -ECANCELED;
    end->late = ns > c->time_ns || end->signal == SIGALRM;
  }
  if (end->error == 0)
    end->error = vigil__artifact_file_adopt(c->file, r->bytes, r->sha256);
  else
    vigil__artifact_file_drop(c->file);
  c->pid = 0;
  return 0;
}

void vigil__child_close(struct vigil__child* c) {
  if (c->result == NULL)
    return;
  if (c->pid == 0)
    vigil__artifact_file_drop(c->file);
  if (c->pidfd >= 0)
    vigil__os.close(c->pidfd);
  munmap(c->result, sizeof(*c->result));
  memset(c, 0, sizeof(*c));
}
