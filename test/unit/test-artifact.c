/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "artifact.h"
#include "clock.h"
#include "os.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

/* 2026-11-22T03:14:15Z */
#define WALL (UINT64_C(1795317255) * VIGIL__SEC)
#define STAMP "20261122T031415Z"

/* Counts contexts, so that a leak shows without a sanitizer, too; the digest
 * is the number of bytes. The real thing has a test of its own. */
static int contexts;
static bool (*fault)(void);

static bool no_fault(void) {
  return false;
}

static void* sha_begin(void) {
  if (fault())
    return NULL;
  contexts++;
  return calloc(1, sizeof(uint64_t));
}

static int sha_update(void* ctx, const void* data, size_t len) {
  (void) data;
  if (fault())
    return -EIO;
  *(uint64_t*) ctx += len;
  return 0;
}

static int sha_end(void* ctx, uint8_t digest[32]) {
  const uint64_t n = *(uint64_t*) ctx;
  int i;

  contexts--;
  free(ctx);
  if (digest == NULL)
    return 0;
  if (fault())
    return -EIO;
  for (i = 0; i < 32; i++)
    digest[i] = (uint8_t) (i < 24 ? 0xab : n >> 8 * (31 - i));
  return 0;
}

static const struct vigil__sha256 sha = { sha_begin, sha_update, sha_end };

static char top[PATH_MAX];  /* VIGIL_DIR */
static struct vigil__artifact_dir dir;
static struct vigil__artifact a;

static const char* path(const char* format, const char* name) {
  static char buffers[4][2 * PATH_MAX];
  static int next;
  char* to = buffers[next++ % 4];

  snprintf(to, sizeof(buffers[0]), format, top, name);
  return to;
}

static void setup(void) {
  fault = no_fault;
  snprintf(top, sizeof(top), "%s/vigil", test_dir());
  umask(022);
}

static void open_dir(void) {
  const int r = vigil__artifact_dir_open(&dir, top, &sha);

  if (r != 0)
    test_fail(__FILE__, __LINE__, "%d: %s", r, dir.error);
}

/* Number of entries of a directory whose names begin with `prefix`. */
static int count(const char* in, const char* prefix) {
  DIR* d = opendir(in);
  struct dirent* e;
  int n = 0;

  if (d == NULL)
    return 0;
  while ((e = readdir(d)) != NULL)
    n += strncmp(e->d_name, prefix, strlen(prefix)) == 0 &&
         strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
  closedir(d);
  return n;
}

static mode_t mode_of(const char* p) {
  struct stat st;

  CHECK_EQ(lstat(p, &st), 0);
  return st.st_mode & 07777;
}

static size_t slurp(const char* p, char* to, size_t size) {
  FILE* f = fopen(p, "r");
  size_t n;

  if (f == NULL)
    test_fail(__FILE__, __LINE__, "no %s", p);
  n = fread(to, 1, size - 1, f);
  to[n] = '\0';
  fclose(f);
  return n;
}

/* What the product does for one incident. */
static int write_files(struct vigil__artifact* in) {
  static const char* const names[] = {
    "cpu-1.cpuprofile", "heap-1.heapsnapshot"
  };
  struct vigil__artifact_file* f;
  char chunk[1000];
  size_t i;
  int k;
  int r;

  memset(chunk, '0', sizeof(chunk));
  for (i = 0; i < 2; i++) {
    r = vigil__artifact_file_open(in, names[i], 1 << 20, &f);
    for (k = 0; r == 0 && k < 3; k++)
      r = vigil__artifact_file_write(f, chunk, sizeof(chunk));
    if (r == 0)
      r = vigil__artifact_file_close(f);
    if (r != 0)
      return r;
  }
  return 0;
}

static int write_incident(uint64_t wall, int pid) {
  struct vigil__json j = { .limit = 0 };
  int r = vigil__artifact_begin(&a, &dir, wall, pid);

  if (r != 0)
    return r;
  r = write_files(&a);
  vigil__json_object(&j, NULL);
  vigil__json_string(&j, "what", "lag");
  vigil__artifact_describe(&a, &j);
  vigil__json_end(&j);
  if (r == 0)
    r = vigil__artifact_finish(&a, &j);
  else
    vigil__artifact_abort(&a);
  vigil__json_free(&j);
  return r;
}

/* Fails the test unless everything called incident-* is all there. Returns how
 * many there are. */
static int check_complete(void) {
  char text[8192];
  DIR* d = opendir(top);
  struct dirent* e;
  struct stat st;
  int n = 0;

  if (d == NULL)
    return 0;
  while ((e = readdir(d)) != NULL) {
    const char* p = path("%s/%s", e->d_name);
    const char* file;
    size_t len;

    if (strncmp(e->d_name, "incident-", 9) != 0)
      continue;
    n++;
    CHECK_EQ(mode_of(p), 0700);
    CHECK_EQ(count(p, ""), 3);
    snprintf(text, sizeof(text), "%s/incident.json", p);
    len = slurp(text, text, sizeof(text));
    CHECK(test_json_valid(text, len));
    CHECK(strstr(text, "\"name\": \"cpu-1.cpuprofile\",\n"
                       "      \"bytes\": 3000,") != NULL);
    CHECK(strstr(text, "\"name\": \"heap-1.heapsnapshot\",\n"
                       "      \"bytes\": 3000,") != NULL);
    CHECK(strstr(text, "abababab0000000000000bb8\"") != NULL);
    file = path("%s/%s/heap-1.heapsnapshot", e->d_name);
    CHECK_EQ(stat(file, &st), 0);
    CHECK_EQ(st.st_size, 3000);
    CHECK_EQ(st.st_mode & 07777, 0600);
  }
  closedir(d);
  return n;
}

TEST(artifact_incident_is_complete_and_private) {
  const int fds = test_open_fds();

  setup();
  open_dir();
  CHECK_EQ(mode_of(top), 0700);
  CHECK_EQ(write_incident(WALL, 42), 0);
  CHECK_STR(a.name, "incident-" STAMP "-42");
  CHECK_EQ(check_complete(), 1);
  CHECK_EQ(mode_of(path("%s/%s/incident.json", a.name)), 0600);
  CHECK_EQ(count(top, ".tmp"), 0);
  vigil__artifact_abort(&a);  /* Too late to do harm. */
  CHECK_EQ(check_complete(), 1);
  vigil__artifact_dir_close(&dir);
  CHECK_EQ(test_open_fds(), fds);
  CHECK_EQ(contexts, 0);
}

TEST(artifact_nothing_has_the_final_name_before_the_end) {
  struct vigil__artifact_file* f;

  setup();
  open_dir();
  CHECK_EQ(vigil__artifact_begin(&a, &dir, WALL, 42), 0);
  CHECK_EQ(count(top, "incident-"), 0);
  CHECK_EQ(mode_of(path("%s/%s", a.tmp)), 0700);
  CHECK_EQ(vigil__artifact_file_open(&a, "x", 10, &f), 0);
  CHECK_EQ(mode_of(path("%s/%s/x", a.tmp)), 0600);
  CHECK_EQ(vigil__artifact_file_write(f, "1", 1), 0);
  CHECK_EQ(count(top, "incident-"), 0);
  vigil__artifact_abort(&a);
  CHECK_EQ(count(top, ""), 0);
  CHECK_EQ(contexts, 0);
}

TEST(artifact_names_in_one_second_are_numbered) {
  int i;

  setup();
  open_dir();
  for (i = 0; i < 3; i++)
    CHECK_EQ(write_incident(WALL + (uint64_t) i, 42), 0);
  CHECK_STR(a.name, "incident-" STAMP "-42-2");
  CHECK_EQ(check_complete(), 3);
}

TEST(artifact_two_at_once_do_not_meet) {
  struct vigil__artifact other;

  setup();
  open_dir();
  CHECK_EQ(vigil__artifact_begin(&other, &dir, WALL, 42), 0);
  CHECK_EQ(write_incident(WALL, 42), 0);
  CHECK_STR(a.name, "incident-" STAMP "-42-1");
  CHECK_EQ(write_files(&other), 0);
  vigil__artifact_abort(&other);
  CHECK_EQ(check_complete(), 1);
  CHECK_EQ(count(top, ".tmp"), 0);
}

TEST(artifact_file_over_its_limit_is_dropped_alone) {
  struct vigil__json j = { .limit = 0 };
  struct vigil__artifact_file* f;
  struct vigil__artifact_file* g;

  setup();
  open_dir();
  CHECK_EQ(vigil__artifact_begin(&a, &dir, WALL, 42), 0);
  CHECK_EQ(vigil__artifact_file_open(&a, "big", 10, &f), 0);
  CHECK_EQ(vigil__artifact_file_open(&a, "small", 10, &g), 0);
  CHECK_EQ(vigil__artifact_file_write(f, "1234567890", 10), 0);
  CHECK_EQ(vigil__artifact_file_write(g, "1234567890", 10), 0);
  CHECK_EQ(vigil__artifact_file_write(f, "1", 1), -EFBIG);
  CHECK_EQ(vigil__artifact_file_write(f, "", 0), -EFBIG);
  CHECK_EQ(vigil__artifact_file_close(f), -EFBIG);
  CHECK_EQ(vigil__artifact_file_close(f), -EFBIG);
  CHECK_EQ(vigil__artifact_file_close(g), 0);
  CHECK_EQ(vigil__artifact_file_close(g), 0);
  CHECK_EQ(vigil__artifact_file_write(g, "1", 1), -EBADF);
  vigil__json_object(&j, NULL);
  vigil__artifact_describe(&a, &j);
  vigil__json_end(&j);
  CHECK_EQ(vigil__artifact_finish(&a, &j), 0);
  CHECK(memmem(j.data, j.len, "small", 5) != NULL);
  CHECK(memmem(j.data, j.len, "big", 3) == NULL);
  vigil__json_free(&j);
  CHECK_EQ(count(path("%s/%s", a.name), ""), 2);
  CHECK_EQ(count(path("%s/%s", a.name), "big"), 0);
  CHECK_EQ(contexts, 0);
}

TEST(artifact_file_left_open_is_not_part_of_it) {
  struct vigil__json j = { .limit = 0 };
  struct vigil__artifact_file* f;

  setup();
  open_dir();
  CHECK_EQ(vigil__artifact_begin(&a, &dir, WALL, 42), 0);
  CHECK_EQ(vigil__artifact_file_open(&a, "open", 10, &f), 0);
  CHECK_EQ(vigil__artifact_file_write(f, "1", 1), 0);
  vigil__json_object(&j, NULL);
  vigil__json_end(&j);
  CHECK_EQ(vigil__artifact_finish(&a, &j), 0);
  vigil__json_free(&j);
  CHECK_EQ(count(path("%s/%s", a.name), ""), 1);
  CHECK_EQ(contexts, 0);
}

TEST(artifact_bad_manifest_aborts) {
  struct vigil__json j = { .limit = 0 };

  setup();
  open_dir();
  CHECK_EQ(vigil__artifact_begin(&a, &dir, WALL, 42), 0);
  vigil__json_object(&j, NULL);
  CHECK_EQ(vigil__artifact_finish(&a, &j), -EINVAL);
  vigil__json_free(&j);
  CHECK_EQ(count(top, ""), 0);
}

TEST(artifact_file_names) {
  static const char* const bad[] = {
    "", ".", "..", ".hidden", "a/b", "../a", "a b", "a\n", "incident.json",
    "0123456789012345678901234567890123456789012345678901234567890123"
  };
  struct vigil__artifact_file* f;
  size_t i;

  setup();
  open_dir();
  CHECK_EQ(vigil__artifact_begin(&a, &dir, WALL, 42), 0);
  for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    CHECK_EQ(vigil__artifact_file_open(&a, bad[i], 10, &f), -EINVAL);
  CHECK_EQ(vigil__artifact_file_open(&a, "a", 10, &f), 0);
  CHECK_EQ(vigil__artifact_file_open(&a, "a", 10, &f), -EEXIST);
  for (i = 2; i < VIGIL__ARTIFACT_FILES; i++)
    CHECK_EQ(vigil__artifact_file_open(&a, (char[]) { (char) ('a' + i), 0 },
                                       10, &f), 0);
  CHECK_EQ(vigil__artifact_file_open(&a, "more", 10, &f), -ENOSPC);
  vigil__artifact_abort(&a);
  CHECK_EQ(count(top, ""), 0);
  CHECK_EQ(contexts, 0);
}

TEST(artifact_file_does_not_follow_a_planted_link) {
  struct vigil__artifact_file* f;

  setup();
  open_dir();
  CHECK_EQ(vigil__artifact_begin(&a, &dir, WALL, 42), 0);
  CHECK_EQ(symlink("/etc/passwd", path("%s/%s/x", a.tmp)), 0);
  CHECK_EQ(vigil__artifact_file_open(&a, "x", 10, &f), -EEXIST);
  vigil__artifact_abort(&a);
  CHECK_EQ(access("/etc/passwd", R_OK), 0);
}

static void check_refused(int error, const char* why) {
  const int fds = test_open_fds();

  CHECK_EQ(vigil__artifact_dir_open(&dir, top, &sha), error);
  CHECK_EQ(dir.fd, -1);
  if (strstr(dir.error, why) == NULL)
    test_fail(__FILE__, __LINE__, "\"%s\"", dir.error);
  CHECK_EQ(test_open_fds(), fds);
}

static uid_t fake_uid;

static int foreign_fstat(int fd, struct stat* st) {
  const int r = fstat(fd, st);

  st->st_uid = fake_uid;
  return r < 0 ? -errno : r;
}

static uid_t user_500(void) {
  return 500;
}

TEST(artifact_dir_refuses_what_others_could_tamper_with) {
  setup();
  CHECK_EQ(mkdir(path("%s-real%s", ""), 0700), 0);
  CHECK_EQ(symlink(path("%s-real%s", ""), top), 0);
  check_refused(-ELOOP, "symbolic link");
  strcat(top, "//");
  check_refused(-ELOOP, "symbolic link");
  top[strlen(top) - 2] = '\0';
  unlink(top);
  CHECK_EQ(symlink("/nonexistent/x", top), 0);
  check_refused(-ELOOP, "symbolic link");
  unlink(top);

  CHECK_EQ(mkdir(top, 0700), 0);
  CHECK_EQ(chmod(top, 0777), 0);
  check_refused(-EPERM, "everybody can write");
  CHECK_EQ(chmod(top, 01777), 0);
  open_dir();
  vigil__artifact_dir_close(&dir);
  CHECK_EQ(chmod(top, 0770), 0);
  open_dir();
  vigil__artifact_dir_close(&dir);

  vigil__os.fstat = foreign_fstat;
  vigil__os.geteuid = user_500;
  fake_uid = 501;
  check_refused(-EPERM, "another user");
  fake_uid = 0;
  open_dir();
  vigil__artifact_dir_close(&dir);
  fake_uid = 500;
  open_dir();
  vigil__artifact_dir_close(&dir);
}

TEST(artifact_dir_says_what_is_wrong) {
  setup();
  CHECK_EQ(close(open(top, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
  check_refused(-ENOTDIR, "Not a directory");
  unlink(top);
  strcat(top, "/a/b");
  check_refused(-ENOENT, "No such file or directory");
  top[0] = '\0';
  check_refused(-ENOENT, "No such file");
  memset(top, 'x', VIGIL__DIR_MAX);
  top[VIGIL__DIR_MAX] = '\0';
  check_refused(-ENAMETOOLONG, "too long");
}

TEST(artifact_dir_removes_what_a_dead_process_left) {
  struct vigil__artifact_dir second;
  int status;
  pid_t pid;

  setup();
  open_dir();
  CHECK_EQ(mkdir(path("%s/.tmp-other%s", ""), 0700), 0);
  pid = fork();
  if (pid == 0) {
    /* Dies in the middle, under the pid that the next process has, too. */
    vigil__artifact_begin(&a, &dir, WALL, 1);
    write_files(&a);
    _exit(0);
  }
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(count(top, ".tmp-incident-" STAMP "-1"), 1);

  /* One that is alive, also under that pid: a container next door. */
  CHECK_EQ(vigil__artifact_begin(&a, &dir, WALL, 1), 0);
  CHECK_STR(a.tmp, ".tmp-incident-" STAMP "-1-1");
  CHECK_EQ(vigil__artifact_dir_open(&second, top, &sha), 0);
  CHECK_EQ(count(top, ".tmp-incident"), 1);
  CHECK_EQ(count(top, a.tmp), 1);
  CHECK_EQ(count(top, ".tmp-other"), 1);
  CHECK_EQ(write_files(&a), 0);
  vigil__artifact_abort(&a);
  vigil__artifact_dir_close(&second);

  /* Another user's is not ours to remove. */
  CHECK_EQ(mkdir(path("%s/.tmp-incident-x%s", ""), 0700), 0);
  vigil__os.fstat = foreign_fstat;
  vigil__os.geteuid = user_500;
  fake_uid = 0;
  CHECK_EQ(vigil__artifact_dir_open(&second, top, &sha), 0);
  CHECK_EQ(count(top, ".tmp-incident-x"), 1);
  vigil__artifact_dir_close(&second);
}

/* Another process takes our new directory to be stale before we lock it. */
static int sweeps;

static int swept_openat(int fd, const char* name, int flags, mode_t mode) {
  int r;

  if (sweeps == 1 && strncmp(name, ".tmp-", 5) == 0) {
    sweeps = 0;
    unlinkat(fd, name, AT_REMOVEDIR);
  }
  r = openat(fd, name, flags, mode);
  if (sweeps == 2 && strncmp(name, ".tmp-", 5) == 0) {
    sweeps = 0;
    unlinkat(fd, name, AT_REMOVEDIR);
  }
  return r < 0 ? -errno : r;
}

static int busy_flock(int fd, int operation) {
  (void) fd, (void) operation;
  if (sweeps != 3)
    return 0;
  sweeps = 0;
  return -EWOULDBLOCK;
}

TEST(artifact_begin_survives_being_taken_for_stale) {
  int i;

  setup();
  open_dir();
  vigil__os.openat = swept_openat;
  vigil__os.flock = busy_flock;
  for (i = 1; i <= 3; i++) {
    sweeps = i;
    CHECK_EQ(write_incident(WALL, 42 + i), 0);
    CHECK_EQ(sweeps, 0);
    CHECK_STR(strrchr(a.name, '-'), "-1");
    CHECK_EQ(count(top, ".tmp"), 0);
    CHECK_EQ(check_complete(), i);
  }
}

static int no_flock(int fd, int operation) {
  (void) fd, (void) operation;
  return -ENOTSUP;
}

TEST(artifact_without_locks_works_and_removes_nothing) {
  struct vigil__artifact_dir second;

  setup();
  vigil__os.flock = no_flock;
  open_dir();
  CHECK_EQ(vigil__artifact_begin(&a, &dir, WALL, 42), 0);
  CHECK_EQ(vigil__artifact_dir_open(&second, top, &sha), 0);
  CHECK_EQ(count(top, a.tmp), 1);
  vigil__artifact_abort(&a);
  CHECK_EQ(write_incident(WALL, 42), 0);
}

/* Fails the Nth call into the system, or of the hash, for every N. */
static int countdown;
static int injected;

static bool nth(void) {
  if (countdown-- != 0)
    return false;
  return true;
}

static struct vigil__os real;

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
  const int r = real.close(fd);  /* Also closed when it reports an error. */

  return fault() ? injected : r;
}
static int f_list(int d, void (*each)(void*, const char*), void* arg) {
  return fault() ? injected : real.list(d, each, arg);
}

static void inject(bool on) {
  if (!on) {
    vigil__os = real;
    fault = no_fault;
    return;
  }
  fault = nth;
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
}

static void check_every_failure(int error) {
  const int fds = test_open_fds();
  int complete = 0;
  int n;
  int r;

  real = vigil__os;
  injected = error;
  for (n = 0;; n++) {
    CHECK_OP(n, <, 1000);
    countdown = n;
    inject(true);
    r = vigil__artifact_dir_open(&dir, top, &sha);
    if (r == 0) {
      r = write_incident(WALL, 1000 + n);
      vigil__artifact_dir_close(&dir);
    }
    inject(false);

    /* Complete or not there at all, and as it was told. */
    CHECK_EQ(test_open_fds(), fds);
    CHECK_EQ(contexts, 0);
    complete += r == 0;
    CHECK_EQ(check_complete(), complete);

    /* If the failure was in the removal, the next opening makes up for it. */
    open_dir();
    vigil__artifact_dir_close(&dir);
    CHECK_EQ(count(top, ".tmp"), 0);
    if (countdown >= 0)
      break;
  }
  CHECK_EQ(r, 0);
  CHECK_OP(n, >, 30);
  CHECK_OP(n - complete, >, 20);
}

TEST(artifact_every_single_failure_eio) {
  setup();
  check_every_failure(-EIO);
}

TEST(artifact_every_single_failure_enospc) {
  setup();
  check_every_failure(-ENOSPC);
}

TEST(artifact_every_single_failure_enoent) {
  setup();
  check_every_failure(-ENOENT);
}

/* And from the Nth call on, as when a disk dies: nothing can be removed. */
static bool nth_and_later(void) {
  return countdown-- <= 0;
}

TEST(artifact_dying_disk) {
  int fds;
  int n;
  int r;

  setup();
  open_dir();
  vigil__artifact_dir_close(&dir);
  fds = test_open_fds();
  real = vigil__os;
  injected = -EROFS;
  for (n = 0;; n++) {
    CHECK_OP(n, <, 1000);
    countdown = n;
    inject(true);
    fault = nth_and_later;
    r = vigil__artifact_dir_open(&dir, top, &sha);
    if (r == 0) {
      r = write_incident(WALL, 1000 + n);
      vigil__artifact_dir_close(&dir);
    }
    inject(false);
    CHECK_EQ(test_open_fds(), fds);
    CHECK_EQ(contexts, 0);
    CHECK_EQ(check_complete(), r == 0);
    if (r == 0)
      break;
    open_dir();
    vigil__artifact_dir_close(&dir);
    CHECK_EQ(count(top, ".tmp"), 0);
  }
}

static int calls;

static ssize_t short_write(int fd, const void* data, size_t n) {
  return calls++ % 2 ? -EINTR : real.write(fd, data, n < 7 ? n : 7);
}

static int interrupted_fsync(int fd) {
  return calls++ % 3 ? -EINTR : real.fsync(fd);
}

static int interrupted_close(int fd) {
  real.close(fd);
  return -EINTR;
}

TEST(artifact_short_and_interrupted_calls) {
  setup();
  open_dir();
  real = vigil__os;
  vigil__os.write = short_write;
  vigil__os.fsync = interrupted_fsync;
  vigil__os.close = interrupted_close;
  CHECK_EQ(write_incident(WALL, 42), 0);
  CHECK_EQ(check_complete(), 1);
}

/* A file system may report a failed write no earlier than at close. */
static int failing_close(int fd) {
  real.close(fd);
  return -EDQUOT;
}

TEST(artifact_failure_at_close_counts) {
  struct vigil__artifact_file* f;

  setup();
  open_dir();
  real = vigil__os;
  CHECK_EQ(vigil__artifact_begin(&a, &dir, WALL, 42), 0);
  CHECK_EQ(vigil__artifact_file_open(&a, "x", 10, &f), 0);
  vigil__os.close = failing_close;
  CHECK_EQ(vigil__artifact_file_close(f), -EDQUOT);
  CHECK(!f->complete);
  CHECK_EQ(count(path("%s/%s", a.tmp), ""), 0);
  vigil__artifact_abort(&a);
}

/* Three files, then their directory, before the rename; the parent after. */
static int syncs;
static int renamed_at;

static int counted_fsync(int fd) {
  syncs++;
  return real.fsync(fd);
}

static int counted_renameat(int d, const char* from, const char* to) {
  renamed_at = syncs;
  return real.renameat(d, from, to);
}

TEST(artifact_is_on_disk_before_it_has_its_name) {
  setup();
  open_dir();
  real = vigil__os;
  vigil__os.fsync = counted_fsync;
  vigil__os.renameat = counted_renameat;
  CHECK_EQ(write_incident(WALL, 42), 0);
  CHECK_EQ(renamed_at, 4);
  CHECK_EQ(syncs, 5);
}

static ssize_t zero_write(int fd, const void* data, size_t n) {
  (void) fd, (void) data, (void) n;
  return 0;
}

TEST(artifact_write_of_nothing_is_an_error) {
  setup();
  open_dir();
  vigil__os.write = zero_write;
  CHECK_EQ(write_incident(WALL, 42), -EIO);
  CHECK_EQ(count(top, ""), 0);
}

/* ---- files that another process wrote */

/* What the child of a fork does with the file, and says of it. */
struct told {
  uint64_t bytes;
  char sha256[65];
};

static struct told write_in_child(struct vigil__artifact_file* f, size_t len) {
  struct told told;
  int status;
  int pipes[2];
  char* data;
  pid_t pid;

  CHECK_EQ(pipe(pipes), 0);
  pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    data = calloc(1, len + 1);
    memset(data, 'c', len);
    if (vigil__artifact_file_write(f, data, len) != 0 ||
        vigil__artifact_file_close(f) != 0)
      _exit(1);
    told.bytes = f->bytes;
    memcpy(told.sha256, f->sha256, sizeof(told.sha256));
    _exit(write(pipes[1], &told, sizeof(told)) != sizeof(told));
  }
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, 0);
  CHECK_EQ(read(pipes[0], &told, sizeof(told)), sizeof(told));
  close(pipes[0]);
  close(pipes[1]);
  return told;
}

TEST(artifact_adopts_what_a_child_wrote) {
  const int fds = test_open_fds();
  struct vigil__json j = { .limit = 0 };
  struct vigil__artifact_file* f;
  struct told told;
  char text[8192];

  setup();
  open_dir();
  CHECK_EQ(vigil__artifact_begin(&a, &dir, WALL, 42), 0);
  CHECK_EQ(vigil__artifact_file_open(&a, "x", 1 << 20, &f), 0);
  told = write_in_child(f, 100000);
  CHECK_EQ(told.bytes, 100000);
  CHECK(!f->complete);
  CHECK_EQ(vigil__artifact_file_adopt(f, told.bytes, told.sha256), 0);
  CHECK(f->complete);
  CHECK_EQ(contexts, 0);
  /* Once; what comes after changes nothing. */
  CHECK_EQ(vigil__artifact_file_adopt(f, 1, told.sha256), -EBADF);
  vigil__artifact_file_drop(f);
  CHECK(f->complete);
  vigil__json_object(&j, NULL);
  vigil__artifact_describe(&a, &j);
  vigil__json_end(&j);
  CHECK_EQ(vigil__artifact_finish(&a, &j), 0);
  vigil__json_free(&j);
  slurp(path("%s/%s/incident.json", a.name), text, sizeof(text));
  CHECK(strstr(text, "\"bytes\": 100000,") != NULL);
  CHECK(strstr(text, "abababab00000000000186a0\"") != NULL);
  CHECK_EQ(count(path("%s/%s", a.name), "x"), 1);
  vigil__artifact_dir_close(&dir);
  CHECK_EQ(test_open_fds(), fds);
}

TEST(artifact_adopts_no_file_of_another_size) {
  struct vigil__artifact_file* f;
  struct told told;
  int i;

  setup();
  open_dir();
  CHECK_EQ(vigil__artifact_begin(&a, &dir, WALL, 42), 0);
  for (i = -1; i <= 1; i += 2) {
    CHECK_EQ(vigil__artifact_file_open(&a, "x", 1 << 20, &f), 0);
    told = write_in_child(f, 3000);
    CHECK_EQ(vigil__artifact_file_adopt(f, (uint64_t) (3000 + i), told.sha256),
             -EIO);
    CHECK(!f->complete);
    CHECK_EQ(count(path("%s/%s", a.tmp), ""), 0);
    CHECK_EQ(contexts, 0);
  }
  vigil__artifact_abort(&a);
  CHECK_EQ(count(top, ""), 0);
}

static int failing_fstat(int fd, struct stat* st) {
  (void) fd, (void) st;
  return -EIO;
}

TEST(artifact_adopts_no_file_after_a_failure) {
  struct vigil__artifact_file* f;
  struct told told;

  setup();
  open_dir();
  real = vigil__os;
  CHECK_EQ(vigil__artifact_begin(&a, &dir, WALL, 42), 0);
  CHECK_EQ(vigil__artifact_file_open(&a, "x", 1 << 20, &f), 0);
  told = write_in_child(f, 3000);
  vigil__os.fstat = failing_fstat;
  CHECK_EQ(vigil__artifact_file_adopt(f, told.bytes, told.sha256), -EIO);
  vigil__os.fstat = real.fstat;
  CHECK_EQ(count(path("%s/%s", a.tmp), ""), 0);

  CHECK_EQ(vigil__artifact_file_open(&a, "y", 1 << 20, &f), 0);
  told = write_in_child(f, 3000);
  vigil__os.close = failing_close;
  CHECK_EQ(vigil__artifact_file_adopt(f, told.bytes, told.sha256), -EDQUOT);
  vigil__os.close = real.close;
  CHECK_EQ(count(path("%s/%s", a.tmp), ""), 0);

  /* It was dropped before: that is what went wrong. */
  CHECK_EQ(vigil__artifact_file_open(&a, "z", 1 << 20, &f), 0);
  told = write_in_child(f, 3000);
  vigil__artifact_file_drop(f);
  CHECK_EQ(vigil__artifact_file_adopt(f, told.bytes, told.sha256), -ECANCELED);
  CHECK_EQ(count(path("%s/%s", a.tmp), ""), 0);
  CHECK_EQ(contexts, 0);
  vigil__artifact_abort(&a);
}

TEST(artifact_in_memory_is_read_back_after_a_child_wrote_it) {
  const int fds = test_open_fds();
  struct vigil__artifact_file f;
  struct told told;
  char text[16];

  setup();
  CHECK_EQ(vigil__artifact_memory_open(&f, 3000), 0);
  told = write_in_child(&f, 3000);
  CHECK_EQ(vigil__artifact_file_adopt(&f, told.bytes, told.sha256), 0);
  CHECK(f.complete);
  CHECK_EQ(pread(f.fd, text, sizeof(text), 2998), 2);
  CHECK_EQ(text[1], 'c');
  vigil__artifact_file_close(&f);
  CHECK_EQ(test_open_fds(), fds);
  /* It has a limit, too. */
  CHECK_EQ(vigil__artifact_memory_open(&f, 3), 0);
  CHECK_EQ(vigil__artifact_file_write(&f, "1234", 4), -EFBIG);
  vigil__artifact_file_drop(&f);
  CHECK_EQ(test_open_fds(), fds);
}

#ifdef HAVE_OPENSSL
#include "sha256.h"

TEST(artifact_sha256_is_the_real_one) {
  struct vigil__json j = { .limit = 0 };
  struct vigil__artifact_file* f;

  setup();
  CHECK_EQ(vigil__artifact_dir_open(&dir, top, &vigil__sha256_openssl), 0);
  CHECK_EQ(vigil__artifact_begin(&a, &dir, WALL, 42), 0);
  CHECK_EQ(vigil__artifact_file_open(&a, "abc", 3, &f), 0);
  CHECK_EQ(vigil__artifact_file_write(f, "a", 1), 0);
  CHECK_EQ(vigil__artifact_file_write(f, "bc", 2), 0);
  CHECK_EQ(vigil__artifact_file_close(f), 0);
  CHECK_STR(f->sha256, "ba7816bf8f01cfea414140de5dae2223"
                       "b00361a396177a9cb410ff61f20015ad");
  CHECK_EQ(vigil__artifact_file_open(&a, "dropped", 3, &f), 0);
  vigil__artifact_file_drop(f);
  vigil__json_object(&j, NULL);
  vigil__json_end(&j);
  CHECK_EQ(vigil__artifact_finish(&a, &j), 0);
  vigil__json_free(&j);
  vigil__artifact_dir_close(&dir);
}
#endif
