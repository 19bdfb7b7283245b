/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_PROFILE_H_
#define VIGIL_PROFILE_H_

#include "clock.h"
#include "frames.h"
#include "recorder.h"

#include <stddef.h>

/* Takes the next piece of a file: 0 or -errno, which ends it. */
typedef int vigil__profile_sink(void* arg, const char* data, size_t len);

/* Writes what the recorder knows of [from, to] as a .cpuprofile, as Chrome
 * DevTools and speedscope read it. Times are us of CLOCK_MONOTONIC, as V8's
 * own. The first sample is at the beginning and the last one at the end; a
 * time without any activity is filled with (idle) samples, `interval_ns`
 * apart (longer for a very long time), because some readers count samples
 * and others add up times.
 *
 * Watch thread. The file goes out in pieces of at most 8 KB; the memory for
 * this is about 35 bytes for each node of the window's trees and 16 for each
 * sample. 0; -ENODATA: no sample says anything of that time; -ENOMEM, or the
 * sink's error: part of it may have been written. */
int vigil__profile_write(const struct vigil__recorder* r,
                         const struct vigil__frames* frames,
                         vigil__mono_t from,
                         vigil__mono_t to,
                         uint64_t interval_ns,
                         vigil__profile_sink* sink,
                         void* arg);

#endif  /* VIGIL_PROFILE_H_ */
