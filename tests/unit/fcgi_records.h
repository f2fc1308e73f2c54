/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TESTS_FCGI_RECORDS_H
#define BUZON_TESTS_FCGI_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "text/buf.h"
#include "text/span.h"

/*
 * What a web server sends, written down anew from the FastCGI Specification
 * 1.0, so that the program is not tested by itself.
 */

enum {
	FCGI_BEGIN = 1,
	FCGI_ABORT = 2,
	FCGI_END = 3,
	FCGI_PARAMS = 4,
	FCGI_STDIN = 5,
	FCGI_STDOUT = 6,
	FCGI_STDERR = 7,
	FCGI_DATA = 8,
	FCGI_GET_VALUES = 9,
	FCGI_RECORD_MAX = 65535,
};

/* One record; its padding is of 0xff. */
void fcgi_append_record(struct buf *out, int type, uint16_t id,
			struct span content, size_t padding);

void fcgi_append_begin(struct buf *out, uint16_t id, int role, int flags);

/* The text in records of at most piece bytes, then the one that ends it. */
void fcgi_append_stream(struct buf *out, int type, uint16_t id,
			struct span text, size_t piece, size_t padding);

/* A name-value pair; lengths above 127 take four bytes. */
void fcgi_append_pair(struct buf *out, struct span name, struct span value);

/* A plain request, kept alive. */
void fcgi_append_request(struct buf *out, uint16_t id, struct span pairs,
			 struct span body);

#endif
