/* SPDX-License-Identifier: MIT */
#ifndef BUZON_HTTP_FORM_H
#define BUZON_HTTP_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "text/buf.h"
#include "text/err.h"
#include "text/problem.h"
#include "text/span.h"

/*
 * Decoding of query strings, application/x-www-form-urlencoded (WHATWG URL
 * Standard, section 5.1, but strict about "%") and multipart/form-data
 * (RFC 7578). Names and values may hold any byte afterwards; what is allowed
 * in them is for the caller to say.
 */

enum { FORM_FIELDS_MAX = 256 };

struct form_field {
	struct span name;
	struct span value;
	/* Headers of a part of multipart/form-data; no data for none. */
	struct span content_type;
	struct span transfer_encoding;
};

/* The fields in the order they were sent, duplicates included. */
struct form {
	struct form_field *fields;
	size_t count;
	size_t capacity;
	struct buf storage; /* what the decoded spans point into */
};

void form_init(struct form *form);
void form_deinit(struct form *form);

/*
 * Adds a field; the spans are kept as they are. ERR_OK; ERR_INVALID_FORM with
 * the problem set where there are FORM_FIELDS_MAX already; ERR_OUT_OF_MEMORY.
 */
enum err form_add_field(struct form *form, struct form_field field,
			struct problem *problem) MUST_CHECK;

/*
 * Decodes "a=b&c=d". "+" is a space, "%XX" a byte; "a" is a field with an
 * empty value, and empty pieces ("a=1&&b=2") are passed over. Spans of form
 * point into form itself.
 *
 * ERR_OK; ERR_INVALID_FORM with the problem set for a "%" that two hexadecimal
 * digits do not follow (the field is added as a fault, code "invalid_percent")
 * or for more than FORM_FIELDS_MAX fields; ERR_OUT_OF_MEMORY.
 */
enum err form_parse_urlencoded(struct form *form, struct span text,
			       struct problem *problem) MUST_CHECK;

/*
 * Decodes a multipart/form-data body with the given boundary (1 to 70
 * characters, without the leading "--"). A part's value is its bytes as sent,
 * whether or not it has a file name. Values point into body, which must
 * outlive form.
 *
 * ERR_OK; ERR_INVALID_FORM with the problem set for a body without its opening
 * or closing boundary, a part without a Content-Disposition of form-data with
 * a name, or too many parts; ERR_OUT_OF_MEMORY.
 */
enum err form_parse_multipart(struct form *form, struct span body,
			      struct span boundary,
			      struct problem *problem) MUST_CHECK;

/*
 * Looks whether the value of a field is UTF-8 as it stands, by the headers of
 * its part: for whoever uses that field, as others may be encoded as they like.
 *
 * ERR_OK; with the problem set ERR_UNSUPPORTED_MEDIA_TYPE for a charset other
 * than UTF-8, ERR_INVALID_FORM for a transfer encoding other than 7bit, 8bit or
 * binary.
 */
enum err form_check_encoding(const struct form_field *field,
			     struct problem *problem) MUST_CHECK;

/*
 * Appends text as a name or value of a query string, which
 * form_parse_urlencoded() decodes to the same bytes: "+" for a space, and
 * "%XX" only for what RFC 3986 lets no query hold, and for "&", "=" and "+".
 */
void form_append_escaped(struct buf *out, struct span text);

/*
 * ERR_OK, or ERR_INVALID_PATH with the problem set where a "%" of the path is
 * not followed by two hexadecimal digits or stands for NUL.
 */
enum err form_check_path(struct span path, struct problem *problem) MUST_CHECK;

/*
 * True where a path as it was sent is `plain` when it is decoded ("+" stays).
 * An escaped "/" is no separator (RFC 3986, 2.2), so it equals none of plain.
 */
bool form_path_equal(struct span sent, struct span plain);

#endif
