/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_INTAKE_H
#define BUZON_GATE_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/buf.h"

/*
 * FastCGI records in, whole requests out (FastCGI Specification 1.0, sections
 * 3 to 6). It reads no socket and calls no library, so that every byte which
 * arrives has been looked at before libfcgi sees any: libfcgi ends the process
 * on some streams and waits without a bound on others.
 */

enum { INTAKE_PARAMETERS_MAX_BYTES = 128 * 1024 };

enum intake_result {
	INTAKE_MORE,      /* the request is not whole yet */
	INTAKE_WHOLE,     /* it is: see the fields below, then intake_reset() */
	INTAKE_MALFORMED, /* no web server sends this: close the connection */
};

struct intake {
	/* The request, once it is whole. */
	uint16_t request_id;
	bool keep_connection;
	bool parameters_too_large; /* then parameters is empty */
	bool body_too_large;       /* then body is empty */
	bool no_room;              /* for either: then both are empty */
	struct buf parameters;     /* name-value pairs, checked (section 3.4) */
	struct buf body;

	/* What went wrong, for the log; static text, after INTAKE_MALFORMED. */
	const char *fault;

	/* The record that is being read. */
	unsigned char header[8];
	size_t header_length;
	size_t content_left;
	size_t padding_left;
	unsigned char begin[8]; /* the body of FCGI_BEGIN_REQUEST */
	size_t begin_length;
	int part;
};

void intake_init(struct intake *intake, size_t body_max_bytes);
void intake_deinit(struct intake *intake);

/*
 * Takes bytes as they arrive. used_r: how many were taken; fewer than length
 * only with INTAKE_WHOLE, where the rest belongs to the next request.
 */
enum intake_result intake_feed(struct intake *intake, const char *bytes,
			       size_t length, size_t *used_r);

/*
 * There is no room for this request: forgets what came of it, and keeps
 * nothing of what still comes, so that it can be answered when it is whole.
 */
void intake_discard(struct intake *intake);

/* Makes ready for the next request. The buffers keep their memory. */
void intake_reset(struct intake *intake);

/* True where nothing of a next request has arrived. */
bool intake_idle(const struct intake *intake);

#endif
