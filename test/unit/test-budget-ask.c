/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "budget_ask.h"
#include "budget_dir.h"
#include "budget_file.h"
#include "os.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEC VIGIL__SEC
#define MB (UINT64_C(1) << 20)
/* 2026-11-22T03:14:15Z */
#define WALL (UINT64_C(1795317255) * SEC)

static char top[PATH_MAX];
static struct vigil__artifact_dir dir;
static struct vigil__budget_grant grant;
static uint64_t wall_now = WALL;
static vigil__mono_t mono_now = UINT64_C(5000000) * SEC;
static uint64_t free_now = UINT64_C(100) << 30;
static char said[8192];

static struct vigil__config config = {
  .cooldown_ns = 600 * SEC, .per_hour = 3, .disk_bytes = 1024 * MB,
  .disk_free_bytes = VIGIL__DISK_FREE_AUTO, .host_captures = 2
};

static uint64_t fake_wall(void) {
  return wall_now;
}

static vigil__mono_t fake_mono(void) {
  return mono_now;
}

static int fake_space(int fd, uint64_t* free_bytes, uint64_t* total_bytes) {
  CHECK_OP(fd, >=, 0);
  *free_bytes = free_now;
  *total_bytes = UINT64_C(100) << 30;
  return 0;
}

static ssize_t (*real_write)(int fd, const void* data, size_t len);

static ssize_t heard_write(int fd, const void* data, size_t len) {
  if (fd != 2)
    return real_write(fd, data, len);
  CHECK_OP(strlen(said) + len, <, sizeof(said));
  strncat(said, data, len);
  return (ssize_t) len;
}

static int (*real_poll)(struct pollfd* fds, nfds_t n, int timeout_ms);

static int heard_poll(struct pollfd* fds, nfds_t n, int timeout_ms) {
  if (n == 0)
    return real_poll(fds, n, timeout_ms);
  fds[0].revents = POLLOUT;
  return 1;
}

static void pass(uint64_t seconds) {
  wall_now += seconds * SEC;
  mono_now += seconds * SEC;
}

static void setup(void) {
  snprintf(top, sizeof(top), "%s/vigil", test_dir());
  vigil__os.wall = fake_wall;
  vigil__os.mono = fake_mono;
  vigil__budget_os.space = fake_space;
  real_write = vigil__os.write;
  vigil__os.write = heard_write;
  real_poll = vigil__os.poll;
  vigil__os.poll = heard_poll;
  CHECK_EQ(vigil__artifact_dir_open(&dir, top, NULL), 0);
}

static int ask(uint64_t ratio) {
  return vigil__budget_ask(
      &dir, &config, &(struct vigil__budget_request) { .ratio = ratio },
      &grant);
}

#define CHECK_ASK(ratio, want) CHECK_EQ(ask(ratio), VIGIL__BUDGET_##want)

static int end(bool finished) {
  return vigil__budget_end(&dir, &config, &grant, finished);
}

static const char* path(const char* format, const char* name) {
  static char buffers[4][2 * PATH_MAX];
  static int next;
  char* to = buffers[next++ % 4];

  snprintf(to, sizeof(buffers[0]), format, top, name);
  return to;
}

static const char* state_file(void) {
  char name[64];

  snprintf(name, sizeof(name), ".budget-%u/state", (unsigned) geteuid());
  return path("%s/%s", name);
}

static void put(const char* p, const char* data, off_t size) {
  const int fd = open(p, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

  CHECK_OP(fd, >=, 0);
  CHECK_EQ(write(fd, data, strlen(data)), strlen(data));
  if (size != 0)
    CHECK_EQ(ftruncate(fd, size), 0);
  close(fd);
}

/* An incident of another process, `ago` seconds ago, of so many bytes. */
static const char* incident(uint64_t ago, int pid, off_t bytes) {
  static char name[VIGIL__ARTIFACT_NAME];

  vigil__artifact_name(name, wall_now - ago * SEC, pid, 0);
  CHECK_EQ(mkdir(path("%s/%s", name), 0700), 0);
  put(path("%s/%s/file", name), "", bytes);
  return name;
}

static int count(const char* prefix) {
  DIR* d = opendir(top);
  struct dirent* e;
  int n = 0;

  CHECK(d != NULL);
  while ((e = readdir(d)) != NULL)
    n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
  closedir(d);
  return n;
}

TEST(budget_ask_survives_the_process) {
  const int fds = test_open_fds();
  int status;
  pid_t pid;

  setup();
  pid = fork();
  if (pid == 0) {
    _exit(ask(1000) != VIGIL__BUDGET_ALLOW || end(true) != 0);
  }
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
  CHECK_ASK(1000, COOLDOWN);
  CHECK_EQ(grant.slot, -1);
  pass(599);
  CHECK_ASK(1000, COOLDOWN);
  pass(1);
  CHECK_ASK(1000, ALLOW);
  CHECK_OP(grant.slot, >=, 0);
  CHECK_EQ(grant.wall_ns, wall_now);
  CHECK_EQ(grant.bytes, 1024 * MB);
  CHECK_EQ(end(true), 0);
  CHECK_EQ(end(true), 0);  /* Harmless. */
  vigil__artifact_dir_close(&dir);
  CHECK_EQ(test_open_fds(), fds);
  CHECK_STR(said, "");
}

TEST(budget_ask_files_are_private) {
  struct stat st;
  char name[64];

  setup();
  umask(0);
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(lstat(state_file(), &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0600);
  snprintf(name, sizeof(name), ".budget-%u", (unsigned) geteuid());
  CHECK_EQ(lstat(path("%s/%s", name), &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0700);
  CHECK_EQ(count(""), 3);  /* Beside . and .. */
}

/* A process that is killed while it captures, again and again. */
TEST(budget_ask_restart_loop) {
  int allowed = 0;
  int answer;
  int status;
  pid_t pid;
  int i;

  setup();
  for (i = 0; i < 100; i++, pass(5)) {
    pid = fork();
    if (pid == 0) {
      answer = ask(1000);
      if (answer == VIGIL__BUDGET_ALLOW)
        raise(SIGKILL);
      _exit(answer);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    allowed += WIFSIGNALED(status);
  }
  CHECK_EQ(allowed, 3);
  CHECK_ASK(1000, HOURLY);
  CHECK_ASK(2000, ALLOW);
  CHECK_EQ(grant.suppressed, 98);
}

TEST(budget_ask_suppressed_are_counted_and_said) {
  struct vigil__budget_request request = { .ratio = 1000 };
  struct vigil__budget_grant second;

  setup();
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(grant.suppressed, 0);
  CHECK_EQ(end(true), 0);
  CHECK_ASK(1000, COOLDOWN);
  CHECK_ASK(9000, COOLDOWN);
  request.again = true;
  CHECK_EQ(vigil__budget_ask(&dir, &config, &request, &second),
           VIGIL__BUDGET_COOLDOWN);
  pass(600);
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(grant.suppressed, 2);
  /* It was not said; and another one comes along. */
  CHECK_EQ(end(false), 0);
  pass(1);
  free_now = 0;
  CHECK_EQ(ask(1000), VIGIL__BUDGET_DISK);
  free_now = 1024 * MB;
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(grant.suppressed, 3);
  config.cooldown_ns = 0;
  config.per_hour = 60;
  config.host_captures = 1;
  request.again = false;
  CHECK_EQ(vigil__budget_ask(&dir, &config, &request, &second),
           VIGIL__BUDGET_HOST);
  CHECK_EQ(second.slot, -1);
  CHECK_EQ(end(true), 0);
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(grant.suppressed, 1);  /* The one since then. */
}

/* As the fleet's budget makes it. */
static int look(bool fleet_refused, bool again) {
  const struct vigil__budget_request request = {
    .ratio = 1000, .expect_bytes = 10 * MB, .again = again, .look = true,
    .fleet_refused = fleet_refused
  };

  return vigil__budget_ask(&dir, &config, &request, &grant);
}

TEST(budget_ask_look_takes_nothing) {
  setup();
  CHECK_EQ(look(false, false), VIGIL__BUDGET_ALLOW);
  CHECK_EQ(grant.slot, -1);
  CHECK_EQ(look(false, false), VIGIL__BUDGET_ALLOW);
  CHECK_ASK(1000, ALLOW);
  CHECK_OP(grant.slot, >=, 0);
  CHECK_EQ(end(true), 0);
  /* What is refused is counted, as ever. */
  CHECK_EQ(look(false, false), VIGIL__BUDGET_COOLDOWN);
  pass(600);
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(grant.suppressed, 1);
}

TEST(budget_ask_fleet_refused) {
  setup();
  CHECK_EQ(look(true, false), VIGIL__BUDGET_FLEET);
  CHECK_EQ(look(true, true), VIGIL__BUDGET_FLEET);
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(grant.suppressed, 1);
}

TEST(budget_ask_person) {
  setup();
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(end(true), 0);
  CHECK_ASK(0, ALLOW);
  CHECK_EQ(end(true), 0);
  pass(600);
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(grant.suppressed, 0);
}

TEST(budget_ask_incidents_count_when_the_state_is_lost) {
  static const char* const others[] = {
    "incident-20261122T031415Z", "incident-20261122T031415Z-",
    "incident-20261122T031415Z-1x", "incident-20261322T031415Z-1",
    "incident-2026112T031415Z-1", "incident-20261122T031415Z-1-0",
    "incident-20261122T031415Z-01", "incident-20261122T031460Z-1",
    "incident-+0261122T031415Z-1", "incident- 0261122T031415Z-1",
    "xincident-20261122T031415Z-1", "incident-20261122T031415Z-1-1-1",
    "incident-99999999999999T1Z-1", "lost+found",
    "incident-20261122T031415Z-99999999999999999999",
    ".tmp-incident-20261122T031415Z-1"  /* Of a process that was killed. */
  };
  size_t i;

  setup();
  for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
    CHECK_EQ(mkdir(path("%s/%s", others[i]), 0700), 0);
  put(path("%s/incident-20261122T031415Z-2%s", ""), "", 0);
  CHECK_EQ(symlink(".", path("%s/incident-20261122T031415Z-3%s", "")), 0);
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(end(false), 0);

  incident(599, 7, 0);
  CHECK_ASK(1000, COOLDOWN);
  pass(1);
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(end(false), 0);
  CHECK_EQ(unlink(state_file()), 0);
  incident(3598, 8, 0);
  incident(3500, 9, 0);
  CHECK_ASK(1000, HOURLY);
  pass(2);
  CHECK_ASK(1000, ALLOW);
}

TEST(budget_ask_incident_and_its_event_are_one) {
  setup();
  config.cooldown_ns = 0;
  CHECK_ASK(1000, ALLOW);
  incident(0, getpid(), 10);
  CHECK_EQ(end(true), 0);
  pass(1);
  CHECK_ASK(1000, ALLOW);
  incident(0, getpid(), 10);
  CHECK_EQ(end(true), 0);
  pass(1);
  CHECK_ASK(1000, ALLOW);
  pass(1);
  CHECK_EQ(end(true), 0);
  CHECK_ASK(1000, HOURLY);
}

TEST(budget_ask_incident_proves_that_it_was_finished) {
  /* The process died between the incident's rename and the end of the grant. */
  setup();
  CHECK_ASK(1000, ALLOW);
  incident(0, getpid(), 10);
  CHECK_EQ(end(false), 0);
  CHECK_ASK(1000, COOLDOWN);
}

static uid_t fake_uid;

static int foreign_fstatat(int fd, const char* name, struct stat* st) {
  const int r = fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW);

  st->st_uid = fake_uid;
  return r < 0 ? -errno : r;
}

TEST(budget_ask_incidents_of_another_user_do_not_count) {
  setup();
  incident(1, 7, 1000);
  vigil__os.fstatat = foreign_fstatat;
  fake_uid = geteuid() + 1;
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(grant.bytes, 1024 * MB);
}

static int foreign_fstat(int fd, struct stat* st) {
  const int r = fstat(fd, st);

  st->st_uid = fake_uid;
  return r < 0 ? -errno : r;
}

TEST(budget_ask_refuses_a_folder_that_is_not_ours) {
  char name[64];

  setup();
  vigil__os.fstat = foreign_fstat;
  fake_uid = geteuid() + 1;
  CHECK_EQ(ask(1000), -EPERM);
  CHECK_EQ(grant.slot, -1);
  snprintf(name, sizeof(name), ".budget-%u", (unsigned) geteuid());
  CHECK_EQ(rmdir(path("%s/%s", name)), 0);
  CHECK_EQ(symlink(test_dir(), path("%s/%s", name)), 0);
  CHECK_EQ(ask(1000), -ENOTDIR);
}

TEST(budget_ask_damaged_state) {
  setup();
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(end(true), 0);
  pass(10000);
  put(state_file(), "vigil budget 1\nboot", 0);
  /* The gates stay shut as after an incident, and no longer than that: it is
   * written anew even when there is nothing to count. */
  CHECK_EQ(vigil__budget_ask(&dir, &config,
                             &(struct vigil__budget_request) {
                               .ratio = 1000, .again = true },
                             &grant), VIGIL__BUDGET_COOLDOWN);
  CHECK(strstr(said, "/state is damaged: it counts as one incident now\n"));
  pass(599);
  CHECK_ASK(1000, COOLDOWN);
  pass(1);
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(grant.suppressed, 1);
  CHECK_EQ(end(true), 0);

  said[0] = '\0';
  put(state_file(), "", 0);
  CHECK_ASK(1000, COOLDOWN);
  CHECK_EQ(unlink(state_file()), 0);
  CHECK_EQ(symlink("/etc/passwd", state_file()), 0);
  CHECK_ASK(1000, COOLDOWN);
  CHECK_EQ(unlink(state_file()), 0);
  CHECK_EQ(mkfifo(state_file(), 0600), 0);
  CHECK_ASK(1000, COOLDOWN);
  pass(600);
  CHECK_ASK(1000, ALLOW);
  CHECK_STR(said, "");  /* Once is enough. */
}

TEST(budget_ask_state_that_cannot_be_read_or_written) {
  setup();
  CHECK_EQ(ask(1000), VIGIL__BUDGET_ALLOW);
  CHECK_EQ(end(false), 0);
  CHECK_EQ(unlink(state_file()), 0);
  CHECK_EQ(mkdir(state_file(), 0700), 0);
  CHECK_EQ(ask(1000), VIGIL__BUDGET_COOLDOWN);
  pass(600);
  CHECK_EQ(ask(1000), VIGIL__BUDGET_COOLDOWN);  /* Nothing can be noted. */
}

TEST(budget_ask_clock_that_is_set) {
  uint64_t real_wall;

  setup();
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(end(true), 0);
  real_wall = wall_now;
  wall_now = real_wall + 100 * 86400 * SEC;
  CHECK_ASK(1000, COOLDOWN);
  wall_now = real_wall - 100 * 86400 * SEC;
  CHECK_ASK(1000, COOLDOWN);
  mono_now += 600 * SEC;
  CHECK_ASK(1000, ALLOW);
}

/* ---- bytes */

TEST(budget_ask_oldest_incidents_make_room) {
  char kept[3][VIGIL__ARTIFACT_NAME];
  int i;

  setup();
  config.disk_bytes = 100 * MB;
  for (i = 0; i < 3; i++)
    strcpy(kept[i], incident(9000 - (uint64_t) i, 9 - i, 30 * (off_t) MB));
  CHECK_EQ(vigil__budget_ask(&dir, &config,
                             &(struct vigil__budget_request) {
                               .ratio = 1000, .expect_bytes = 5 * MB },
                             &grant), VIGIL__BUDGET_ALLOW);
  CHECK_EQ(count("incident-"), 3);
  CHECK_EQ(grant.bytes, 10 * MB);
  CHECK_EQ(end(false), 0);
  pass(1);
  CHECK_EQ(vigil__budget_ask(&dir, &config,
                             &(struct vigil__budget_request) {
                               .ratio = 1000, .expect_bytes = 50 * MB },
                             &grant), VIGIL__BUDGET_ALLOW);
  CHECK_EQ(count("incident-"), 1);
  CHECK_EQ(count(".tmp-"), 0);
  CHECK_EQ(access(path("%s/%s/file", kept[2]), F_OK), 0);
  CHECK_EQ(grant.bytes, 70 * MB);
  /* It became bigger than it may; the newest stays all the same. */
  pass(1);
  strcpy(kept[0], incident(0, getpid(), 101 * (off_t) MB));
  CHECK_EQ(end(true), 0);
  CHECK_EQ(count("incident-"), 1);
  CHECK_EQ(access(path("%s/%s/file", kept[0]), F_OK), 0);
}

TEST(budget_ask_what_is_written_or_read_stays) {
  struct vigil__artifact a;
  int status;
  int fd;
  pid_t pid;
  int ready[2];
  char c;

  setup();
  config.disk_bytes = 100 * MB;
  CHECK_EQ(pipe(ready), 0);
  pid = fork();
  if (pid == 0) {
    /* A process that writes one, and reads another. */
    fd = open(path("%s/%s", incident(9000, 1, 30 * (off_t) MB)), O_RDONLY);
    flock(fd, LOCK_SH);
    vigil__artifact_begin(&a, &dir, wall_now - 9001 * SEC, 2);
    put(path("%s/%s/file", a.tmp), "", 50 * (off_t) MB);
    CHECK_EQ(write(ready[1], "", 1), 1);
    pause();
  }
  CHECK_EQ(read(ready[0], &c, 1), 1);
  incident(8000, 3, 30 * (off_t) MB);
  CHECK_EQ(vigil__budget_ask(&dir, &config,
                             &(struct vigil__budget_request) {
                               .ratio = 1000, .expect_bytes = 100 * MB },
                             &grant), VIGIL__BUDGET_ALLOW);
  CHECK_EQ(grant.bytes, 20 * MB);
  CHECK_EQ(count(".tmp-incident-"), 1);
  CHECK_EQ(count("incident-"), 1);
  kill(pid, SIGKILL);
  CHECK_EQ(waitpid(pid, &status, 0), pid);
}

TEST(budget_ask_no_room) {
  setup();
  free_now = 257 * MB;
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(grant.bytes, MB);
  CHECK_EQ(end(true), 0);
  config.cooldown_ns = 0;
  free_now--;
  CHECK_ASK(1000, DISK);
  CHECK_EQ(grant.slot, -1);
  CHECK_EQ(grant.bytes, 0);
}

TEST(budget_ask_keeps_so_many_incidents) {
  char name[VIGIL__ARTIFACT_NAME];
  unsigned i;

  setup();
  for (i = 0; i < VIGIL__BUDGET_KEPT + 5; i++) {
    vigil__artifact_name(name, wall_now - (100000 - i) * SEC, 1, 0);
    CHECK_EQ(mkdir(path("%s/%s", name), 0700), 0);
  }
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(count("incident-"), VIGIL__BUDGET_KEPT);
  CHECK_EQ(access(path("%s/%s", name), F_OK), 0);
}

/* ---- several processes */

#define CHILDREN 8

/* All of them ask at once; those that may capture do until all have asked.
 * Returns how many. */
static int race(void) {
  int answers[CHILDREN];
  int go[2];
  int told[2];
  int done[2];
  int allowed = 0;
  int status;
  char c;
  int i;

  CHECK_EQ(pipe(go), 0);
  CHECK_EQ(pipe(told), 0);
  CHECK_EQ(pipe(done), 0);
  for (i = 0; i < CHILDREN; i++) {
    if (fork() != 0)
      continue;
    close(go[1]);
    close(done[1]);
    if (read(go[0], &c, 1) != 0)
      _exit(1);
    c = (char) ask(1000);
    if (write(told[1], &c, 1) != 1 || read(done[0], &c, 1) != 0)
      _exit(1);
    _exit(end(true) != 0);
  }
  close(go[0]);
  close(go[1]);  /* Off they go. */
  for (i = 0; i < CHILDREN; i++) {
    CHECK_EQ(read(told[0], &c, 1), 1);
    answers[i] = c;
    allowed += c == VIGIL__BUDGET_ALLOW;
  }
  for (i = 0; i < CHILDREN; i++)
    CHECK_OP(answers[i], >=, 0);
  close(done[0]);
  close(done[1]);
  for (i = 0; i < CHILDREN; i++) {
    CHECK_OP(wait(&status), >, 0);
    CHECK_EQ(status, 0);
  }
  return allowed;
}

TEST(budget_ask_race_for_the_cool_down) {
  setup();
  CHECK_EQ(race(), 1);
  CHECK_ASK(1000, COOLDOWN);
}

TEST(budget_ask_race_for_the_hour) {
  setup();
  config.cooldown_ns = 0;
  config.host_captures = 64;
  CHECK_EQ(race(), 3);
  CHECK_ASK(1000, HOURLY);
}

TEST(budget_ask_race_for_the_slots) {
  setup();
  config.cooldown_ns = 0;
  config.per_hour = 60;
  CHECK_EQ(race(), 2);
  CHECK_EQ(race(), 2);  /* The slots were given back. */
}

TEST(budget_ask_slot_of_a_killed_process) {
  int ready[2];
  int status;
  pid_t pid;
  char c;

  setup();
  config.cooldown_ns = 0;
  config.host_captures = 1;
  CHECK_EQ(pipe(ready), 0);
  pid = fork();
  if (pid == 0) {
    c = (char) ask(1000);
    CHECK_EQ(write(ready[1], &c, 1), 1);
    pause();
  }
  CHECK_EQ(read(ready[0], &c, 1), 1);
  CHECK_EQ(c, VIGIL__BUDGET_ALLOW);
  CHECK_ASK(1000, HOST);
  /* One that is alive cools down, too. */
  config.cooldown_ns = 600 * SEC;
  CHECK_ASK(1000, COOLDOWN);
  kill(pid, SIGKILL);
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_ASK(1000, ALLOW);
}

TEST(budget_ask_lock_that_is_never_given_back) {
  const int fds = test_open_fds() + 1;
  char name[64];
  int fd;

  setup();
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(end(false), 0);
  snprintf(name, sizeof(name), ".budget-%u/lock", (unsigned) geteuid());
  fd = open(path("%s/%s", name), O_RDWR | O_CLOEXEC);
  CHECK_OP(fd, >=, 0);
  CHECK_EQ(flock(fd, LOCK_EX), 0);
  CHECK_ASK(1000, HOST);
  CHECK_EQ(grant.slot, -1);
  close(fd);
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(end(false), 0);
  CHECK_EQ(test_open_fds(), fds);
}

static int no_flock(int fd, int operation) {
  (void) fd, (void) operation;
  return -ENOTSUP;
}

TEST(budget_ask_where_there_are_no_locks) {
  setup();
  vigil__os.flock = no_flock;
  CHECK_ASK(1000, ALLOW);
  CHECK_EQ(end(true), 0);
  CHECK_ASK(1000, COOLDOWN);
}

/* ---- failures: each effect in turn */

static int countdown;
static int injected;
static struct vigil__os real;
static struct vigil__budget_os real_budget;

static bool fault(void) {
  return countdown-- == 0;
}

static void* f_realloc(void* p, size_t n) {
  return fault() ? NULL : real.realloc(p, n);
}
static int f_openat(int d, const char* p, int flags, mode_t mode) {
  return fault() ? injected : real.openat(d, p, flags, mode);
}
static int f_mkdirat(int d, const char* p, mode_t mode) {
  return fault() ? injected : real.mkdirat(d, p, mode);
}
static int f_unlinkat(int d, const char* p, int flags) {
  return fault() ? injected : real.unlinkat(d, p, flags);
}
static int f_renameat(int d, const char* from, const char* to) {
  return fault() ? injected : real.renameat(d, from, to);
}
static int f_fstat(int fd, struct stat* st) {
  return fault() ? injected : real.fstat(fd, st);
}
static int f_fstatat(int d, const char* p, struct stat* st) {
  return fault() ? injected : real.fstatat(d, p, st);
}
static int f_flock(int fd, int operation) {
  return fault() ? injected : real.flock(fd, operation);
}
static ssize_t f_write(int fd, const void* data, size_t n) {
  return fault() ? injected : real.write(fd, data, n);
}
static int f_fsync(int fd) {
  return fault() ? injected : real.fsync(fd);
}
static int f_close(int fd) {
  const int r = real.close(fd);

  return fault() ? injected : r;
}
static int f_list(int d, void (*each)(void* arg, const char* name),
                  void* arg) {
  return fault() ? injected : real.list(d, each, arg);
}
static ssize_t f_read(int fd, void* data, size_t n) {
  return fault() ? injected : real_budget.read(fd, data, n);
}
static int f_space(int fd, uint64_t* a, uint64_t* b) {
  return fault() ? injected : real_budget.space(fd, a, b);
}

static void fail(int n, int error) {
  countdown = n;
  injected = error;
  vigil__os.realloc = f_realloc;
  vigil__os.openat = f_openat;
  vigil__os.mkdirat = f_mkdirat;
  vigil__os.unlinkat = f_unlinkat;
  vigil__os.renameat = f_renameat;
  vigil__os.fstat = f_fstat;
  vigil__os.fstatat = f_fstatat;
  vigil__os.flock = f_flock;
  vigil__os.write = f_write;
  vigil__os.fsync = f_fsync;
  vigil__os.close = f_close;
  vigil__os.list = f_list;
  vigil__budget_os.read = f_read;
  vigil__budget_os.space = f_space;
}

static void heal(void) {
  vigil__os = real;
  vigil__budget_os = real_budget;
}

/* Whatever fails, nobody is allowed without a note of it, nothing leaks, the
 * state stays readable, and the next one is answered. */
static void fail_each(int error) {
  struct vigil__budget_request request = {
    .ratio = 1000, .expect_bytes = 90 * MB
  };
  bool reached = true;
  int allowed = 0;
  int n;
  int r;

  config.disk_bytes = 100 * MB;
  real = vigil__os;
  real_budget = vigil__budget_os;
  for (n = 0; reached; n++) {
    const int fds = test_open_fds();

    incident(9000, 1, 30 * (off_t) MB);
    incident(8000, 2, 30 * (off_t) MB);
    fail(n, error);
    r = vigil__budget_ask(&dir, &config, &request, &grant);
    reached = countdown < 0;
    heal();
    CHECK_OP(r, <=, VIGIL__BUDGET_HOST);
    CHECK_EQ(r == VIGIL__BUDGET_ALLOW, grant.slot >= 0);
    if (r == VIGIL__BUDGET_ALLOW) {
      allowed++;
      /* Noted: while it is alive nobody else may. */
      CHECK_EQ(vigil__budget_ask(&dir, &config, &request,
                                 &(struct vigil__budget_grant) { .slot = -1 }),
               VIGIL__BUDGET_COOLDOWN);
    }
    fail(n, error);
    r = end(true);
    heal();
    CHECK_OP(r, <=, 0);
    CHECK_EQ(grant.slot, -1);
    CHECK_EQ(test_open_fds(), fds);
    CHECK_STR(said, "");
    pass(20000);
    /* Opening it removes what was left half removed. */
    vigil__artifact_dir_close(&dir);
    CHECK_EQ(vigil__artifact_dir_open(&dir, top, NULL), 0);
  }
  CHECK_OP(n, >, 40);
  CHECK_OP(allowed, >, 10);
  CHECK_ASK(1000, ALLOW);
}

TEST(budget_ask_fail_each_call) {
  setup();
  fail_each(-EIO);
}

TEST(budget_ask_fail_each_call_for_want_of_space) {
  setup();
  fail_each(-ENOSPC);
}

TEST(budget_ask_fail_each_call_read_only) {
  setup();
  fail_each(-EROFS);
}

TEST(budget_ask_interrupted_calls_are_made_again) {
  setup();
  real = vigil__os;
  real_budget = vigil__budget_os;
  fail(0, -EINTR);
  vigil__os.openat = real.openat;
  vigil__os.mkdirat = real.mkdirat;
  vigil__os.fstat = real.fstat;
  vigil__os.renameat = real.renameat;
  vigil__os.list = real.list;
  vigil__budget_os.space = real_budget.space;
  /* The calls that a signal may interrupt: each of them in its turn. */
  for (int n = 0; n < 100; n++, pass(7200)) {
    countdown = n;
    CHECK_ASK(1000, ALLOW);
    CHECK_EQ(end(true), 0);
  }
}
