/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TEXT_JSON_TOKEN_H
#define BUZON_TEXT_JSON_TOKEN_H

#include <stddef.h>

#include "text/json.h"
#include "text/json_cursor.h"

/*
 * The words of JSON: strings, numbers, true, false, null. For json_scan.c
 * alone, which knows how words are put together.
 */

struct json_value {
	struct span raw;
	enum json_value_type type;
	enum json_string_fault fault;
	size_t fault_at; /* offset in the text, where there is a fault */
};

/*
 * Scans a value that is neither object nor array, from its first byte to
 * behind its last one. ERR_OK (a faulty string included: see value->fault) or
 * ERR_INVALID_JSON with the problem set.
 */
enum err json_scan_token(struct json_cursor *cursor,
			 struct json_value *value) MUST_CHECK;

/* Sets the problem of a faulty string. Returns ERR_INVALID_JSON. */
enum err json_refuse_string(const struct json_cursor *cursor,
			    const struct json_value *string);

#endif
