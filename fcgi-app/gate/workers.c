/* SPDX-License-Identifier: MIT */
#include "gate/workers.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

/* So many of those who wait go ahead of one whose answer has begun. */
enum { FRESH_IN_A_ROW = 3 };

struct queue {
	struct exchange *first;
	struct exchange *last;
	size_t count;
};

struct workers {
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	struct queue fresh;
	struct queue begun;
	size_t fresh_in_a_row;
	size_t queue_max;
	size_t idle;
	bool stopping;
	store_open_fn *open;
	void *context;
	workers_done_fn *done;
	size_t started;
	pthread_t threads[];
};

static void append(struct queue *queue, struct exchange *exchange)
{
	exchange->next_queued = NULL;
	if (queue->count == 0)
		queue->first = exchange;
	else
		queue->last->next_queued = exchange;
	queue->last = exchange;
	queue->count++;
}

static size_t queued(const struct workers *workers)
{
	return workers->fresh.count + workers->begun.count;
}

/*
 * Long answers are many steps each. Whoever asks for little waits for as good
 * as none of them, however many there are.
 */
static struct exchange *pick(struct workers *workers)
{
	bool ahead = workers->fresh.count > 0 && workers->begun.count > 0 &&
		     workers->fresh_in_a_row < FRESH_IN_A_ROW;
	bool fresh = ahead || workers->begun.count == 0;
	struct queue *queue = fresh ? &workers->fresh : &workers->begun;
	struct exchange *exchange = queue->first;

	workers->fresh_in_a_row = ahead ? workers->fresh_in_a_row + 1 : 0;
	queue->first = exchange->next_queued;
	queue->count--;
	return exchange;
}

/* The next exchange; NULL when there will be none. */
static struct exchange *wait_for_exchange(struct workers *workers)
{
	struct exchange *exchange = NULL;

	pthread_mutex_lock(&workers->mutex);
	workers->idle++;
	while (queued(workers) == 0 && !workers->stopping)
		pthread_cond_wait(&workers->filled, &workers->mutex);
	workers->idle--;
	if (queued(workers) > 0)
		exchange = pick(workers);
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

		exchange = wait_for_exchange(workers);
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

static enum err enqueue(struct workers *workers, struct queue *queue,
			struct exchange *exchange, size_t queue_max)
{
	enum err err = ERR_OVERLOADED;
	bool wake = false;

	pthread_mutex_lock(&workers->mutex);
	if (queue->count < queue_max) {
		append(queue, exchange);
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
	return enqueue(workers, &workers->fresh, exchange, workers->queue_max);
}

void workers_continue(struct workers *workers, struct exchange *exchange)
{
	(void)enqueue(workers, &workers->begun, exchange, SIZE_MAX);
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
