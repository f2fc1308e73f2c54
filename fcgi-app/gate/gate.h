/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_GATE_H
#define BUZON_GATE_GATE_H

#include <stdbool.h>

#include "api/exchange.h"
#include "system/settings.h"
#include "inbox/store.h"

/*
 * The gate: accepts the connections of web servers and serves what comes over
 * them, in the calling thread, until SIGTERM or SIGINT. One thread holds every
 * connection, so that an idle or slow one costs none.
 */

enum gate_result {
	GATE_DRAINED, /* all requests that came in whole were answered */
	/* After these two, threads may still run: end by _exit(). */
	GATE_CUT_SHORT, /* the drain took too long */
	GATE_FAILED,    /* it could not start, or epoll failed; the log tells */
};

/*
 * SIGTERM and SIGINT must be blocked in all threads. listen_fd is a listening
 * socket, which is closed when the drain begins. open and context: the stores
 * of the workers.
 */
enum gate_result gate_run(int listen_fd, const struct settings *settings,
			  const struct service *service, store_open_fn *open,
			  void *context);

#endif
