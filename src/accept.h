/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_ACCEPT_H_
#define VIGIL_ACCEPT_H_

/* In which format a scraper wants its metrics. */
enum vigil__exposition {
  VIGIL__EXPOSITION_TEXT,           /* Prometheus' own, 0.0.4. */
  VIGIL__EXPOSITION_OPENMETRICS,    /* 1.0.0... */
  VIGIL__EXPOSITION_OPENMETRICS_0   /* ...which 0.0.1 does not differ from. */
};

/* What an Accept header prefers; Prometheus' text where it does not care, or
 * names nothing that we have. Pure, any thread. */
enum vigil__exposition vigil__accept(const char* accept);

/* The Content-Type for it. */
const char* vigil__accept_type(enum vigil__exposition format);

#endif  /* VIGIL_ACCEPT_H_ */
