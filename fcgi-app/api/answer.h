/* SPDX-License-Identifier: MIT */
#ifndef BUZON_API_ANSWER_H
#define BUZON_API_ANSWER_H

#include "api/exchange.h"
#include "text/problem.h"

/* What handlers answer with, each for `return answer_…()`. */

/*
 * The problem, which has been set. Logs it where the fault is ours, and where
 * there was no memory.
 */
enum exchange_outcome answer_problem(struct exchange *exchange,
				     const struct problem *problem);

/* An error of the store or the queue, in words that tell what to do. */
enum exchange_outcome answer_error(struct exchange *exchange, enum err err);

#endif
