/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* An add-on that forks, waits for children and forbids forks, as native code of
 * a program may. */

#include "addon.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RANGES 4096

/* How many of the pages that begin these ranges are there. */
static int count_mapped(const uint64_t* at, size_t n) {
  unsigned char core;
  int mapped = 0;
  size_t i;

  for (i = 0; i < n; i++)
    mapped += mincore((void*) at[i], 1, &core) == 0;
  return mapped;
}

/* Arguments: addresses of pages, as a BigUint64Array; whether to look in a child
 * that was forked and runs nothing else, or here. */
static napi_value mapped(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);
  static uint64_t at[RANGES];
  bool forked = false;
  int pipes[2];
  int found = -1;
  int status;
  void* data;
  size_t n;
  pid_t pid;

  napi_get_typedarray_info(env, a.value[0], NULL, &n, &data, NULL, NULL);
  napi_get_value_bool(env, a.value[1], &forked);
  if (n > RANGES)
    return throw_error(env, "too many");
  memcpy(at, data, n * sizeof(at[0]));
  if (!forked)
    return number(env, count_mapped(at, n));
  if (pipe(pipes) != 0)
    return throw_error(env, "pipe");
  pid = fork();
  if (pid == 0) {
    found = count_mapped(at, n);
    _exit(write(pipes[1], &found, sizeof(found)) == sizeof(found) ? 0 : 1);
  }
  if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 ||
      read(pipes[0], &found, sizeof(found)) != sizeof(found))
    return throw_error(env, "fork");
  close(pipes[0]);
  close(pipes[1]);
  return number(env, found);
}

/* Waits for whatever child there is, without blocking: its process id, 0, or
 * -1. */
static napi_value reap(napi_env env, napi_callback_info info) {
  (void) info;
  return number(env, waitpid(-1, NULL, WNOHANG));
}

static napi_value ignore_children(napi_env env, napi_callback_info info) {
  (void) info;
  if (signal(SIGCHLD, SIG_IGN) == SIG_ERR)
    return throw_error(env, "signal");
  return NULL;
}

/* No thread of this process may fork from now on; threads may be made. */
static napi_value forbid_forks(napi_env env, napi_callback_info info) {
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fork, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
  };
  const struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

  (void) info;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
              &program) != 0)
    return throw_error(env, "seccomp");
  return NULL;
}

/* No more processes of this user. */
static napi_value limit_processes(napi_env env, napi_callback_info info) {
  const struct rlimit limit = { 1, 1 };

  (void) info;
  if (setrlimit(RLIMIT_NPROC, &limit) != 0)
    return throw_error(env, "setrlimit");
  return NULL;
}

NAPI_MODULE_INIT() {
  add(env, exports, "mapped", mapped);
  add(env, exports, "reap", reap);
  add(env, exports, "ignoreChildren", ignore_children);
  add(env, exports, "forbidForks", forbid_forks);
  add(env, exports, "limitProcesses", limit_processes);
  return exports;
}
