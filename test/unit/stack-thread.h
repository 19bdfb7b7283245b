/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* A thread whose stack the tests take, and what it does meanwhile. */

#ifndef VIGIL_STACK_THREAD_H_
#define VIGIL_STACK_THREAD_H_

#include "clock.h"
#include "stack.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE (20 * VIGIL__SEC)  /* Against a hang only. */

/* Keeps a call from becoming a jump. */
#define NOT_LAST() __asm__ volatile("" ::: "memory")

struct stack_thread {
  pthread_t thread;
  struct vigil__stack_target target;
  void (*run)(struct stack_thread* self);
  atomic_int ready;             /* 1: the target is; 2, 3: as run() says. */
  atomic_int go;                /* As run() says. */
  atomic_int stop;
  int pipe[2];
  int result;
};

static void* stack_thread_main(void* arg) {
  struct stack_thread* t = arg;

  vigil__stack_target_init(&t->target);
  atomic_store(&t->ready, 1);
  t->run(t);
  NOT_LAST();
  return NULL;
}

static inline void stack_thread_await(atomic_int* what, int value) {
  while (atomic_load(what) < value)
    sched_yield();
}

static inline void stack_thread_start(struct stack_thread* t,
                                      void (*run)(struct stack_thread* self)) {
  memset(t, 0, sizeof(*t));
  t->run = run;
  CHECK_EQ(pipe(t->pipe), 0);
  CHECK_EQ(pthread_create(&t->thread, NULL, stack_thread_main, t), 0);
  stack_thread_await(&t->ready, 1);
}

/* Ends what the thread does; the target is closed, but not from within. */
static inline void stack_thread_end(struct stack_thread* t) {
  atomic_store(&t->stop, 1);
  CHECK_EQ(write(t->pipe[1], "x", 1), 1);
  CHECK_EQ(pthread_join(t->thread, NULL), 0);
  vigil__stack_target_close(&t->target);
  close(t->pipe[0]);
  close(t->pipe[1]);
}

/* Waits until the kernel says that it sleeps in this system call. */
static inline void stack_thread_await_syscall(struct stack_thread* t,
                                              long number) {
  char path[64];
  char line[256];
  FILE* f;

  snprintf(path, sizeof(path), "/proc/self/task/%d/syscall",
           (int) t->target.tid);
  for (;;) {
    f = fopen(path, "r");
    CHECK(f != NULL);
    CHECK(fgets(line, sizeof(line), f) != NULL);
    fclose(f);
    if (line[0] != 'r' && strtol(line, NULL, 10) == number)
      return;
    sched_yield();
  }
}

static inline void stack_thread_spin(struct stack_thread* t) {
  atomic_fetch_add(&t->ready, 1);
  while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
  }
}

static inline void stack_thread_read(struct stack_thread* t) {
  char c;

  /* Not by way of what a sanitizer puts around read(). */
  t->result = (int) syscall(SYS_read, t->pipe[0], &c, 1);
}

#endif  /* VIGIL_STACK_THREAD_H_ */
