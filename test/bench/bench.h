/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef BENCH_H_
#define BENCH_H_

#include "clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Interleaved rounds of short batches, and tables of them.
 *
 * A batch takes some 3 to 150 us. Every row of a table does one batch per
 * round, and each round begins with another row, so what disturbs the machine
 * for longer than that disturbs all rows alike. A batch that was preempted is
 * an outlier: it moves p99, not the median. Each batch runs twice and the
 * second counts, so that no row pays for what another left in the caches. */
#define BATCH 2048u

#define EACH(i) for (size_t i = 0; i < BATCH; i++)

/* The value must exist, and memory may have changed. */
#define KEEP(x) __asm__ volatile("" : : "r"(x) : "memory")

struct bench_row {
  const char* name;
  void (*run)(const uint64_t* values);  /* BATCH operations. */
  double* ns;                           /* Per operation, one for each round. */
};

static bool bench_markdown;
static unsigned bench_rounds = 2000;

static int bench_compare(const void* a, const void* b) {
  const double x = *(const double*) a;
  const double y = *(const double*) b;

  return (x > y) - (x < y);
}

static double bench_quantile(const double* sorted, unsigned n, double q) {
  return sorted[(unsigned) ((n - 1) * q + 0.5)];
}

static double bench_median(const struct bench_row* row) {
  return bench_quantile(row->ns, bench_rounds, 0.5);
}

static double* bench_alloc(void) {
  double* ns = calloc(bench_rounds, sizeof(*ns));

  if (ns == NULL)
    abort();
  return ns;
}

/* One timed batch of every row, beginning with another row each round. */
static void bench_round(struct bench_row* rows,
                        unsigned count,
                        unsigned round,
                        const uint64_t* values) {
  vigil__mono_t start;
  struct bench_row* row;
  unsigned k;

  for (k = 0; k < count; k++) {
    row = &rows[(k + round) % count];
    if (row->ns == NULL)
      row->ns = bench_alloc();
    row->run(values);
    start = vigil__mono_now();
    row->run(values);
    row->ns[round] = (double) (vigil__mono_now() - start) / BATCH;
  }
}

static void bench_title(const char* title) {
  static const char* columns[] = { "min", "p10", "median", "p90", "p99" };
  size_t i;

  printf(bench_markdown ? "\n| %s |" : "\n%-46s", title);
  for (i = 0; i < sizeof(columns) / sizeof(*columns); i++)
    printf(bench_markdown ? " %s |" : " %8s", columns[i]);
  printf(bench_markdown ? "\n|---|---:|---:|---:|---:|---:|\n" : "\n");
}

/* Sorts the figures of a row, and prints their distribution. */
static void bench_print(struct bench_row* row) {
  static const double q[] = { 0, 0.1, 0.5, 0.9, 0.99 };
  size_t i;

  qsort(row->ns, bench_rounds, sizeof(*row->ns), bench_compare);
  printf(bench_markdown ? "| %s |" : "  %-44s", row->name);
  for (i = 0; i < sizeof(q) / sizeof(*q); i++)
    printf(bench_markdown ? " %.2f |" : " %8.2f",
           bench_quantile(row->ns, bench_rounds, q[i]));
  printf("\n");
}

static void bench_table(const char* title,
                        struct bench_row* rows,
                        unsigned count) {
  unsigned k;

  bench_title(title);
  for (k = 0; k < count; k++)
    bench_print(&rows[k]);
}

/* A paragraph in Markdown is one line in text. */
#define bench_say(...)                                                        \
  do {                                                                        \
    if (bench_markdown)                                                       \
      printf("\n");                                                           \
    printf(__VA_ARGS__);                                                      \
    printf("\n");                                                             \
  }                                                                           \
  while (0)

#endif  /* BENCH_H_ */
