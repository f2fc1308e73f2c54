/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_DEADLINES_H
#define BUZON_GATE_DEADLINES_H

#include <stdint.h>
#include <sys/queue.h>

/*
 * Moments at which something is due, the nearest first. Each list is for one
 * kind of wait, whose moments mostly come in their order: then setting one
 * costs the same however many there are. For one thread.
 */

struct deadline {
	TAILQ_ENTRY(deadline) link;
	struct deadlines *list; /* NULL: in none */
	int64_t at_ms;          /* CLOCK_MONOTONIC */
};

struct deadlines {
	TAILQ_HEAD(deadlines_head, deadline) head;
};

void deadlines_init(struct deadlines *list);

/*
 * Puts a deadline into a list, out of the one it was in. It belongs to the
 * caller, who clears it before its memory ends. Zero bytes are one in no list.
 */
void deadline_set(struct deadline *deadline, struct deadlines *list,
		  int64_t at_ms);

/* Takes it out of its list; one that is in none stays so. */
void deadline_clear(struct deadline *deadline);

/* The nearest one, or NULL; and the one behind it. */
struct deadline *deadlines_first(const struct deadlines *list);
struct deadline *deadline_next(const struct deadline *deadline);

#endif
