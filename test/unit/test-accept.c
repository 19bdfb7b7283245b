/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "accept.h"
#include "test.h"

#include <stddef.h>

#define T VIGIL__EXPOSITION_TEXT
#define O VIGIL__EXPOSITION_OPENMETRICS
#define O0 VIGIL__EXPOSITION_OPENMETRICS_0

TEST(accept_prefers_what_the_header_prefers) {
  static const struct { const char* accept; enum vigil__exposition want; } c[] = {
    { "", T },
    { "*/*", T },
    { "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", T },
    { "application/json", T },
    { "text/plain", T },
    { "application/openmetrics-text", O },
    { "APPLICATION/OpenMetrics-Text; Version=1.0.0", O },
    { "application/openmetrics-text; version=0.0.1", O0 },
    { "application/openmetrics-text; version=2.0.0", T },
    /* Prometheus 2.42, 2.53 and 3.2, as they send it. */
    { "application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
      "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", O },
    { "application/openmetrics-text;version=1.0.0;q=0.5,application/"
      "openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,"
      "*/*;q=0.2", O },
    { "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
      "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;"
      "version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,"
      "*/*;q=0.2", O },
    { "application/vnd.google.protobuf;proto=io.prometheus.client."
      "MetricFamily;encoding=delimited;q=0.7,application/openmetrics-text;"
      "version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3", O0 },
    { "text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.5", T },
    { "text/plain;q=0.5,application/openmetrics-text;q=0.5", O },
    { "application/openmetrics-text;q=0,*/*", T },
    { "application/openmetrics-text;q=0.3, */*;q=0.1", O },
    { "application/openmetrics-text;q=0.3, text/*;q=0.4", T },
    { "text/plain;q=0.1, */*;q=0.9, application/openmetrics-text;q=0.5", O },
    { " application/openmetrics-text ; q=1.000 ,\ttext/plain ; q=0.999", O },
    { "application/openmetrics-text;q=2", T },
    { "application/openmetrics-text;q=0.5x,text/plain;q=0.1", T },
    { "application/openmetrics-text;q=", O },
    { ",,;;,=,;q=,", T },
  };
  size_t i;

  for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
    if (vigil__accept(c[i].accept) != c[i].want)
      test_fail(__FILE__, __LINE__, "\"%s\": %d", c[i].accept,
                vigil__accept(c[i].accept));
  }
}

TEST(accept_any_bytes) {
  static const char bytes[] = "aoqtv/*;=,.01 \t\"\\\xff";
  char text[65];
  int i;
  int k;

  for (i = 0; i < 20000; i++) {
    const int len = (int) test_random(64);

    for (k = 0; k < len; k++)
      text[k] = bytes[test_random(sizeof(bytes) - 1)];
    text[len] = '\0';
    CHECK_EQ(vigil__accept(text), T);
  }
}
