/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_REAP_H_
#define VIGIL_REAP_H_

#include <stdbool.h>
#include <sys/types.h>

/* Processes of ours beside what the program does with its own: it may take the
 * status of any child, or have the kernel drop it. `pidfd` -1: the kernel has
 * none; then such a process is known by its number alone. Any one thread. */

/* Whether it has ended, and `status` as waitpid(2), or -1 when somebody else has
 * that. Does not wait. Not again once it has. */
bool vigil__reap(pid_t pid, int pidfd, int* status);

/* SIGKILL; harmless after its end, as long as that was not seen. */
void vigil__reap_kill(pid_t pid, int pidfd);

#endif  /* VIGIL_REAP_H_ */
