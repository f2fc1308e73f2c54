/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_MESSAGE_H
#define BUZON_INBOX_MESSAGE_H

#include <stdint.h>

#include "text/buf.h"
#include "text/err.h"
#include "http/form.h"
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
 * A message that somebody wants stored. The spans point into storage or into
 * the body it came from, and live as long as both do.
 */
struct message_draft {
	struct span from;
	struct span content;
	struct buf storage;
};

void message_draft_init(struct message_draft *draft);
void message_draft_deinit(struct message_draft *draft);

/*
 * Fills draft from a JSON body: one object with the members From and Content.
 *
 * ERR_OK; ERR_INVALID_JSON; ERR_INVALID_MESSAGE with every fault of both
 * fields in the problem; ERR_OUT_OF_MEMORY.
 */
enum err message_draft_from_json(struct message_draft *draft, struct span body,
				 struct problem *problem) MUST_CHECK;

/*
 * Fills draft from the fields of a decoded form, which must outlive it.
 *
 * ERR_OK; ERR_INVALID_MESSAGE with every fault of both fields; the errors of
 * form_check_encoding() for From and Content.
 */
enum err message_draft_from_form(struct message_draft *draft,
				 const struct form *form,
				 struct problem *problem) MUST_CHECK;

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
