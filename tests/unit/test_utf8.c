/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "text/utf8.h"

#define TEXT(literal)                                                          \
	{                                                                      \
		(literal), sizeof(literal) - 1                                 \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *comment;
	struct span text;
	size_t first_bad;
} texts[] = {
	/* Good */
	{ "no text at all", { NULL, 0 }, 0 },
	{ "an empty text", TEXT(""), 0 },
	{ "ASCII with NUL and controls",
	  TEXT("a\0\x01\x7f"
	       "b"),
	  5 },
	{ "the first and last of two bytes", TEXT("\xc2\x80\xdf\xbf"), 4 },
	{ "the first of three bytes", TEXT("\xe0\xa0\x80"), 3 },
	{ "just below the surrogates", TEXT("\xed\x9f\xbf"), 3 },
	{ "just above the surrogates", TEXT("\xee\x80\x80"), 3 },
	{ "U+FFFF, a noncharacter", TEXT("\xef\xbf\xbf"), 3 },
	{ "a byte order mark",
	  TEXT("\xef\xbb\xbf"
	       "a"),
	  4 },
	{ "the first of four bytes", TEXT("\xf0\x90\x80\x80"), 4 },
	{ "U+10FFFF, the last one", TEXT("\xf4\x8f\xbf\xbf"), 4 },
	{ "combining marks, right to left", TEXT("e\xcc\x81 \xd7\xa9\xd7\x9c"),
	  8 },
	/* Bad */
	{ "a continuation alone", TEXT("ab\x80"), 2 },
	{ "0xff", TEXT("\xff"), 0 },
	{ "0xfe", TEXT("a\xfe"), 1 },
	{ "an overlong NUL", TEXT("a\xc0\x80"), 1 },
	{ "an overlong slash of two bytes", TEXT("\xc1\xbf"), 0 },
	{ "an overlong slash of three bytes", TEXT("\xe0\x80\xaf"), 0 },
	{ "the last overlong of three bytes", TEXT("\xe0\x9f\xbf"), 0 },
	{ "the last overlong of four bytes", TEXT("\xf0\x8f\xbf\xbf"), 0 },
	{ "the first surrogate", TEXT("ab\xed\xa0\x80"), 2 },
	{ "the last surrogate", TEXT("\xed\xbf\xbf"), 0 },
	{ "a pair of surrogates (CESU-8)", TEXT("\xed\xa0\xbd\xed\xb8\x80"),
	  0 },
	{ "U+110000", TEXT("\xf4\x90\x80\x80"), 0 },
	{ "a lead byte of five", TEXT("\xf8\x88\x80\x80\x80"), 0 },
	{ "two bytes cut short", TEXT("a\xc3"), 1 },
	{ "three bytes cut short", TEXT("a\xe2\x82"), 1 },
	{ "four bytes cut short", TEXT("a\xf0\x9f\x98"), 1 },
	{ "a lead byte before ASCII",
	  TEXT("\xe2\x82"
	       "a"),
	  0 },
	{ "Latin-1", TEXT("caf\xe9 ol\xe9"), 3 },
	{ "bad after good", TEXT("\xc3\xa9\xc3\xa9\xa9"), 4 },
};

static void the_first_bad_byte_is_found(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(texts); i++) {
		size_t first_bad = utf8_first_bad(texts[i].text);

		if (first_bad != texts[i].first_bad)
			fail_msg("%s: %zu, not %zu", texts[i].comment,
				 first_bad, texts[i].first_bad);
		if (utf8_valid(texts[i].text) !=
		    (first_bad == texts[i].text.length))
			fail_msg("%s: utf8_valid() disagrees",
				 texts[i].comment);
	}
}

static const struct {
	struct span text;
	size_t count;
} counts[] = {
	{ { NULL, 0 }, 0 },
	{ TEXT(""), 0 },
	{ TEXT("abc"), 3 },
	{ TEXT("a\0b"), 3 },
	{ TEXT("jos\xc3\xa9"), 4 },
	{ TEXT("e\xcc\x81"), 2 }, /* code points, not what the eye sees */
	{ TEXT("\xe2\x82\xac\xf0\x9f\x98\x80"), 2 },
};

static void code_points_are_counted(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(counts); i++)
		assert_int_equal(utf8_count(counts[i].text), counts[i].count);
}

static const struct {
	const char *comment;
	struct span text;
	size_t taken;
	uint32_t code_point;
} nexts[] = {
	{ "ASCII", TEXT("ab"), 1, 'a' },
	{ "NUL", TEXT("\0a"), 1, 0 },
	{ "two bytes",
	  TEXT("\xc3\xa9"
	       "a"),
	  2, 0xe9 },
	{ "three bytes", TEXT("\xe2\x82\xac"), 3, 0x20ac },
	{ "four bytes", TEXT("\xf0\x9f\x98\x80"), 4, 0x1f600 },
	{ "U+FFFD itself", TEXT("\xef\xbf\xbd"), 3, UTF8_REPLACEMENT },
	{ "a bad byte",
	  TEXT("\xff"
	       "a"),
	  1, UTF8_REPLACEMENT },
	{ "a continuation", TEXT("\x80\x80"), 1, UTF8_REPLACEMENT },
	{ "an overlong form", TEXT("\xc0\x80"), 1, UTF8_REPLACEMENT },
	{ "a lead byte before ASCII",
	  TEXT("\xc3"
	       "a"),
	  1, UTF8_REPLACEMENT },
	{ "a lead byte at the end", TEXT("\xf0"), 1, UTF8_REPLACEMENT },
};

static void the_next_character_is_read(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(nexts); i++) {
		uint32_t code_point;
		size_t taken = utf8_next(nexts[i].text, &code_point);

		if (taken != nexts[i].taken ||
		    code_point != nexts[i].code_point)
			fail_msg("%s: U+%04X of %zu bytes", nexts[i].comment,
				 (unsigned int)code_point, taken);
	}
}

static void code_points_are_appended(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	utf8_append(&out, 'a');
	utf8_append(&out, 0);
	utf8_append(&out, 0xe9);
	utf8_append(&out, 0x20ac);
	utf8_append(&out, 0x10ffff);
	assert_true(span_equal(buf_span(&out), SPAN("a\0\xc3\xa9\xe2\x82\xac"
						    "\xf4\x8f\xbf\xbf")));
	buf_deinit(&out);
}

/* Surrogates and what lies above are bad: utf8_next() must agree. */
static void reading_on_and_checking_agree(void **state)
{
	uint32_t code_point;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(texts); i++) {
		struct span rest = texts[i].text;
		size_t at = 0;

		while (rest.length > 0) {
			size_t taken = utf8_next(rest, &code_point);

			assert_in_range(taken, 1, rest.length);
			if (code_point == UTF8_REPLACEMENT)
				break;
			rest = span_from(rest, taken);
			at += taken;
		}
		if (at != texts[i].first_bad)
			fail_msg("%s: %zu", texts[i].comment, at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_bad_byte_is_found),
		cmocka_unit_test(code_points_are_counted),
		cmocka_unit_test(the_next_character_is_read),
		cmocka_unit_test(code_points_are_appended),
		cmocka_unit_test(reading_on_and_checking_agree),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
