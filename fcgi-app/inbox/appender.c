/* SPDX-License-Identifier: MIT */
#include "inbox/appender.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* One transaction's texts at most; MariaDB takes 16 MiB in one packet. */
enum { BATCH_BYTES_MAX = 4 * 1024 * 1024 };

/* The appends of one transaction: `count` from the first on. */
struct batch {
	struct append *first;
	size_t count;
};

struct appender {
	size_t queue_max;
	size_t rows_max;
	store_open_fn *open;
	void *context;
	pthread_t thread;
	struct store *store; /* the thread's; NULL: none yet, or no memory */

	/* The mutex guards what follows. */
	pthread_mutex_t mutex;
	pthread_cond_t thread_due;
	struct append *first;
	struct append *last;
	size_t waiting;
	bool stopping;
};

static size_t bytes_of(const struct append *append)
{
	return append->row.from.length + append->row.content.length +
	       append->row.idempotency_key.length;
}

/* With the mutex held: how many of those that wait, at least 1, go together. */
static size_t batch_size(const struct appender *appender)
{
	const struct append *append = appender->first;
	size_t bytes = 0, count = 0;

	/* Only the store knows how many rows it likes; one suits any. */
	if (appender->store == NULL)
		return 1;
	while (count < appender->waiting && count < appender->rows_max) {
		bytes += bytes_of(append);
		if (count > 0 && bytes > BATCH_BYTES_MAX)
			break;
		append = append->next;
		count++;
	}
	return store_append_size(appender->store, count);
}

/* Waits until there is one. False when there will be none. */
static bool take_batch(struct appender *appender, struct batch *batch)
{
	bool taken;

	pthread_mutex_lock(&appender->mutex);
	while (appender->waiting == 0 && !appender->stopping)
		pthread_cond_wait(&appender->thread_due, &appender->mutex);
	taken = appender->waiting > 0;
	if (taken) {
		batch->first = appender->first;
		batch->count = batch_size(appender);
		for (size_t i = 0; i < batch->count; i++)
			appender->first = appender->first->next;
		appender->waiting -= batch->count;
	}
	pthread_mutex_unlock(&appender->mutex);
	return taken;
}

static enum err store_batch(struct appender *appender, struct batch batch)
{
	struct store_append *rows[APPENDER_ROWS_MAX];
	struct append *append = batch.first;

	/* If there was no memory for a store, there may be now. */
	if (appender->store == NULL)
		appender->store = appender->open(appender->context);
	if (appender->store == NULL)
		return ERR_OUT_OF_MEMORY;
	for (size_t i = 0; i < batch.count; i++) {
		rows[i] = &append->row;
		append = append->next;
	}
	return store_append(appender->store, rows, batch.count);
}

/* Once it is told of, an append is its caller's, who may free it. */
static void tell_batch(struct batch batch, enum err err)
{
	struct append *append = batch.first;

	for (size_t i = 0; i < batch.count; i++) {
		struct append *next = append->next;

		append->err = err;
		append->done(append);
		append = next;
	}
}

static void *append_until_stopped(void *argument)
{
	struct appender *appender = argument;
	struct batch batch;

	while (take_batch(appender, &batch))
		tell_batch(batch, store_batch(appender, batch));
	store_close(appender->store);
	return NULL;
}

static void release(struct appender *appender)
{
	pthread_cond_destroy(&appender->thread_due);
	pthread_mutex_destroy(&appender->mutex);
	free(appender);
}

struct appender *appender_new(store_open_fn *open, void *context,
			      size_t queue_max, size_t rows_max)
{
	struct appender *appender = calloc(1, sizeof(*appender));

	assert(rows_max >= 1 && rows_max <= APPENDER_ROWS_MAX);
	if (appender == NULL)
		return NULL;
	appender->queue_max = queue_max;
	appender->rows_max = rows_max;
	appender->open = open;
	appender->context = context;
	pthread_mutex_init(&appender->mutex, NULL);
	pthread_cond_init(&appender->thread_due, NULL);
	if (pthread_create(&appender->thread, NULL, append_until_stopped,
			   appender) != 0) {
		release(appender);
		return NULL;
	}
	return appender;
}

enum err appender_submit(struct appender *appender, struct append *append)
{
	enum err err = ERR_OVERLOADED;
	bool first = false;

	append->next = NULL;
	pthread_mutex_lock(&appender->mutex);
	if (appender->waiting < appender->queue_max) {
		first = appender->waiting == 0;
		if (first)
			appender->first = append;
		else
			appender->last->next = append;
		appender->last = append;
		appender->waiting++;
		err = ERR_OK;
	}
	pthread_mutex_unlock(&appender->mutex);
	/* The thread waits for nothing while there is a queue. */
	if (first)
		pthread_cond_signal(&appender->thread_due);
	return err;
}

void appender_free(struct appender **appender)
{
	struct appender *self = *appender;

	if (self == NULL)
		return;
	pthread_mutex_lock(&self->mutex);
	self->stopping = true;
	pthread_mutex_unlock(&self->mutex);
	pthread_cond_signal(&self->thread_due);
	pthread_join(self->thread, NULL);
	release(self);
	*appender = NULL;
}
