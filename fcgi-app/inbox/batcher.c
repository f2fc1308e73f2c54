/* SPDX-License-Identifier: MIT */
#include "inbox/batcher.h"

#include <pthread.h>
#include <stdlib.h>

struct batcher {
	const struct batcher_operations *operations;
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	struct batch_item *first;
	struct batch_item *last;
	size_t waiting;
	size_t queue_max;
	size_t batch_max;
	bool idle;
	bool stopping;
	store_open_fn *open;
	void *context;
	struct store *store; /* the thread's */
	pthread_t thread;
	struct batch_item *batch[]; /* the thread's, of batch_max places */
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

/* Waits for a batch and takes it; 0 when there will be none. */
static size_t take(struct batcher *batcher)
{
	size_t count;

	pthread_mutex_lock(&batcher->mutex);
	batcher->idle = true;
	while (batcher->waiting == 0 && !batcher->stopping)
		pthread_cond_wait(&batcher->filled, &batcher->mutex);
	batcher->idle = false;
	count = batch_size(batcher);
	for (size_t i = 0; i < count; i++) {
		batcher->batch[i] = batcher->first;
		batcher->first = batcher->first->next;
	}
	batcher->waiting -= count;
	pthread_mutex_unlock(&batcher->mutex);
	return count;
}

static void *work(void *argument)
{
	struct batcher *batcher = argument;
	size_t count;

	batcher->store = batcher->open(batcher->context);
	for (;;) {
		count = take(batcher);
		if (count == 0)
			break;
		if (batcher->store == NULL) /* no memory; is there now? */
			batcher->store = batcher->open(batcher->context);
		batcher->operations->process(batcher->batch, count,
					     batcher->store);
	}
	store_close(batcher->store);
	return NULL;
}

static void release(struct batcher *batcher)
{
	pthread_cond_destroy(&batcher->filled);
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
	pthread_cond_init(&batcher->filled, NULL);
	batcher->queue_max = queue_max;
	batcher->batch_max = batch_max;
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
		wake = batcher->idle;
		err = ERR_OK;
	}
	pthread_mutex_unlock(&batcher->mutex);
	if (wake)
		pthread_cond_signal(&batcher->filled);
	return err;
}

void batcher_free(struct batcher **batcher)
{
	struct batcher *self = *batcher;

	if (self == NULL)
		return;
	pthread_mutex_lock(&self->mutex);
	self->stopping = true;
	pthread_mutex_unlock(&self->mutex);
	pthread_cond_signal(&self->filled);
	pthread_join(self->thread, NULL);
	release(self);
	*batcher = NULL;
}
