/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "helper_env.h"

#include "os.h"

#include <stdbool.h>
#include <string.h>

/* Not NODE_OPTIONS and LD_PRELOAD, which are for the program. With a library
 * path that the program needs to be started, so does the helper. */
static const char* const names[] = {
  "HOME", "PATH", "TZ", "LANG", "HOSTNAME", "LD_LIBRARY_PATH",
  "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "NODE_USE_SYSTEM_CA",
  "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
  "http_proxy", "https_proxy", "no_proxy", "all_proxy",
  "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "npm_package_name",
  "npm_package_version"
};

#define NAME_MAX_LEN 64u

static bool is_wanted(const char* variable,
                      const struct vigil__config* config) {
  const size_t len = strcspn(variable, "=");
  char name[NAME_MAX_LEN];
  size_t i;

  if (len == 0 || len >= sizeof(name) || variable[len] != '=')
    return false;
  memcpy(name, variable, len);
  name[len] = '\0';
  if (strncmp(name, "AWS_", 4) == 0)
    return true;
  if (strncmp(name, "VIGIL_", 6) == 0)
    return vigil__config_is_good(config, name);
  for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (strcmp(name, names[i]) == 0)
      return true;
  return false;
}

char** vigil__helper_env(char** env, const struct vigil__config* config) {
  static char off[] = "VIGIL=off";
  size_t count = 0;
  char** out;
  size_t i;

  for (i = 0; env[i] != NULL; i++)
    count += is_wanted(env[i], config);
  out = vigil__os.realloc(NULL, (count + 2) * sizeof(*out));
  if (out == NULL)
    return NULL;
  count = 0;
  for (i = 0; env[i] != NULL; i++)
    if (is_wanted(env[i], config))
      out[count++] = env[i];
  out[count++] = off;
  out[count] = NULL;
  return out;
}
