/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_WORKERS_H
#define BUZON_GATE_WORKERS_H

#include <stddef.h>

#include "api/exchange.h"
#include "text/err.h"
#include "inbox/store.h"

/*
 * Threads that run the steps which ask the database, each with a store of its
 * own: from a bounded queue of new exchanges, and from one of those whose
 * answer has begun.
 */
struct workers;

/* What a worker calls when a step is done; the exchange is the gate's again. */
typedef void workers_done_fn(struct exchange *exchange,
			     enum exchange_outcome outcome);

/* Starts the threads. NULL when there is no memory or thread. */
struct workers *workers_new(size_t count, size_t queue_max, store_open_fn *open,
			    void *context, workers_done_fn *done);

/*
 * Queues the next step of an exchange. ERR_OK: done will be called.
 * ERR_OVERLOADED: queue_max new ones wait already.
 */
enum err workers_submit(struct workers *workers,
			struct exchange *exchange) MUST_CHECK;

/*
 * Queues the next step of one whose answer has begun, however many wait: to
 * refuse it would cut the answer. It lets new ones go ahead, though not for
 * ever. done will be called.
 */
void workers_continue(struct workers *workers, struct exchange *exchange);

/* Ends the threads when the queues are empty, frees; sets *workers to NULL. */
void workers_free(struct workers **workers);

#endif
