/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TESTS_FUZZ_ANSWERS_H
#define BUZON_TESTS_FUZZ_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>

#include "text/buf.h"
#include "text/span.h"

/*
 * What the gate answered: records of FastCGI, and in them what CGI (RFC 3875)
 * and API.md let an answer be.
 */

struct answer {
	uint16_t request_id;
	int status;
	struct buf text; /* head, empty line, body */
	struct span head;
	struct span body;
};

/*
 * Takes the next answer off *records. False where none is left, and where the
 * last one was cut. Anything else that is no answer ends the process. It is
 * the caller's, for answer_deinit().
 */
bool answer_read(struct span *records, struct answer *answer);

void answer_deinit(struct answer *answer);

/* The value of a header line; no data where it is not there. */
struct span answer_header(const struct answer *answer, const char *name);

/*
 * The head is lines that a web server can pass on, with what API.md puts on
 * every answer; the body is as long and of the kind that the head says.
 */
void answer_check(const struct answer *answer, bool to_head_request);

#endif
