/* SPDX-License-Identifier: MIT */
#include "gate/workers.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

struct workers {
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	struct exchange *first;
	struct exchange *last;
	size_t queue_max;
	size_t queued;
	size_t idle;
	bool stopping;
	store_open_fn *open;
	void *context;
	workers_done_fn *done;
	size_t started;
	pthread_t threads[];
};

/* The next exchange; NULL when there will be none. */
static struct exchange *take(struct workers *workers)
{
	struct exchange *exchange = NULL;

	pthread_mutex_lock(&workers->mutex);
	workers->idle++;
	while (workers->queued == 0 && !workers->stopping)
		pthread_cond_wait(&workers->filled, &workers->mutex);
	workers->idle--;
	if (workers->queued > 0) {
		exchange = workers->first;
		workers->first = exchange->next_queued;
		workers->queued--;
	}
	pthread_mutex_unlock(&workers->mutex);
	return exchange;
}

static void *work(void *argument)
{
	struct workers *workers = argument;
	struct store *store = workers->open(workers->context);
	struct exchange *exchange;

	for (;;) {
		enum exchange_outcome outcome;

		exchange = take(workers);
		if (exchange == NULL)
			break;
		if (store == NULL) /* there was no memory; is there now? */
			store = workers->open(workers->context);
		outcome = exchange->step(exchange, store);
		assert(outcome != EXCHANGE_WAIT);
		workers->done(exchange, outcome);
	}
	store_close(store);
	return NULL;
}

struct workers *workers_new(size_t count, size_t queue_max, store_open_fn *open,
			    void *context, workers_done_fn *done)
{
	struct workers *workers =
		calloc(1, sizeof(*workers) + count * sizeof(pthread_t));

	if (workers == NULL)
		return NULL;
	pthread_mutex_init(&workers->mutex, NULL);
	pthread_cond_init(&workers->filled, NULL);
	workers->queue_max = queue_max;
	workers->open = open;
	workers->context = context;
	workers->done = done;
	while (workers->started < count) {
		if (pthread_create(&workers->threads[workers->started], NULL,
				   work, workers) != 0)
			break;
		workers->started++;
	}
	if (workers->started < count)
		workers_free(&workers);
	return workers;
}

static enum err enqueue(struct workers *workers, struct exchange *exchange,
			size_t queue_max)
{
	enum err err = ERR_OVERLOADED;
	bool wake = false;

	exchange->next_queued = NULL;
	pthread_mutex_lock(&workers->mutex);
	if (workers->queued < queue_max) {
		if (workers->queued == 0)
			workers->first = exchange;
		else
			workers->last->next_queued = exchange;
		workers->last = exchange;
		workers->queued++;
		wake = workers->idle > 0;
		err = ERR_OK;
	}
	pthread_mutex_unlock(&workers->mutex);
	if (wake)
		pthread_cond_signal(&workers->filled);
	return err;
}

enum err workers_submit(struct workers *workers, struct exchange *exchange)
{
	return enqueue(workers, exchange, workers->queue_max);
}

void workers_continue(struct workers *workers, struct exchange *exchange)
{
	(void)enqueue(workers, exchange, SIZE_MAX);
}

void workers_free(struct workers **workers)
{
	struct workers *self = *workers;

	if (self == NULL)
		return;
	pthread_mutex_lock(&self->mutex);
	self->stopping = true;
	pthread_mutex_unlock(&self->mutex);
	pthread_cond_broadcast(&self->filled);
	for (size_t i = 0; i < self->started; i++)
		pthread_join(self->threads[i], NULL);
	pthread_cond_destroy(&self->filled);
	pthread_mutex_destroy(&self->mutex);
	free(self);
	*workers = NULL;
}
