/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_MANIFEST_H_
#define VIGIL_MANIFEST_H_

#include "artifact.h"
#include "capture.h"
#include "json.h"

/* All that incident.json tells. */
struct vigil__manifest {
  const struct vigil__config* config;
  const struct vigil__capture_cause* cause;
  const struct vigil__artifact* artifact;
  uint64_t trigger_wall_ns;     /* Unix time. */
  uint64_t end_wall_ns;
  uint64_t self_ns;             /* Pause of the loop that the capture cost. */
  const char* cpu_note;         /* Why there is no profile; "": there is. */
  const char* heap_note;        /* The same for the heap snapshot. */
};

/* Watch thread. Errors stay in `j`; vigil__artifact_finish() looks. */
void vigil__manifest_write(struct vigil__json* j,
                           const struct vigil__manifest* m);

#endif  /* VIGIL_MANIFEST_H_ */
