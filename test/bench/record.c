/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* What a record and a poll cost, beside HdrHistogram_c with the same values.
 * record.sh builds it; README.md says how to read it. */

#include "bench.h"
#include "rows.h"
#include "tsc.h"

#include <string.h>
#include <sys/resource.h>

/* ---- all of it */

static void check(const char* name, uint64_t got, uint64_t want) {
  if (got == want)
    return;
  fprintf(stderr, "record: %s holds %llu values, want %llu\n", name,
          (unsigned long long) got, (unsigned long long) want);
  exit(1);
}

static uint64_t count(const struct vigil__hist* h) {
  uint64_t n = 0;
  unsigned i;

  for (i = 0; i < VIGIL__HIST_SIZE; i++)
    n += vigil__load(&h->cell[i].count);
  return n;
}

static void set_up(void) {
  unsigned s;
  unsigned i;

  tsc_calibrate();
  ours = aligned_alloc(64, sizeof(*ours) / 64 * 64 + 64);
  ours_called = aligned_alloc(64, sizeof(*ours) / 64 * 64 + 64);
  loop = vigil__loop_new(now);
  loop_mono = vigil__loop_new(vigil__mono_now());
  loop_tsc = vigil__loop_new(tsc_now());
  /* As Node has them for monitorEventLoopDelay(): from 1 ns, no upper end. */
  if (ours == NULL || ours_called == NULL || loop == NULL ||
      loop_mono == NULL || loop_tsc == NULL ||
      hdr_init(1, INT64_MAX, 3, &hdr3) || hdr_init(1, INT64_MAX, 2, &hdr2) ||
      hdr_init(1, INT64_MAX, 3, &hdr3_atomic) ||
      hdr_init(1, INT64_MAX, 3, &hdr3_node))
    abort();
  memset(ours, 0, sizeof(*ours));
  memset(ours_called, 0, sizeof(*ours));
  vigil__loop_poll_enter(loop, ++now);  /* Ends start-up. */
  vigil__loop_poll_enter(loop_mono, vigil__mono_now());
  vigil__loop_poll_enter(loop_tsc, tsc_now());
  for (s = 0; s < ROWS(streams); s++) {
    memcpy(streams[s].row, record_rows, sizeof(record_rows));
    for (i = 0; i < VALUES; i++)
      streams[s].value[i] = (uint64_t) streams[s].next();
  }
}

static void measure(void) {
  const unsigned rounds = bench_rounds;
  uint64_t want = 0;
  unsigned r;
  unsigned s;

  for (r = 0; r < rounds; r++) {
    for (s = 0; s < ROWS(streams); s++) {
      bench_round(streams[s].row, RECORD_ROWS, r,
                  &streams[s].value[r * BATCH % VALUES]);
      want += 2 * BATCH;
    }
    bench_round(poll_rows, ROWS(poll_rows), r, NULL);
  }
  check("vigil__hist", count(ours), want);
  check("hdr_histogram", (uint64_t) hdr3->total_count, want);
  check("hdr_histogram, atomic", (uint64_t) hdr3_atomic->total_count, want);
  check("vigil__loop", vigil__load(&loop->polls), 2 * want);
  check("vigil__loop, busy", count(&loop->busy), 2 * want);
}

/* ---- with cold caches: what a poll costs after JS has used them */

#define COLD_SAMPLES 400u
#define COLD_BYTES (8u << 20)  /* More than a core's own caches. */

static void cold_nothing(uint64_t v) { (void) v; }
static void cold_ours(uint64_t v) { vigil__hist_record(ours, v); }
static void cold_hdr3(uint64_t v) { hdr_record_value(hdr3, (int64_t) v); }
static void cold_hooks(uint64_t v) {
  (void) v;
  uv__vigil_hooks->turn(fields.vigil);
  uv__vigil_hooks->poll_enter(fields.vigil);
  uv__vigil_hooks->poll_exit(fields.vigil, 1);
}

static const struct {
  const char* name;
  void (*run)(uint64_t v);
} cold_rows[] = {
  { "(measuring nothing; taken off below)", cold_nothing },
  { "vigil__hist_record", cold_ours },
  { "hdr_record_value, 3 figures", cold_hdr3 },
  { "hooks of a poll", cold_hooks }
};

static void measure_cold(void) {
  struct bench_row row[ROWS(cold_rows)];
  unsigned char* waste = calloc(1, COLD_BYTES);
  double nothing = 0;
  uint64_t start;
  uint64_t end;
  unsigned aux;
  unsigned i;
  unsigned k;

  if (waste == NULL)
    abort();
  uv__vigil_hooks = &hooks;
  fields.vigil = loop_mono;
  bench_rounds = COLD_SAMPLES;
  for (k = 0; k < ROWS(cold_rows); k++) {
    row[k].name = cold_rows[k].name;
    row[k].ns = bench_alloc();
  }
  for (i = 0; i < COLD_SAMPLES; i++) {
    for (k = 0; k < ROWS(cold_rows); k++) {
      for (size_t at = 0; at < COLD_BYTES; at += 64)
        waste[at]++;
      _mm_mfence();
      start = __rdtscp(&aux);
      _mm_lfence();
      cold_rows[k].run(streams[1].value[i]);
      _mm_mfence();
      end = __rdtscp(&aux);
      row[k].ns[i] = (double) tsc_ns((end - start) << 8) / 256;
    }
  }
  bench_title("ns, one at a time, caches emptied before each");
  for (k = 0; k < ROWS(cold_rows); k++) {
    for (i = 0; i < COLD_SAMPLES; i++)
      row[k].ns[i] -= nothing;
    bench_print(&row[k]);
    if (k == 0)
      nothing = bench_median(&row[k]);
    free(row[k].ns);
  }
  free(waste);
}

/* ---- the report */

static void print_machine(void) {
  char cpu[256];
  char load[256];

  tsc_line("/proc/cpuinfo", "model name", cpu, sizeof(cpu));
  tsc_line("/proc/loadavg", "", load, sizeof(load));
  bench_say("CPU%s; load average %s; %s %s", cpu + strspn(cpu, "\t"), load,
            "compiled by " __VERSION__, BENCH_FLAGS);
  if (atof(load) > 0.5)
    bench_say("THE MACHINE IS NOT QUIET: take these figures as preliminary");
  bench_say("%u rounds of %u operations a row, interleaved; ns per operation",
            bench_rounds, BATCH);
  bench_say("memory: vigil__hist %zu bytes (count and sum), HdrHistogram_c "
            "3 figures %zu, 2 figures %zu (count)",
            sizeof(struct vigil__hist), hdr_get_memory_size(hdr3),
            hdr_get_memory_size(hdr2));
}

static double print_tables(void) {
  double worst = 0;
  double ratio = 0;
  double poll = 0;
  double median;
  unsigned s;

  for (s = 0; s < ROWS(streams); s++) {
    bench_table(streams[s].name, streams[s].row, RECORD_ROWS);
    median = bench_median(&streams[s].row[OURS]);
    worst = fmax(worst, median);
    ratio = fmax(ratio, median / bench_median(&streams[s].row[HDR3]));
    poll = fmax(poll, bench_median(&streams[s].row[TURN]));
  }
  bench_table("a poll", poll_rows, ROWS(poll_rows));
  median = bench_median(&poll_rows[HOOKS]);
  bench_say("medians, the worst of the streams, and goals:");
  bench_say("  record %.2f ns (goal <= 5), %.2f of hdr_record_value with 3 "
            "figures (goal <= 1)", worst, ratio);
  bench_say("  hooks of a poll %.1f ns (goal <= 60), of it %.1f two clock "
            "reads; with now passed in, %.1f", median,
            2 * bench_median(&poll_rows[MONO]), poll);
  return median - bench_median(&poll_rows[HOOKS_TSC]);
}

int main(int argc, char** argv) {
  struct rusage usage;
  double gain_ns;
  int i;

  for (i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--markdown") == 0) {
      bench_markdown = true;
    } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc &&
               atoi(argv[i + 1]) >= 10 && atoi(argv[i + 1]) <= 100000) {
      bench_rounds = (unsigned) atoi(argv[++i]);
    } else {
      fprintf(stderr, "usage: record [--markdown] [--rounds 10..100000]\n");
      return 2;
    }
  }
  set_up();
  print_machine();
  measure();
  gain_ns = print_tables();
  measure_cold();
  tsc_report(gain_ns);
  getrusage(RUSAGE_SELF, &usage);
  bench_say("preempted %ld times meanwhile", usage.ru_nivcsw);
  return 0;
}
