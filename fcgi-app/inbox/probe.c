/* SPDX-License-Identifier: MIT */
#include "inbox/probe.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { PAUSE_FIRST_MS = 50, PAUSE_MAX_MS = 500 };

struct probe {
	pthread_mutex_t mutex;
	pthread_cond_t woken;           /* something is to be done */
	pthread_cond_t left;            /* over */
	struct probe_question *waiting; /* for the next asking */
	struct probe_question *asked;   /* for the answer that is on its way */
	bool alarmed;
	bool stopping;
	bool over; /* the thread is done with all of this */
	store_open_fn *open;
	void *context;
	pthread_t thread;
};

static struct timespec in_ms(long pause_ms)
{
	struct timespec moment;

	clock_gettime(CLOCK_MONOTONIC, &moment);
	moment.tv_nsec += pause_ms * 1000000;
	moment.tv_sec += moment.tv_nsec / 1000000000;
	moment.tv_nsec %= 1000000000;
	return moment;
}

/*
 * Waits until there is reason to ask: a question, an alarm, or the end of the
 * pause (0: none). False when the probe is to stop.
 */
static bool wait(struct probe *probe, long pause_ms)
{
	struct timespec end = in_ms(pause_ms);
	bool go_on, over = false;

	pthread_mutex_lock(&probe->mutex);
	while (probe->waiting == NULL && !probe->stopping && !over) {
		if (pause_ms > 0)
			over = pthread_cond_timedwait(&probe->woken,
						      &probe->mutex, &end) != 0;
		else if (probe->alarmed)
			over = true;
		else
			pthread_cond_wait(&probe->woken, &probe->mutex);
	}
	probe->asked = probe->waiting;
	probe->waiting = NULL;
	probe->alarmed = false;
	go_on = !probe->stopping;
	pthread_mutex_unlock(&probe->mutex);
	return go_on;
}

static void answer(struct probe *probe, enum err err)
{
	struct probe_question *question;

	pthread_mutex_lock(&probe->mutex);
	question = probe->asked;
	probe->asked = NULL;
	pthread_mutex_unlock(&probe->mutex);

	while (question != NULL) {
		struct probe_question *next = question->next;

		question->answer = err;
		question->done(question);
		question = next;
	}
}

static long longer(long pause_ms)
{
	if (pause_ms == 0)
		return PAUSE_FIRST_MS;
	return 2 * pause_ms < PAUSE_MAX_MS ? 2 * pause_ms : PAUSE_MAX_MS;
}

static void *work(void *argument)
{
	struct probe *probe = argument;
	struct store *store = NULL;
	long pause_ms = 0;

	do {
		enum err err = ERR_DATABASE_UNAVAILABLE;

		if (store == NULL)
			store = probe->open(probe->context);
		if (store != NULL)
			err = store_ping(store);
		pause_ms =
			err == ERR_DATABASE_UNAVAILABLE ? longer(pause_ms) : 0;
		answer(probe, err);
	} while (wait(probe, pause_ms));
	answer(probe, ERR_DATABASE_UNAVAILABLE);
	store_close(store);
	pthread_mutex_lock(&probe->mutex);
	probe->over = true;
	pthread_cond_signal(&probe->left);
	pthread_mutex_unlock(&probe->mutex);
	return NULL;
}

static void release(struct probe *probe)
{
	pthread_cond_destroy(&probe->left);
	pthread_cond_destroy(&probe->woken);
	pthread_mutex_destroy(&probe->mutex);
	free(probe);
}

struct probe *probe_new(store_open_fn *open, void *context)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	pthread_condattr_t attributes;

	if (probe == NULL)
		return NULL;
	probe->open = open;
	probe->context = context;
	pthread_mutex_init(&probe->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&probe->woken, &attributes);
	pthread_cond_init(&probe->left, &attributes);
	pthread_condattr_destroy(&attributes);
	if (pthread_create(&probe->thread, NULL, work, probe) != 0) {
		release(probe);
		return NULL;
	}
	return probe;
}

void probe_wake(struct probe *probe)
{
	pthread_mutex_lock(&probe->mutex);
	probe->alarmed = true;
	pthread_mutex_unlock(&probe->mutex);
	pthread_cond_signal(&probe->woken);
}

void probe_ask(struct probe *probe, struct probe_question *question)
{
	pthread_mutex_lock(&probe->mutex);
	question->next = probe->waiting;
	probe->waiting = question;
	pthread_mutex_unlock(&probe->mutex);
	pthread_cond_signal(&probe->woken);
}

static bool remove_from(struct probe_question **list,
			const struct probe_question *question)
{
	for (; *list != NULL; list = &(*list)->next) {
		if (*list == question) {
			*list = question->next;
			return true;
		}
	}
	return false;
}

bool probe_forget(struct probe *probe, struct probe_question *question)
{
	bool forgotten;

	pthread_mutex_lock(&probe->mutex);
	forgotten = remove_from(&probe->waiting, question) ||
		    remove_from(&probe->asked, question);
	pthread_mutex_unlock(&probe->mutex);
	return forgotten;
}

bool probe_free(struct probe **probe, long patience_ms)
{
	struct timespec end = in_ms(patience_ms);
	struct probe *self = *probe;
	bool over, in_time = true;

	if (self == NULL)
		return true;
	pthread_mutex_lock(&self->mutex);
	self->stopping = true;
	pthread_cond_signal(&self->woken);
	while (!self->over && in_time)
		in_time = pthread_cond_timedwait(&self->left, &self->mutex,
						 &end) == 0;
	over = self->over;
	pthread_mutex_unlock(&self->mutex);
	if (!over)
		return false;
	pthread_join(self->thread, NULL);
	release(self);
	*probe = NULL;
	return true;
}
