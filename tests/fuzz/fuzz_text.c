/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "text/json.h"
#include "text/json_write.h"
#include "text/utf8.h"
#include "checks.h"
#include "fuzz.h"
#include "reference_json.h"

/* Bytes that may be UTF-8: checked, walked, quoted, and made JSON of. */

enum { TEXT_BYTES_MAX = 8 << 20, QUOTED_BYTES_MAX = 300 };

/* All before the first bad byte is good, and what stands there begins none. */
static void check_first_bad(struct span text)
{
	size_t bad = utf8_first_bad(text);

	assert(bad <= text.length);
	assert((bad == text.length) == is_utf8(text));
	assert(utf8_valid(text) == (bad == text.length));
	assert(is_utf8((struct span){ text.data, bad }));
	for (size_t length = 1; length <= 4 && bad + length <= text.length;
	     length++)
		assert(!is_utf8((struct span){ text.data + bad, length }));
}

/* Character by character, good ones come out as they went in. */
static void check_walk(struct span text)
{
	struct span rest = text;
	size_t characters = 0;
	struct buf out;

	buf_init(&out, TEXT_BYTES_MAX);
	for (; rest.length > 0; characters++) {
		uint32_t code_point;
		size_t length = utf8_next(rest, &code_point);

		assert(length >= 1 && length <= rest.length);
		assert(code_point <= 0x10ffff);
		assert(code_point < 0xd800 || code_point > 0xdfff);
		utf8_append(&out, code_point);
		rest = span_from(rest, length);
	}
	assert(is_utf8(buf_span(&out)));
	if (is_utf8(text)) {
		assert(span_equal(buf_span(&out), text));
		assert(characters == count_characters(text));
		assert(utf8_count(text) == characters);
	}
	buf_deinit(&out);
}

static void check_quotes(struct span text)
{
	static const size_t sizes[] = {
		1, 2, 3, 4, 5, 16, 64, QUOTED_BYTES_MAX
	};
	char quoted[QUOTED_BYTES_MAX];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct span made =
			span_of(problem_quote(text, quoted, sizes[i]));

		assert(made.length < sizes[i]);
		assert(is_utf8(made));
		for (size_t at = 0; at < made.length; at++)
			assert((unsigned char)made.data[at] >= 0x20 &&
			       made.data[at] != 0x7f);
	}
}

static enum err keep_value(const struct json_member *member, void *context)
{
	*(struct json_member *)context = *member;
	return ERR_OK;
}

/* As a JSON string it is strict JSON, and decodes to what it was. */
static void check_json_string(struct span text)
{
	struct json_member member = { .type = JSON_NULL };
	struct buf object, decoded;
	struct problem problem;

	problem_init(&problem);
	buf_init(&object, TEXT_BYTES_MAX);
	buf_init(&decoded, TEXT_BYTES_MAX);
	buf_append_text(&object, "{\"a\":");
	json_append_string(&object, text);
	buf_append_char(&object, '}');
	assert(is_json(buf_span(&object)));
	assert(json_scan_object(buf_span(&object), keep_value, &member,
				&problem) == ERR_OK);
	assert(member.type == JSON_STRING);
	assert(member.fault == JSON_STRING_GOOD);
	assert(json_decode_string(member.value, &decoded) == ERR_OK);
	assert(span_equal(buf_span(&decoded), text));
	buf_deinit(&object);
	buf_deinit(&decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = fuzz_span(data, size);

	check_first_bad(text);
	check_walk(text);
	check_quotes(text);
	if (is_utf8(text))
		check_json_string(text);
	return 0;
}
