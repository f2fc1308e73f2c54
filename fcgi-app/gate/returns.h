/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_RETURNS_H
#define BUZON_GATE_RETURNS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "text/err.h"

/*
 * What other threads give back to the gate's thread, in the order in which it
 * comes, and how they wake that thread.
 */

/* A place in the list; part of what is given back. */
struct returned {
	struct returned *next;
};

struct returns {
	pthread_mutex_t mutex;
	struct returned *first;
	struct returned *last;
	int wake_fd; /* an eventfd; each write to it is an edge for epoll */
	atomic_bool wake_pending;
};

/* False, with errno, where the kernel has no descriptor for it. */
bool returns_init(struct returns *returns) MUST_CHECK;
void returns_deinit(struct returns *returns);

/*
 * The gate's turn has begun, and returns_collect() follows in it: until then
 * nobody need wake it.
 */
void returns_begin_turn(struct returns *returns);

/* Adds one and wakes the gate. It is the gate's from here on. Any thread. */
void returns_add(struct returns *returns, struct returned *returned);

/* Has the gate take a turn. returns: a struct returns. Any thread. */
void returns_wake(void *returns);

/* All that have come, the first of them first; NULL: none. */
struct returned *returns_collect(struct returns *returns);

#endif
