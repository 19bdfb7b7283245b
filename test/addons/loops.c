/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* An add-on with loops of its own, each on a thread of its own, that block in
 * the phase and run in the mode that a test asks for, and stamp what they do.
 *
 *   start(mode, phase, ms, outsideMs) -> id
 *   wait(id) -> figures, once all of it has run; the loop is still there
 *   poke(id): a signal to its thread; stop(id): let "interrupted" go on
 *   end(id): closes the loop, ends the thread */

#include "addon.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#define LOOPS 256
#define MANY 1100  /* More than the 1024 events that one poll returns. */
#define TIMERS 4

struct own {
  char mode[32];
  char phase[32];
  uint64_t ns;
  uint64_t outside_ns;          /* Asleep between two runs. */
  uv_thread_t thread;
  uv_sem_t ran;
  uv_sem_t leave;
  atomic_int calm;              /* "interrupted": its start is over. */
  uv_loop_t loop;
  uv_async_t alive;             /* Keeps the loop alive; wakes it. */
  union {
    uv_handle_t handle;
    uv_timer_t timer;
    uv_idle_t idle;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_async_t async;
    uv_poll_t poll;
    uv_signal_t signal;
    uv_pipe_t pipe;
  } h;
  uv_async_t inner;             /* "nested": what the inner run does. */
  uv_work_t work;
  uv_fs_t fs;
  uv_write_t write;
  struct { uv_poll_t poll; int fd; } * many;
  int many_count;
  int fd[2];                    /* [1] is libuv's to close. */
  int calls;
  int done;
  const char* error;
  /* What a test wants to know. */
  uint64_t blocked;             /* Sum of all blocks, and the longest one. */
  uint64_t longest;
  uint64_t startup;             /* Until the first poll was over. */
  uint64_t inside;              /* In uv_run(). */
  uint64_t outside;             /* Between runs, since the first one. */
  uint64_t uring;               /* Rings that file system calls made. */
  uv_timer_t late[TIMERS];
  uint64_t due[TIMERS];
  uint64_t late_least;
  uint64_t late_most;
  uint64_t block_end;
  int late_count;
};

static struct own* owns[LOOPS];

static void block(struct own* o) {
  const uint64_t ns = block_sleep(o->ns);

  o->blocked += ns;
  if (ns > o->longest)
    o->longest = ns;
}

static void finish(struct own* o) {
  o->done = 1;
  uv_stop(&o->loop);
}

static void block_and_finish(struct own* o) {
  block(o);
  finish(o);
}

/* ---- phases */

static void on_timer(uv_timer_t* h) { block_and_finish(h->data); }
static void on_async(uv_async_t* h) { block_and_finish(h->data); }

/* The first of these belongs to start-up, maybe. */
static void second_call(struct own* o) {
  if (++o->calls == 2)
    block_and_finish(o);
}
static void on_idle(uv_idle_t* h) { second_call(h->data); }
static void on_prepare(uv_prepare_t* h) { second_call(h->data); }
static void on_check(uv_check_t* h) { second_call(h->data); }

static void on_poll(uv_poll_t* h, int status, int events) {
  (void) status;
  (void) events;
  uv_poll_stop(h);
  block_and_finish(h->data);
}

static void on_signal(uv_signal_t* h, int number) {
  (void) number;
  block_and_finish(h->data);
}

static void on_closed(uv_handle_t* h) { block_and_finish(h->data); }
static void on_timer_to_close(uv_timer_t* h) {
  uv_close((uv_handle_t*) h, on_closed);
}

static void do_nothing(uv_work_t* req) { (void) req; }
static void on_work(uv_work_t* req, int status) {
  (void) status;
  block_and_finish(req->data);
}

static void on_fs(uv_fs_t* req) {
  struct own* o = req->data;

  uv_fs_req_cleanup(req);
  block_and_finish(o);
}

static void on_written(uv_write_t* req, int status) {
  (void) status;
  block_and_finish(req->data);
}

/* Three blocks: one before an inner run, one inside of it, and one after. */
static void on_inner(uv_async_t* h) {
  struct own* o = h->data;

  block(o);
  if (strcmp(o->phase, "nested-default") == 0)
    uv_stop(&o->loop);
}

static void on_timer_nested(uv_timer_t* h) {
  struct own* o = h->data;

  block(o);
  uv_async_send(&o->inner);
  uv_run(&o->loop, strcmp(o->phase, "nested-nowait") == 0 ? UV_RUN_NOWAIT
                 : strcmp(o->phase, "nested-once") == 0   ? UV_RUN_ONCE
                                                          : UV_RUN_DEFAULT);
  block_and_finish(o);
}

/* More events than one poll returns: the loop polls again in the same turn.
 * One block in each batch. */
static void on_one_of_many(uv_poll_t* h, int status, int events) {
  struct own* o = h->data;

  (void) status;
  (void) events;
  uv_poll_stop(h);
  o->calls++;
  if (o->calls == 1)
    block(o);
  if (o->calls == o->many_count)
    block_and_finish(o);
}

/* Timers that become due while the loop is blocked, and the one that blocks. */
static void on_late(uv_timer_t* h) {
  struct own* o = h->data;
  const uint64_t at = now();
  const uint64_t due = o->due[h - o->late];

  o->late_most += at - due;
  o->late_least += o->block_end > due ? o->block_end - due : 0;
  if (h == &o->late[0]) {
    block(o);
    o->block_end = now();
  }
  if (++o->late_count == TIMERS)
    finish(o);
}

static void on_alive(uv_async_t* h) {
  struct own* o = h->data;

  if (strcmp(o->phase, "interrupted") == 0)
    block_and_finish(o);
}

static void set_up_many(struct own* o) {
  const uint64_t one = 1;
  int i;

  o->many = calloc(MANY, sizeof(*o->many));
  for (i = 0; o->many != NULL && i < MANY; i++) {
    const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0 || write(fd, &one, sizeof(one)) != sizeof(one)) {
      o->error = "not enough file descriptors";
      return;
    }
    uv_poll_init(&o->loop, &o->many[i].poll, fd);
    o->many[i].poll.data = o;
    o->many[i].fd = fd;
    uv_poll_start(&o->many[i].poll, UV_READABLE, on_one_of_many);
    o->many_count++;
  }
}

static void set_up(struct own* o) {
  static const uint64_t after_ms[TIMERS] = { 20, 50, 100, 150 };
  const char* phase = o->phase;
  const uint64_t one = 1;
  uv_buf_t buf;
  int i;

  o->h.handle.data = o;
  if (strcmp(phase, "timer") == 0) {
    uv_timer_init(&o->loop, &o->h.timer);
    uv_timer_start(&o->h.timer, on_timer, 20, 0);
  } else if (strcmp(phase, "idle") == 0) {
    uv_idle_init(&o->loop, &o->h.idle);
    uv_idle_start(&o->h.idle, on_idle);
  } else if (strcmp(phase, "prepare") == 0) {
    uv_prepare_init(&o->loop, &o->h.prepare);
    uv_prepare_start(&o->h.prepare, on_prepare);
    uv_async_send(&o->alive);
  } else if (strcmp(phase, "check") == 0) {
    uv_check_init(&o->loop, &o->h.check);
    uv_check_start(&o->h.check, on_check);
    o->calls = 1;
    uv_async_send(&o->alive);
  } else if (strcmp(phase, "async") == 0) {
    uv_async_init(&o->loop, &o->h.async, on_async);
    uv_async_send(&o->h.async);
  } else if (strcmp(phase, "poll") == 0) {
    o->fd[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (write(o->fd[0], &one, sizeof(one)) != sizeof(one))
      o->error = "eventfd";
    uv_poll_init(&o->loop, &o->h.poll, o->fd[0]);
    uv_poll_start(&o->h.poll, UV_READABLE, on_poll);
  } else if (strcmp(phase, "signal") == 0) {
    uv_signal_init(&o->loop, &o->h.signal);
    uv_signal_start(&o->h.signal, on_signal, SIGWINCH);
    kill(getpid(), SIGWINCH);
  } else if (strcmp(phase, "close") == 0) {
    uv_timer_init(&o->loop, &o->h.timer);
    uv_timer_start(&o->h.timer, on_timer_to_close, 20, 0);
  } else if (strcmp(phase, "work") == 0) {
    o->work.data = o;
    uv_queue_work(&o->loop, &o->work, do_nothing, on_work);
  } else if (strcmp(phase, "fs") == 0) {
    o->fs.data = o;
    uv_fs_stat(&o->loop, &o->fs, "/", on_fs);
  } else if (strcmp(phase, "pending") == 0) {
    if (pipe2(o->fd, O_NONBLOCK | O_CLOEXEC) != 0)
      o->error = "pipe2";
    uv_pipe_init(&o->loop, &o->h.pipe, 0);
    uv_pipe_open(&o->h.pipe, o->fd[1]);
    o->write.data = o;
    buf = uv_buf_init("x", 1);
    uv_write(&o->write, (uv_stream_t*) &o->h.pipe, &buf, 1, on_written);
  } else if (strncmp(phase, "nested", 6) == 0) {
    uv_async_init(&o->loop, &o->inner, on_inner);
    o->inner.data = o;
    uv_timer_init(&o->loop, &o->h.timer);
    uv_timer_start(&o->h.timer, on_timer_nested, 20, 0);
  } else if (strcmp(phase, "many") == 0) {
    set_up_many(o);
  } else if (strcmp(phase, "late") == 0) {
    for (i = 0; i < TIMERS; i++) {
      uv_timer_init(&o->loop, &o->late[i]);
      o->late[i].data = o;
      uv_timer_start(&o->late[i], on_late, after_ms[i], 0);
      o->due[i] = (uv_now(&o->loop) + after_ms[i]) * 1000000;
    }
  } else if (strcmp(phase, "startup") != 0 &&
             strcmp(phase, "interrupted") != 0) {
    o->error = "no such phase";
  }
}

/* ---- the thread */

static void run_once(struct own* o, uv_run_mode mode) {
  const uint64_t begin = now();

  uv_run(&o->loop, mode);
  o->inside += now() - begin;
}

/* io_uring instances of this process. */
static uint64_t rings(void) {
  DIR* dir = opendir("/proc/self/fd");
  struct dirent* e;
  char target[64];
  uint64_t n = 0;
  ssize_t len;

  while (dir != NULL && (e = readdir(dir)) != NULL) {
    len = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
    target[len > 0 ? len : 0] = '\0';
    n += strstr(target, "io_uring") != NULL;
  }
  if (dir != NULL)
    closedir(dir);
  return n;
}

static void run(void* arg) {
  struct own* o = arg;
  const uint64_t begin = now();
  const int nowait = strcmp(o->mode, "nowait") == 0;
  uint64_t before;

  if (uv_loop_init(&o->loop) != 0 ||
      uv_async_init(&o->loop, &o->alive, on_alive) != 0) {
    o->error = "uv_loop_init";
    uv_sem_post(&o->ran);
    uv_sem_wait(&o->leave);
    return;
  }
  o->alive.data = o;
  uv_loop_configure(&o->loop, UV_LOOP_USE_IO_URING_SQPOLL);
  if (strcmp(o->phase, "startup") == 0) {
    block(o);
    o->done = 1;
  }
  /* The first poll ends start-up. */
  run_once(o, UV_RUN_NOWAIT);
  o->startup = now() - begin;
  before = rings();
  set_up(o);
  o->uring = rings() - before;
  atomic_store(&o->calm, 1);
  while (!o->done && o->error == NULL) {
    run_once(o, nowait                            ? UV_RUN_NOWAIT
                : strcmp(o->mode, "once") == 0    ? UV_RUN_ONCE
                                                  : UV_RUN_DEFAULT);
    if (!o->done && nowait)
      o->outside += block_sleep(1000000);
  }
  o->outside += block_sleep(o->outside_ns);
  /* The next iteration tells how long the last one was. */
  if (o->error == NULL)
    run_once(o, UV_RUN_NOWAIT);
  uv_sem_post(&o->ran);
  uv_sem_wait(&o->leave);
}

/* ---- for JavaScript */

static void on_interrupt(int number) {
  (void) number;
}

static struct own* own_arg(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);

  return owns[(size_t) number_arg(env, a.value[0])];
}

static napi_value start(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);
  struct sigaction action = { .sa_handler = on_interrupt };
  struct own* o = calloc(1, sizeof(*o));
  size_t id = 0;

  while (id < LOOPS && owns[id] != NULL)
    id++;
  if (o == NULL || id == LOOPS)
    return throw_error(env, "no memory");
  sigaction(SIGRTMIN + 3, &action, NULL);
  o->fd[0] = o->fd[1] = -1;
  string_arg(env, a.value[0], o->mode);
  string_arg(env, a.value[1], o->phase);
  o->ns = ms_arg(env, a.value[2]);
  o->outside_ns = ms_arg(env, a.value[3]);
  uv_sem_init(&o->ran, 0);
  uv_sem_init(&o->leave, 0);
  if (uv_thread_create(&o->thread, run, o) != 0)
    return throw_error(env, "uv_thread_create");
  owns[id] = o;
  return number(env, (double) id);
}

static napi_value wait_for(napi_env env, napi_callback_info info) {
  struct own* o = own_arg(env, info);
  napi_value v;

  uv_sem_wait(&o->ran);
  if (o->error != NULL)
    return throw_error(env, o->error);
  napi_create_object(env, &v);
  napi_set_named_property(env, v, "blockedMs", ms_of(env, o->blocked));
  napi_set_named_property(env, v, "longestMs", ms_of(env, o->longest));
  napi_set_named_property(env, v, "startupMs", ms_of(env, o->startup));
  napi_set_named_property(env, v, "insideMs", ms_of(env, o->inside));
  napi_set_named_property(env, v, "outsideMs", ms_of(env, o->outside));
  napi_set_named_property(env, v, "rings", number(env, (double) o->uring));
  napi_set_named_property(env, v, "lateLeastMs", ms_of(env, o->late_least));
  napi_set_named_property(env, v, "lateMostMs", ms_of(env, o->late_most));
  napi_set_named_property(env, v, "timers", number(env, o->late_count));
  return v;
}

static napi_value is_calm(napi_env env, napi_callback_info info) {
  return number(env, atomic_load(&own_arg(env, info)->calm));
}

static napi_value poke(napi_env env, napi_callback_info info) {
  pthread_kill(own_arg(env, info)->thread, SIGRTMIN + 3);
  return NULL;
}

static napi_value stop(napi_env env, napi_callback_info info) {
  uv_async_send(&own_arg(env, info)->alive);
  return NULL;
}

static void close_handle(uv_handle_t* h, void* arg) {
  (void) arg;
  if (!uv_is_closing(h))
    uv_close(h, NULL);
}

static napi_value end(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);
  struct own* o = own_arg(env, info);
  int r;
  int i;

  uv_sem_post(&o->leave);
  uv_thread_join(&o->thread);
  uv_walk(&o->loop, close_handle, NULL);
  uv_run(&o->loop, UV_RUN_DEFAULT);
  for (i = 0; i < o->many_count; i++)
    close(o->many[i].fd);
  if (o->fd[0] >= 0)
    close(o->fd[0]);
  r = uv_loop_close(&o->loop);
  uv_sem_destroy(&o->ran);
  uv_sem_destroy(&o->leave);
  free(o->many);
  owns[(size_t) number_arg(env, a.value[0])] = NULL;
  free(o);
  return r == 0 ? NULL : throw_error(env, uv_strerror(r));
}

NAPI_MODULE_INIT() {
  add(env, exports, "start", start);
  add(env, exports, "wait", wait_for);
  add(env, exports, "isCalm", is_calm);
  add(env, exports, "poke", poke);
  add(env, exports, "stop", stop);
  add(env, exports, "end", end);
  return exports;
}
