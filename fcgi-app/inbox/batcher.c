/* SPDX-License-Identifier: MIT */
#include "inbox/batcher.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "system/clock.h"

/* Who has the batch and the store, and alone may touch them. */
enum holder {
	HOLDER_THREAD, /* the batcher's own */
	HOLDER_LOOP,   /* the event loop it is attached to */
	HOLDER_NOBODY,
};

struct batcher {
	const struct batcher_operations *operations;
	pthread_mutex_t mutex;
	pthread_cond_t thread_due;
	struct batch_item *first;
	struct batch_item *last;
	size_t waiting;
	size_t queue_max;
	size_t batch_max;
	enum holder holder;
	bool stopping;
	void (*wake)(void *context); /* NULL: not attached */
	void *wake_context;
	store_open_fn *open;
	void *context;
	struct store *store;
	pthread_t thread;
	struct batch batch; /* last: of batch_max items; 0: there is none */
};

static size_t batch_size(const struct batcher *batcher)
{
	size_t waiting = batcher->waiting < batcher->batch_max
				 ? batcher->waiting
				 : batcher->batch_max;

	if (waiting == 0 || batcher->operations->size == NULL)
		return waiting;
	return batcher->operations->size(batcher->first, waiting,
					 batcher->store);
}

/* With the mutex held: makes a batch of what waits. */
static void gather(struct batcher *batcher)
{
	struct batch *batch = &batcher->batch;

	batch->count = batch_size(batcher);
	for (size_t i = 0; i < batch->count; i++) {
		batch->items[i] = batcher->first;
		batcher->first = batcher->first->next;
	}
	batcher->waiting -= batch->count;
}

/* With the mutex held: whether the thread has something to do. */
static bool thread_is_due(const struct batcher *batcher)
{
	if (batcher->holder != HOLDER_NOBODY)
		return batcher->holder == HOLDER_THREAD;
	return batcher->stopping ||
	       (batcher->wake == NULL && batcher->waiting > 0);
}

/*
 * The thread has done what it held; waits until it has a batch again. False
 * when there will be none.
 */
static bool thread_take(struct batcher *batcher)
{
	bool more;

	pthread_mutex_lock(&batcher->mutex);
	batcher->holder = HOLDER_NOBODY;
	if (batcher->wake != NULL && batcher->waiting > 0)
		batcher->wake(batcher->wake_context);
	while (!thread_is_due(batcher))
		pthread_cond_wait(&batcher->thread_due, &batcher->mutex);
	if (batcher->holder == HOLDER_NOBODY) {
		batcher->holder = HOLDER_THREAD;
		gather(batcher);
	}
	more = batcher->batch.count > 0;
	pthread_mutex_unlock(&batcher->mutex);
	return more;
}

static enum err run(struct batcher *batcher)
{
	if (batcher->store == NULL) /* no memory; is there now? */
		batcher->store = batcher->open(batcher->context);
	if (batcher->store == NULL)
		return ERR_OUT_OF_MEMORY;
	return batcher->operations->run(&batcher->batch, batcher->store);
}

static void *work(void *argument)
{
	struct batcher *batcher = argument;

	batcher->store = batcher->open(batcher->context);
	while (thread_take(batcher))
		batcher->operations->finish(&batcher->batch, run(batcher));
	store_close(batcher->store);
	return NULL;
}

static void release(struct batcher *batcher)
{
	pthread_cond_destroy(&batcher->thread_due);
	pthread_mutex_destroy(&batcher->mutex);
	free(batcher);
}

struct batcher *batcher_new(const struct batcher_operations *operations,
			    store_open_fn *open, void *context,
			    size_t queue_max, size_t batch_max)
{
	struct batcher *batcher = calloc(
		1, sizeof(*batcher) + batch_max * sizeof(struct batch_item *));

	if (batcher == NULL)
		return NULL;
	batcher->operations = operations;
	pthread_mutex_init(&batcher->mutex, NULL);
	pthread_cond_init(&batcher->thread_due, NULL);
	batcher->queue_max = queue_max;
	batcher->batch_max = batch_max;
	batcher->holder = HOLDER_THREAD; /* until it has opened the store */
	batcher->open = open;
	batcher->context = context;
	if (pthread_create(&batcher->thread, NULL, work, batcher) != 0) {
		release(batcher);
		return NULL;
	}
	return batcher;
}

enum err batcher_submit(struct batcher *batcher, struct batch_item *item)
{
	enum err err = ERR_OVERLOADED;
	bool wake = false;

	item->next = NULL;
	pthread_mutex_lock(&batcher->mutex);
	if (batcher->waiting < batcher->queue_max) {
		if (batcher->waiting == 0)
			batcher->first = item;
		else
			batcher->last->next = item;
		batcher->last = item;
		batcher->waiting++;
		wake = batcher->holder == HOLDER_NOBODY &&
		       batcher->wake == NULL;
		err = ERR_OK;
	}
	pthread_mutex_unlock(&batcher->mutex);
	if (wake)
		pthread_cond_signal(&batcher->thread_due);
	return err;
}

void batcher_attach(struct batcher *batcher, void (*wake)(void *context),
		    void *context)
{
	pthread_mutex_lock(&batcher->mutex);
	batcher->wake = wake;
	batcher->wake_context = context;
	pthread_mutex_unlock(&batcher->mutex);
}

/* The loop gives up what it held. */
static void pass_on(struct batcher *batcher, enum holder holder)
{
	pthread_mutex_lock(&batcher->mutex);
	batcher->holder = holder;
	pthread_mutex_unlock(&batcher->mutex);
	if (holder == HOLDER_THREAD)
		pthread_cond_signal(&batcher->thread_due);
}

static void follow(struct batcher *batcher, enum store_progress progress,
		   enum err err)
{
	switch (progress) {
	case STORE_DONE:
		batcher->operations->finish(&batcher->batch, err);
		pass_on(batcher, HOLDER_NOBODY);
		break;
	case STORE_WOULD_BLOCK:
		pass_on(batcher, HOLDER_THREAD);
		break;
	case STORE_WAITING:
		break;
	}
}

/* The loop takes a batch. False where there is none for it. */
static bool loop_take(struct batcher *batcher)
{
	bool taken;

	pthread_mutex_lock(&batcher->mutex);
	taken = batcher->holder == HOLDER_NOBODY && batcher->waiting > 0;
	if (taken) {
		batcher->holder = HOLDER_LOOP;
		gather(batcher);
	}
	pthread_mutex_unlock(&batcher->mutex);
	return taken;
}

void batcher_turn(struct batcher *batcher)
{
	while (loop_take(batcher)) {
		enum store_progress progress = STORE_WOULD_BLOCK;
		enum err err = ERR_OK;

		if (batcher->store != NULL)
			progress = batcher->operations->start(
				&batcher->batch, batcher->store, &err);
		follow(batcher, progress, err);
	}
}

const struct store_wait *batcher_wait(struct batcher *batcher)
{
	bool under_way;

	pthread_mutex_lock(&batcher->mutex);
	under_way = batcher->holder == HOLDER_LOOP;
	pthread_mutex_unlock(&batcher->mutex);
	return under_way ? store_wait(batcher->store) : NULL;
}

void batcher_continue(struct batcher *batcher, bool expired)
{
	enum err err = ERR_OK;
	enum store_progress progress =
		batcher->operations->resume(batcher->store, expired, &err);

	follow(batcher, progress, err);
}

/* There is no loop any more that would go on with it. */
static void finish_loops_batch(struct batcher *batcher)
{
	const struct store_wait *wait = batcher_wait(batcher);

	while (wait != NULL) {
		struct pollfd poller = {
			.fd = wait->fd,
			.events = wait->for_room ? POLLOUT : POLLIN,
		};
		int64_t left_ms = wait->until_ms - clock_now_ms();
		int ready = poll(&poller, 1, left_ms > 0 ? (int)left_ms : 0);

		batcher_continue(batcher, ready <= 0);
		wait = batcher_wait(batcher);
	}
}

void batcher_free(struct batcher **batcher)
{
	struct batcher *self = *batcher;

	if (self == NULL)
		return;
	finish_loops_batch(self);
	pthread_mutex_lock(&self->mutex);
	self->stopping = true;
	pthread_mutex_unlock(&self->mutex);
	pthread_cond_signal(&self->thread_due);
	pthread_join(self->thread, NULL);
	release(self);
	*batcher = NULL;
}
