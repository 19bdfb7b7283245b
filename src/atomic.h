/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_ATOMIC_H_
#define VIGIL_ATOMIC_H_

#ifdef __cplusplus
#error "The records use C11 atomics; reach them through C functions."
#endif

#include <stdatomic.h>
#include <stdint.h>

/* The words of a record have one writer each and only the reader's seqlock
 * (loop.c) decides whether what it read belongs together. Relaxed accesses are
 * therefore enough, and they compile to plain moves. */
typedef _Atomic uint64_t vigil__word_t;

static inline uint64_t vigil__load(const vigil__word_t* w) {
  return atomic_load_explicit(w, memory_order_relaxed);
}

static inline void vigil__store(vigil__word_t* w, uint64_t value) {
  atomic_store_explicit(w, value, memory_order_relaxed);
}

/* For the one writer of `w` only: a load and a store, no locked instruction. */
static inline void vigil__add(vigil__word_t* w, uint64_t value) {
  vigil__store(w, vigil__load(w) + value);
}

#endif  /* VIGIL_ATOMIC_H_ */
