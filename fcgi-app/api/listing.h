/* SPDX-License-Identifier: MIT */
#ifndef BUZON_API_LISTING_H
#define BUZON_API_LISTING_H

#include "inbox/reader.h"

/* How a list of messages is written into the body of an answer. */
struct listing {
	const char *content_type;
	const char *begin;
	const char *end;
	reader_write_fn *write;
};

extern const struct listing listing_json;   /* one array */
extern const struct listing listing_ndjson; /* one message a line */

#endif
