/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CONTROL_SOCKET_H_
#define VIGIL_CONTROL_SOCKET_H_

#include "config.h"

/* Where VIGIL_CONTROL is:
 *
 *   auto             control-<pid>.sock in VIGIL_DIR, which is created
 *   /run/app.sock    there
 *   /run/app/        control-<pid>.sock in this folder
 *
 * Processes in containers that share the folder may have the same pid: the next
 * one is control-<pid>-2.sock. Who makes one removes those that nobody listens
 * to, of processes that have ended. */

/* A socket that listens there, mode 0600: its descriptor, or -errno. It says why
 * not, in one line, unless nobody asked for one: `auto` is quiet but for a path
 * that is too long. Telling thread, once. */
int vigil__control_bind(const struct vigil__config* config);

/* Removes it, and VIGIL_DIR if it was created for it and is empty. The process
 * ends; any thread, waits for nobody. */
void vigil__control_unbind(void);

/* The part of `name` that is a pid: "control-21.sock", "control-21-2.sock"; 0: it
 * is no such name. Pure. */
unsigned vigil__control_pid(const char* name);

#endif  /* VIGIL_CONTROL_SOCKET_H_ */
