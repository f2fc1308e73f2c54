/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_BATCHER_H
#define BUZON_INBOX_BATCHER_H

#include <stddef.h>

#include "text/err.h"
#include "inbox/store.h"

/*
 * Takes all that waits for the store at one moment as one batch. While that is
 * at the store, the next batch gathers: the more come at once, the fewer trips
 * to the database each of them costs.
 *
 * A thread of its own does it, which may wait for the database. A batcher that
 * is attached to an event loop first tries what needs no waiting in the loop's
 * thread, which saves two changes of threads a batch.
 */
struct batcher;

/* What waits; the first member of the struct it stands for. */
struct batch_item {
	struct batch_item *next; /* the batcher's own */
};

/* Items that go to the store together; the batcher's, until they are done. */
struct batch {
	size_t count;
	struct batch_item *items[];
};

struct batcher_operations {
	/*
	 * How many items, of the `waiting` ones that begin with first, go into
	 * the next batch: at least 1, at most waiting. NULL: all.
	 */
	size_t (*size)(const struct batch_item *first, size_t waiting,
		       const struct store *store);
	/* Has the store do what the items want; returns what it returns. */
	enum err (*run)(struct batch *batch, struct store *store);
	/* The same by calls that do not wait; NULL where there are none. */
	enum store_progress (*start)(struct batch *batch, struct store *store,
				     enum err *err_r);
	enum store_progress (*resume)(struct store *store, bool expired,
				      enum err *err_r);
	/*
	 * Tells those who wait for the items what became of them; they are the
	 * batcher's no more.
	 */
	void (*finish)(struct batch *batch, enum err err);
};

/*
 * Starts the thread. queue_max: how many may wait. batch_max: how many go into
 * one batch. NULL when there is no memory or thread.
 */
struct batcher *batcher_new(const struct batcher_operations *operations,
			    store_open_fn *open, void *context,
			    size_t queue_max, size_t batch_max);

/*
 * Hands over an item. ERR_OK; or ERR_OVERLOADED where queue_max of them wait
 * already, and it stays the caller's. Any thread; of a batcher that is attached
 * the loop's alone, which calls batcher_turn() afterwards.
 */
enum err batcher_submit(struct batcher *batcher,
			struct batch_item *item) MUST_CHECK;

/*
 * Attaches it, if it has such calls, to the event loop of the thread that calls
 * this and the next three, before anything is submitted. wake is called when
 * batcher_turn() is due although nothing was submitted: by the batcher's
 * thread, which it must not block. NULL detaches it again, while nothing waits
 * or is under way.
 */
void batcher_attach(struct batcher *batcher, void (*wake)(void *context),
		    void *context);

/* Begins what waits, unless a batch is under way. */
void batcher_turn(struct batcher *batcher);

/* What the batch that is under way in the loop waits for; NULL: nothing. */
const struct store_wait *batcher_wait(struct batcher *batcher);

/* That has come; expired: its time is over instead. */
void batcher_continue(struct batcher *batcher, bool expired);

/*
 * Processes what still waits or is under way, ends the thread, frees; sets
 * *batcher to NULL.
 */
void batcher_free(struct batcher **batcher);

#endif
