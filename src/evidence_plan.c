/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "evidence.h"

/* What is wanted, less what the cause makes pointless. */
static unsigned plan(struct vigil__incident* i) {
  const struct vigil__trigger* t = &i->trigger;
  const enum vigil__cause_class cause = t->why.cause;
  unsigned want = (unsigned) i->config->capture;
  int k;

  if (t->want & VIGIL__CAPTURE_WITHOUT)
    return want & ~VIGIL__CAPTURE_ALLOC & ~(unsigned) t->want;
  if (t->want != 0)
    return (unsigned) t->want;
  if (t->demand)
    return want & ~VIGIL__CAPTURE_ALLOC;
  if (cause == VIGIL__CAUSE_STARVED || cause == VIGIL__CAUSE_THROTTLED ||
      cause == VIGIL__CAUSE_SUSPENDED) {
    for (k = VIGIL__PIECE_CPU; k <= VIGIL__PIECE_HEAP; k++)
      vigil__incident_none(i, (enum vigil__piece) k,
                           "it would show an innocent, the process was %s",
                           vigil__cause_name(cause));
    want &= VIGIL__CAPTURE_BEFORE;
  }
  if (cause != VIGIL__CAUSE_GC)
    want &= ~VIGIL__CAPTURE_ALLOC;
  return want;
}

unsigned vigil__evidence_plan(struct vigil__incident* i) {
  static const struct { unsigned bit; enum vigil__piece piece; } all[] = {
    { VIGIL__CAPTURE_CPU, VIGIL__PIECE_CPU },
    { VIGIL__CAPTURE_HEAP, VIGIL__PIECE_HEAP },
    { VIGIL__CAPTURE_BEFORE, VIGIL__PIECE_BEFORE }
  };
  const unsigned want = plan(i);
  size_t k;

  for (k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
    if (!(i->config->capture & all[k].bit) && !(want & all[k].bit))
      vigil__incident_none(i, all[k].piece, "VIGIL_CAPTURE is without");
  }
  if (!i->config->recorder)
    vigil__incident_none(i, VIGIL__PIECE_BEFORE, "VIGIL_RECORDER is off");
  return want;
}
