/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TEXT_JSON_WRITE_H
#define BUZON_TEXT_JSON_WRITE_H

#include "text/buf.h"
#include "text/span.h"

/*
 * Appends text as a JSON string in quotes. Only what RFC 8259 demands is
 * escaped. text must be valid UTF-8; errors stay in out.
 */
void json_append_string(struct buf *out, struct span text);

#endif
