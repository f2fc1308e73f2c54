/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TESTS_FUZZ_REFERENCE_RECORDS_H
#define BUZON_TESTS_FUZZ_REFERENCE_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "text/buf.h"
#include "text/span.h"

/*
 * FastCGI (Specification 1.0, sections 3 to 6) once more, as a reader that has
 * the whole stream before it.
 */

/* How a stream ended, behind the requests that were whole. */
enum stream_end { STREAM_MORE, STREAM_MALFORMED };

/* One whole request; what is too large is empty. */
struct stream_request {
	uint16_t id;
	bool keep;
	bool parameters_too_large;
	bool body_too_large;
	struct span parameters;
	struct span body;
};

/* Appends a request in a form in which two of them can be compared. */
void append_request(struct buf *transcript,
		    const struct stream_request *request);

/*
 * Reads a stream and appends all whole requests in it. A body larger than
 * body_max, and parameters larger than 128 KiB, are too large.
 */
enum stream_end read_stream(struct span stream, size_t body_max,
			    struct buf *transcript);

/*
 * Takes the first name-value pair off *rest; false where none is left or what
 * is left is none.
 */
bool read_pair(struct span *rest, struct span *name_r, struct span *value_r);

#endif
