/* SPDX-License-Identifier: MIT */
#ifndef BUZON_INBOX_MESSAGE_DRAFT_H
#define BUZON_INBOX_MESSAGE_DRAFT_H

#include "http/form.h"
#include "text/buf.h"
#include "text/err.h"
#include "text/problem.h"
#include "text/span.h"

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

#endif
