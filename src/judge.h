/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_JUDGE_H_
#define VIGIL_JUDGE_H_

#include "config.h"
#include "incident.h"
#include "rule.h"
#include "thread.h"

/* From what was measured to an incident: gathers the figures of the rules, and
 * says what happened and why when one fires. Watch thread. */

/* Once. `config` must live on. */
void vigil__judge_init(const struct vigil__config* config);

/* Once a second for each loop that runs JavaScript, under the lock of the
 * threads, after its window was measured. `capturing`: an incident is being
 * made. */
struct vigil__rule_result vigil__judge(struct vigil__thread* t, bool capturing);

/* Any thread. From its next look on the watch thread goes by this limit, in the
 * rule's unit; 0: off. */
void vigil__judge_ask_limit(enum vigil__rule rule, uint64_t limit);
/* Takes the limits that were asked for. Watch thread, before it looks. */
void vigil__judge_take_limits(void);

/* How a rule stands for it. Same. */
struct vigil__rule_view vigil__judge_look(const struct vigil__thread* t,
                                          enum vigil__rule rule);

/* The loop has been well for the last three seconds. Same. */
bool vigil__judge_calm(const struct vigil__thread* t);

/* What the list knows, under its lock. Takes references to the isolate and the
 * probe. */
void vigil__judge_begin(const struct vigil__thread* t,
                        struct vigil__trigger* trigger);
/* The rest: why, and the headline. Without the lock. `rule` NULL: on demand,
 * and `who` asked. */
void vigil__judge_end(struct vigil__trigger* trigger,
                      const struct vigil__rule_result* rule,
                      const char* who);
/* Only why, with its figures. Without the lock. */
void vigil__judge_why(struct vigil__trigger* trigger);
/* The rest, of a round of a leak hunt. */
void vigil__judge_leak(struct vigil__trigger* trigger, unsigned round);
/* The rest, when V8 gives up: the heap has reached its limit of so many bytes. */
void vigil__judge_limit(struct vigil__trigger* trigger, uint64_t limit);
void vigil__judge_drop(struct vigil__trigger* trigger);

#endif  /* VIGIL_JUDGE_H_ */
