/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_PROBE_H
#define BUZON_INBOX_PROBE_H

#include <stdbool.h>

#include "inbox/store.h"

/*
 * Asks the database whether it answers, in a thread of its own, so that nobody
 * who waits for the answer has to wait longer than they want. All who ask
 * while one question is under way share the answer of the next.
 */
struct probe;

/* One question. The caller owns it; it must stay until done or forgotten. */
struct probe_question {
	void (*done)(
		struct probe_question *question); /* by the probe's thread */
	enum err answer;             /* what store_ping() returned */
	struct probe_question *next; /* the probe's own */
};

/*
 * Starts the thread. It asks once by itself at the start, and where there was
 * no answer, again and again with growing pauses until the database is back.
 * NULL when there is no memory or thread.
 */
struct probe *probe_new(store_open_fn *open, void *context);

/* Tells that the database seems to be away: asks soon. Any thread. */
void probe_wake(struct probe *probe);

void probe_ask(struct probe *probe, struct probe_question *question);

/*
 * Takes a question back. True: done will not be called. False: it was called
 * or is about to be.
 */
bool probe_forget(struct probe *probe, struct probe_question *question);

/*
 * Answers what waits with ERR_DATABASE_UNAVAILABLE, ends the thread, frees, and
 * sets *probe to NULL. False where the thread has not ended in patience_ms, for
 * the database hangs: then the probe is there as before and may be freed once
 * more, but answers no new questions.
 */
bool probe_free(struct probe **probe, long patience_ms) MUST_CHECK;

#endif
