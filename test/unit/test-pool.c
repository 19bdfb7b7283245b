/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "os.h"
#include "pool.h"
#include "test.h"

#define T (1000 * VIGIL__SEC)

static char work[200000];
static struct vigil__pool_copy copy;

static void* no_memory(void* p, size_t size) {
  (void) p;
  (void) size;
  return NULL;
}

TEST(pool_wait_and_run_by_kind) {
  vigil__pool_submit(&work[0], VIGIL__WORK_CPU, T);
  vigil__pool_submit(&work[1], VIGIL__WORK_FAST_IO, T + 1 * VIGIL__MS);
  vigil__pool_submit(&work[2], VIGIL__WORK_SLOW_IO, T + 2 * VIGIL__MS);
  vigil__pool_read(&copy);
  CHECK_EQ(copy.queued, 3);
  CHECK_EQ(copy.oldest, T);

  vigil__pool_begin(&work[0], 0, T + 5 * VIGIL__MS);
  vigil__pool_end(T + 25 * VIGIL__MS);
  vigil__pool_begin(&work[2], 1, T + 30 * VIGIL__MS);
  vigil__pool_read(&copy);
  CHECK_EQ(copy.running, 1);
  CHECK_EQ(copy.queued, 1);
  CHECK_EQ(copy.oldest, T + 1 * VIGIL__MS);
  vigil__pool_end(T + 31 * VIGIL__MS);
  vigil__pool_begin(&work[1], 0, T + 41 * VIGIL__MS);
  vigil__pool_end(T + 42 * VIGIL__MS);

  vigil__pool_read(&copy);
  CHECK_EQ(copy.wait[VIGIL__WORK_CPU].total_ns, 5 * VIGIL__MS);
  CHECK_EQ(copy.run[VIGIL__WORK_CPU].total_ns, 20 * VIGIL__MS);
  CHECK_EQ(copy.wait[VIGIL__WORK_SLOW_IO].total_ns, 28 * VIGIL__MS);
  CHECK_EQ(copy.run[VIGIL__WORK_SLOW_IO].total_ns, 1 * VIGIL__MS);
  CHECK_EQ(copy.wait[VIGIL__WORK_FAST_IO].total_ns, 40 * VIGIL__MS);
  CHECK_EQ(copy.run[VIGIL__WORK_FAST_IO].total_ns, 1 * VIGIL__MS);
  CHECK_EQ(copy.queued, 0);
  CHECK_EQ(copy.queued_max, 3);
  CHECK_EQ(copy.oldest, 0);
  CHECK_EQ(copy.running, 0);
}

TEST(pool_cancelled_work_leaves_the_middle_of_the_queue) {
  uint64_t i;

  for (i = 0; i < 4; i++)
    vigil__pool_submit(&work[i], VIGIL__WORK_CPU, T + i);
  vigil__pool_cancel(&work[2]);
  vigil__pool_cancel(&work[0]);
  vigil__pool_read(&copy);
  CHECK_EQ(copy.queued, 2);
  CHECK_EQ(copy.cancelled, 2);
  CHECK_EQ(copy.oldest, T + 1);

  vigil__pool_begin(&work[1], 0, T + 101);
  vigil__pool_end(T + 101);
  vigil__pool_begin(&work[3], 0, T + 203);
  vigil__pool_end(T + 203);
  vigil__pool_read(&copy);
  CHECK_EQ(copy.wait[VIGIL__WORK_CPU].n, 2);
  CHECK_EQ(copy.wait[VIGIL__WORK_CPU].total_ns, 300);
  CHECK_EQ(copy.queued, 0);
  CHECK_EQ(copy.oldest, 0);
}

/* The ring goes round and grows with work in it: order and stamps stay. */
TEST(pool_many_in_order_while_the_ring_grows) {
  enum { STEPS = 20000 };
  uint64_t next = 0;
  uint64_t done = 0;
  uint64_t waited = 0;
  int i;

  for (i = 0; i < STEPS; i++) {
    vigil__pool_submit(&work[next], VIGIL__WORK_FAST_IO, T + next);
    next++;
    if (i % 3 == 0) {
      vigil__pool_begin(&work[done], 0, T + next + 50);
      vigil__pool_end(T + next + 50);
      waited += next + 50 - done;
      done++;
    }
  }
  while (done < next) {
    vigil__pool_begin(&work[done], 0, T + next + 50);
    vigil__pool_end(T + next + 50);
    waited += next + 50 - done;
    done++;
  }
  vigil__pool_read(&copy);
  CHECK_EQ(copy.unstamped, 0);
  CHECK_EQ(copy.wait[VIGIL__WORK_FAST_IO].n, STEPS);
  CHECK_EQ(copy.wait[VIGIL__WORK_FAST_IO].total_ns, waited);
  CHECK_EQ(copy.queued, 0);
}

/* What does not fit is counted, and later work is measured again. */
TEST(pool_too_long_a_queue_is_not_stamped_to_its_end) {
  enum { N = 70000 };
  int i;

  for (i = 0; i < N; i++)
    vigil__pool_submit(&work[i], VIGIL__WORK_CPU, T);
  vigil__pool_read(&copy);
  CHECK_EQ(copy.queued, N);
  CHECK_EQ(copy.unstamped, N - 65536);
  for (i = 0; i < N; i++) {
    vigil__pool_begin(&work[i], 0, T + 7);
    vigil__pool_end(T + 7);
  }
  vigil__pool_submit(&work[N], VIGIL__WORK_CPU, T);
  vigil__pool_begin(&work[N], 0, T + 7);
  vigil__pool_end(T + 7);
  vigil__pool_read(&copy);
  CHECK_EQ(copy.wait[VIGIL__WORK_CPU].n, 65537);
  CHECK_EQ(copy.wait[VIGIL__WORK_CPU].total_ns, 65537 * 7);
  CHECK_EQ(copy.queued, 0);
}

TEST(pool_without_memory_counts_and_goes_on) {
  vigil__os.realloc = no_memory;
  vigil__pool_submit(&work[0], VIGIL__WORK_CPU, T);
  vigil__pool_begin(&work[0], 0, T + 9);
  vigil__pool_end(T + 9);
  vigil__pool_submit(&work[1], VIGIL__WORK_SLOW_IO, T);
  vigil__pool_cancel(&work[1]);
  vigil__pool_read(&copy);
  CHECK_EQ(copy.unstamped, 2);
  CHECK_EQ(copy.queued, 0);
  CHECK_EQ(copy.cancelled, 1);
  CHECK_EQ(copy.wait[VIGIL__WORK_CPU].n, 0);
}
