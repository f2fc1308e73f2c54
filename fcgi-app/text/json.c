/* SPDX-License-Identifier: MIT */
#include "text/json.h"

#include <assert.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include <json-c/json.h>

#include "text/hex.h"
#include "text/utf8.h"

enum {
	ESCAPE_BYTES = 6, /* \uXXXX */
	PAIR_BYTES = 2 * ESCAPE_BYTES,
};

/* The four digits of a "\uXXXX". */
static uint32_t unit_of(const char *digits)
{
	uint32_t unit = 0;
	int i;

	for (i = 0; i < 4; i++)
		unit = unit << 4 | (uint32_t)hex_value(digits[i]);
	return unit;
}

/*
 * Copies the escape at the start of raw, but a surrogate pair as UTF-8: json-c
 * up to 0.18 makes U+FFFD of one pair in 32, all of U+2D800 to U+2DFFF among
 * them. Returns how many bytes of raw it took, and adds to *decoded how many
 * it stands for.
 */
static size_t copy_escape(struct span raw, struct buf *out, size_t *decoded)
{
	uint32_t unit;

	if (raw.data[1] != 'u') {
		*decoded += 1;
		buf_append(out, raw.data, 2);
		return 2;
	}
	unit = unit_of(raw.data + 2);
	if (unit >= 0xd800 && unit <= 0xdfff) {
		uint32_t low = unit_of(raw.data + ESCAPE_BYTES + 2);

		*decoded += 4;
		utf8_append(out,
			    0x10000 + ((unit & 0x3ff) << 10 | (low & 0x3ff)));
		return PAIR_BYTES;
	}
	*decoded += unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
	buf_append(out, raw.data, ESCAPE_BYTES);
	return ESCAPE_BYTES;
}

/* Copies a string without its pairs; returns how long it is when decoded. */
static size_t copy_without_pairs(struct span raw, struct buf *out)
{
	size_t decoded = 0;

	while (raw.length > 0) {
		const char *slash = memchr(raw.data, '\\', raw.length);
		size_t plain =
			slash == NULL ? raw.length : (size_t)(slash - raw.data);

		buf_append(out, raw.data, plain);
		decoded += plain;
		raw = span_from(raw, plain);
		if (slash != NULL)
			raw = span_from(raw, copy_escape(raw, out, &decoded));
	}
	return decoded - 2; /* the quotes */
}

static enum err decode_with_json_c(struct span raw, size_t expected,
				   struct buf *out)
{
	struct json_object *object = NULL;
	enum err err = ERR_OUT_OF_MEMORY;
	struct json_tokener *tokener;
	size_t length;

	tokener = json_tokener_new_ex(1);
	if (tokener == NULL)
		return ERR_OUT_OF_MEMORY;
	/* The text is known to be good: only memory can be missing. */
	object = json_tokener_parse_ex(tokener, raw.data, (int)raw.length);
	if (object == NULL)
		goto out;
	length = (size_t)json_object_get_string_len(object);
	/* json-c 0.16 says nothing of a piece it had no memory for. */
	if (length != expected)
		goto out;
	buf_append(out, json_object_get_string(object), length);
	err = buf_error(out);
out:
	json_object_put(object);
	json_tokener_free(tokener);
	return err;
}

enum err json_decode_string(struct span raw, struct buf *out)
{
	struct buf without_pairs;
	size_t expected;
	enum err err;

	assert(raw.length >= 2 && raw.length <= INT_MAX);
	/* Most strings have no escape, and stand for what is in the quotes. */
	if (memchr(raw.data, '\\', raw.length) == NULL) {
		buf_append(out, raw.data + 1, raw.length - 2);
		return buf_error(out);
	}
	buf_init(&without_pairs, raw.length);
	expected = copy_without_pairs(raw, &without_pairs);
	err = buf_error(&without_pairs);
	if (err == ERR_OK)
		err = decode_with_json_c(buf_span(&without_pairs), expected,
					 out);
	buf_deinit(&without_pairs);
	return err;
}
