/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TEXT_JSON_H
#define BUZON_TEXT_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "text/buf.h"
#include "text/err.h"
#include "text/problem.h"
#include "text/span.h"

/*
 * JSON (RFC 8259). The only room that includes json-c. json-c's strict mode
 * differs between versions and lets through what a strict parser must refuse,
 * so the text is checked here first, and json-c decodes only what passed.
 */

enum { JSON_DEPTH_MAX = 32 };

/* The tag json_type is json-c's. */
enum json_value_type {
	JSON_NULL,
	JSON_BOOLEAN,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/* What a string may hold that is well-formed JSON text but not Unicode. */
enum json_string_fault {
	JSON_STRING_GOOD,
	JSON_STRING_NOT_UTF8,       /* bytes that RFC 3629 forbids */
	JSON_STRING_LONE_SURROGATE, /* \ud800 without its other half */
};

/* One member of the outermost object; the spans point into the text. */
struct json_member {
	struct span name;  /* as written, quotes and escapes included */
	struct span value; /* as written */
	enum json_value_type type;
	enum json_string_fault fault; /* of a string value, else GOOD */
};

/* Called for each member in order; anything but ERR_OK ends the scan. */
typedef enum err json_visit_fn(const struct json_member *member, void *context);

/*
 * Checks that text is exactly one JSON object, strictly, nested at most
 * JSON_DEPTH_MAX deep (the outermost object is depth 1), and calls visit for
 * every member of the outermost object.
 *
 * A faulty string directly under the outermost object is reported to visit in
 * member->fault, and the scan goes on, so that a caller can name the field; a
 * faulty string anywhere else, names included, ends it.
 *
 * Returns ERR_OK, ERR_INVALID_JSON with the problem set (its detail names the
 * byte offset, what stood there and what would be right), or what visit
 * returned. Members before a fault have been visited.
 */
enum err json_scan_object(struct span text, json_visit_fn *visit, void *context,
			  struct problem *problem) MUST_CHECK;

/*
 * Appends to out what a checked, faultless JSON string (quotes included)
 * stands for, as UTF-8; "\u0000" becomes a NUL byte. ERR_OK,
 * ERR_OUT_OF_MEMORY, or the error of out.
 */
enum err json_decode_string(struct span raw, struct buf *out) MUST_CHECK;

#endif
