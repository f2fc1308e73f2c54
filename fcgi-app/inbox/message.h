/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_MESSAGE_H
#define BUZON_INBOX_MESSAGE_H

#include <stdint.h>

#include "text/buf.h"
#include "text/err.h"
#include "text/problem.h"
#include "text/span.h"

enum {
	MESSAGE_FROM_CHARACTERS_MAX = 255,
	MESSAGE_CONTENT_BYTES_MAX = 65535,
	MESSAGE_DATE_BYTES = 28, /* "2026-11-21T17:15:39.997179Z" and its NUL */
	/* Each byte of From and Content may become "\u00XX". */
	MESSAGE_JSON_BYTES_MAX = 6 * (4 * MESSAGE_FROM_CHARACTERS_MAX +
				      MESSAGE_CONTENT_BYTES_MAX) +
				 128,
};

/* A message that is stored. The spans belong to whoever filled it in. */
struct message {
	uint64_t id;
	struct span from;
	struct span content;
	char date[MESSAGE_DATE_BYTES];
};

/*
 * Checks one value of From (or Content): its length, UTF-8, no U+0000. Adds a
 * fault to the problem for each rule it breaks, and returns how many. Also for
 * the filters of the same names.
 */
int message_check_from(struct span value, struct problem *problem);
int message_check_content(struct span value, struct problem *problem);

/* Appends {"ID":…,"From":…,"Content":…,"Date":…}, without a newline. */
void message_append_json(struct buf *out, const struct message *message);

#endif
