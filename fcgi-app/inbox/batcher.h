/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_BATCHER_H
#define BUZON_INBOX_BATCHER_H

#include <stddef.h>

#include "base/err.h"
#include "inbox/store.h"

/*
 * A thread that takes all that waits for the store at one moment as one batch.
 * While it is at the store, the next batch gathers: the more come at once, the
 * fewer trips to the database each of them costs.
 */
struct batcher;

/* What waits; the first member of the struct it stands for. */
struct batch_item {
	struct batch_item *next; /* the batcher's own */
};

struct batcher_operations {
	/*
	 * How many items, of the `waiting` ones that begin with first, go into
	 * the next batch: at least 1, at most waiting. NULL: all.
	 */
	size_t (*size)(const struct batch_item *first, size_t waiting,
		       const struct store *store);
	/*
	 * Does what the items want and tells those who wait for them; they are
	 * the batcher's no more. store is NULL when there was no memory for it.
	 */
	void (*process)(struct batch_item **items, size_t count,
			struct store *store);
};

/*
 * Starts the thread. queue_max: how many may wait; batch_max: how many go into
 * one batch. NULL when there is no memory or thread.
 */
struct batcher *batcher_new(const struct batcher_operations *operations,
			    store_open_fn *open, void *context,
			    size_t queue_max, size_t batch_max);

/*
 * Hands over an item. ERR_OK; or ERR_OVERLOADED where queue_max of them wait
 * already, and it stays the caller's. Any thread.
 */
enum err batcher_submit(struct batcher *batcher,
			struct batch_item *item) MUST_CHECK;

/* Processes what still waits, ends the thread, frees; sets *batcher to NULL. */
void batcher_free(struct batcher **batcher);

#endif
