/* SPDX-License-Identifier: MIT */
#ifndef BUZON_HTTP_MULTIPART_PART_H
#define BUZON_HTTP_MULTIPART_PART_H

#include "http/form.h"

/*
 * Reads one part of a multipart/form-data body (RFC 7578), from behind the line
 * of its boundary to before the CRLF of the next: its headers, then its value.
 * number: its place in the body, from 1 on. For multipart.c alone, which knows
 * where parts begin and end.
 *
 * Spans of field point into text. ERR_OK, or ERR_INVALID_FORM with the problem
 * set.
 */
enum err multipart_read_part(struct span text, size_t number,
			     struct form_field *field,
			     struct problem *problem) MUST_CHECK;

#endif
