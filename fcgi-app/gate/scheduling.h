/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_SCHEDULING_H
#define BUZON_GATE_SCHEDULING_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether the gate's thread interrupts others when it is woken; see sched(7).
 *
 * With few connections it does (SCHED_OTHER): each request is met at once, also
 * on a machine that is busy with other things. With many it does not
 * (SCHED_BATCH): a web server that shares a processor with it would be
 * interrupted for each request that it hands over. It may hand over all it has,
 * and the gate finds them together.
 */
struct scheduling {
	bool batch;
	bool fixed; /* not ours to change */
};

/*
 * Looks at what there is: a policy that the program was given when it was
 * started, other than SCHED_OTHER, stays. The thread that calls this is the one
 * that the other call is for.
 */
void scheduling_init(struct scheduling *scheduling);

/*
 * connections: how many are open. Web servers keep them open for a while, so it
 * tells how many requests have come at once lately. Logs where the kernel
 * refuses, once; everything goes on as it was then.
 */
void scheduling_adapt(struct scheduling *scheduling, size_t connections);

#endif
