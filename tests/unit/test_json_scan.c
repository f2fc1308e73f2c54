/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "text/json.h"

#define TEXT(literal)                                                          \
	{                                                                      \
		(literal), sizeof(literal) - 1                                 \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Writes down what was visited: name, "=", type, value, a blank. */
static enum err write_down(const struct json_member *member, void *context)
{
	static const char types[] = {
		[JSON_NULL] = '0',   [JSON_BOOLEAN] = 'b', [JSON_NUMBER] = 'n',
		[JSON_STRING] = 's', [JSON_ARRAY] = 'a',   [JSON_OBJECT] = 'o',
	};
	static const char *const faults[] = {
		[JSON_STRING_GOOD] = "",
		[JSON_STRING_NOT_UTF8] = "(not UTF-8)",
		[JSON_STRING_LONE_SURROGATE] = "(lone surrogate)",
	};
	struct buf *out = context;

	buf_append_span(out, member->name);
	buf_append_char(out, '=');
	buf_append_char(out, types[member->type]);
	buf_append_text(out, faults[member->fault]);
	buf_append_span(out, member->value);
	buf_append_char(out, ' ');
	return ERR_OK;
}

static const struct {
	const char *comment;
	struct span text;
	struct span visited;
} accepted[] = {
	{ "an empty object", TEXT("{}"), TEXT("") },
	{ "blanks of all four kinds around everything",
	  TEXT(" \t\r\n{ \n\"a\"\t:\r1 , \"b\" : [ 1 , 2 ] } \n"),
	  TEXT("\"a\"=n1 \"b\"=a[ 1 , 2 ] ") },
	{ "one value of each type",
	  TEXT("{\"a\":null,\"b\":true,\"c\":false,\"d\":0,\"e\":\"\","
	       "\"f\":[],\"g\":{}}"),
	  TEXT("\"a\"=0null \"b\"=btrue \"c\"=bfalse \"d\"=n0 \"e\"=s\"\" "
	       "\"f\"=a[] \"g\"=o{} ") },
	{ "a name twice, both visited in order", TEXT("{\"a\":1,\"a\":2}"),
	  TEXT("\"a\"=n1 \"a\"=n2 ") },
	{ "an empty name", TEXT("{\"\":1}"), TEXT("\"\"=n1 ") },
	{ "escapes in a name", TEXT("{\"\\u0061\\n\":1}"),
	  TEXT("\"\\u0061\\n\"=n1 ") },
	{ "members of inner objects are not visited",
	  TEXT("{\"a\":{\"b\":{\"c\":[{\"d\":1}]}}}"),
	  TEXT("\"a\"=o{\"b\":{\"c\":[{\"d\":1}]}} ") },
	{ "every short escape", TEXT("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}"),
	  TEXT("\"a\"=s\"\\\"\\\\\\/\\b\\f\\n\\r\\t\" ") },
	{ "\\u in both cases, NUL, noncharacters",
	  TEXT("{\"a\":\"\\u00aF\\u0000\\uffff\\uFDD0\"}"),
	  TEXT("\"a\"=s\"\\u00aF\\u0000\\uffff\\uFDD0\" ") },
	{ "surrogate pairs, lowest and highest",
	  TEXT("{\"a\":\"\\ud800\\udc00\\uDBFF\\uDFFF\"}"),
	  TEXT("\"a\"=s\"\\ud800\\udc00\\uDBFF\\uDFFF\" ") },
	{ "an escaped backslash before u is no escape",
	  TEXT("{\"a\":\"\\\\ud800\"}"), TEXT("\"a\"=s\"\\\\ud800\" ") },
	{ "UTF-8 of two, three and four bytes",
	  TEXT("{\"\xc3\xa9\":\"\xe2\x82\xac\xf0\x9f\x98\x80\"}"),
	  TEXT("\"\xc3\xa9\"=s\"\xe2\x82\xac\xf0\x9f\x98\x80\" ") },
	{ "the largest code point, U+2028, U+FEFF, noncharacters, DEL",
	  TEXT("{\"a\":\"\xf4\x8f\xbf\xbf\xe2\x80\xa8\xef\xbb\xbf"
	       "\xef\xbf\xbf\x7f\"}"),
	  TEXT("\"a\"=s\"\xf4\x8f\xbf\xbf\xe2\x80\xa8\xef\xbb\xbf"
	       "\xef\xbf\xbf\x7f\" ") },
	{ "comment signs and single quotes inside a string",
	  TEXT("{\"a\":\"/**/'//#\"}"), TEXT("\"a\"=s\"/**/'//#\" ") },
	{ "integers", TEXT("{\"a\":[0,-0,1,-1,10,1234567890]}"),
	  TEXT("\"a\"=a[0,-0,1,-1,10,1234567890] ") },
	{ "fractions", TEXT("{\"a\":[0.0,-0.1,10.250]}"),
	  TEXT("\"a\"=a[0.0,-0.1,10.250] ") },
	{ "exponents", TEXT("{\"a\":[1e5,1E5,0e+1,1e-2,1.5E+10,20e1,0e01]}"),
	  TEXT("\"a\"=a[1e5,1E5,0e+1,1e-2,1.5E+10,20e1,0e01] ") },
	{ "numbers that no machine holds",
	  TEXT("{\"a\":1e999999,\"b\":123456789012345678901234567890}"),
	  TEXT("\"a\"=n1e999999 \"b\"=n123456789012345678901234567890 ") },
	{ "arrays of all types, nested",
	  TEXT("{\"a\":[[],{},[[null]],\"x\",true,false,0]}"),
	  TEXT("\"a\"=a[[],{},[[null]],\"x\",true,false,0] ") },
	/* Faulty strings that the visitor is told of. */
	{ "a byte that is never in UTF-8", TEXT("{\"a\":\"\xff\",\"b\":1}"),
	  TEXT("\"a\"=s(not UTF-8)\"\xff\" \"b\"=n1 ") },
	{ "an overlong slash", TEXT("{\"a\":\"\xc0\xaf\"}"),
	  TEXT("\"a\"=s(not UTF-8)\"\xc0\xaf\" ") },
	{ "a surrogate in UTF-8", TEXT("{\"a\":\"\xed\xa0\x80\"}"),
	  TEXT("\"a\"=s(not UTF-8)\"\xed\xa0\x80\" ") },
	{ "above U+10FFFF", TEXT("{\"a\":\"\xf4\x90\x80\x80\"}"),
	  TEXT("\"a\"=s(not UTF-8)\"\xf4\x90\x80\x80\" ") },
	{ "a lead byte does not swallow the quote", TEXT("{\"a\":\"\xe2\"}"),
	  TEXT("\"a\"=s(not UTF-8)\"\xe2\" ") },
	{ "Latin-1", TEXT("{\"a\":\"caf\xe9\"}"),
	  TEXT("\"a\"=s(not UTF-8)\"caf\xe9\" ") },
	{ "a high surrogate alone", TEXT("{\"a\":\"\\ud800\"}"),
	  TEXT("\"a\"=s(lone surrogate)\"\\ud800\" ") },
	{ "a low surrogate alone", TEXT("{\"a\":\"\\uDFAA\"}"),
	  TEXT("\"a\"=s(lone surrogate)\"\\uDFAA\" ") },
	{ "a high surrogate and something else",
	  TEXT("{\"a\":\"\\ud800abc\",\"b\":\"\\ud800\\n\"}"),
	  TEXT("\"a\"=s(lone surrogate)\"\\ud800abc\" "
	       "\"b\"=s(lone surrogate)\"\\ud800\\n\" ") },
	{ "two high surrogates and a low one",
	  TEXT("{\"a\":\"\\ud800\\ud800\\udc00\"}"),
	  TEXT("\"a\"=s(lone surrogate)\"\\ud800\\ud800\\udc00\" ") },
	{ "two high surrogates", TEXT("{\"a\":\"\\ud800\\udbff\"}"),
	  TEXT("\"a\"=s(lone surrogate)\"\\ud800\\udbff\" ") },
	{ "two low surrogates", TEXT("{\"a\":\"\\udc00\\udfff\"}"),
	  TEXT("\"a\"=s(lone surrogate)\"\\udc00\\udfff\" ") },
	{ "a pair the wrong way round", TEXT("{\"a\":\"\\udc00\\ud800\"}"),
	  TEXT("\"a\"=s(lone surrogate)\"\\udc00\\ud800\" ") },
	{ "a high surrogate and a character",
	  TEXT("{\"a\":\"\\ud800\\u0041\"}"),
	  TEXT("\"a\"=s(lone surrogate)\"\\ud800\\u0041\" ") },
};

static void strict_json_is_accepted(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(accepted); i++) {
		struct problem problem;
		struct buf visited;
		enum err err;

		problem_init(&problem);
		buf_init(&visited, 4096);
		err = json_scan_object(accepted[i].text, write_down, &visited,
				       &problem);
		if (err != ERR_OK ||
		    !span_equal(buf_span(&visited), accepted[i].visited))
			fail_msg("%s: %s, visited %.*s", accepted[i].comment,
				 problem.detail, (int)visited.length,
				 buf_span(&visited).data);
		buf_deinit(&visited);
	}
}

static enum err visit_nothing(const struct json_member *member, void *context)
{
	(void)member;
	(void)context;
	return ERR_OK;
}

static enum err stop_at_second(const struct json_member *member, void *context)
{
	int *visits = context;

	(void)member;
	(*visits)++;
	return *visits == 2 ? ERR_INVALID_MESSAGE : ERR_OK;
}

static void a_visitors_error_ends_the_scan(void **state)
{
	struct problem problem;
	int visits = 0;

	(void)state;
	problem_init(&problem);
	assert_int_equal(json_scan_object(SPAN("{\"a\":1,\"b\":2,\"c\":!"),
					  stop_at_second, &visits, &problem),
			 ERR_INVALID_MESSAGE);
	assert_int_equal(visits, 2);
	assert_int_equal(problem.err, ERR_OK);
}

static void nesting_is_allowed_up_to_32(void **state)
{
	struct problem problem;
	struct buf text;
	int depth;

	(void)state;
	buf_init(&text, 4096);
	for (depth = 31; depth <= 33; depth++) {
		int i;

		buf_clear(&text);
		buf_append_text(&text, "{\"a\":");
		for (i = 1; i < depth; i++)
			buf_append_text(&text, i % 2 != 0 ? "[" : "{\"b\":");
		buf_append_char(&text, '0');
		for (i = depth - 1; i >= 1; i--)
			buf_append_char(&text, i % 2 != 0 ? ']' : '}');
		buf_append_char(&text, '}');
		problem_init(&problem);
		assert_int_equal(json_scan_object(buf_span(&text),
						  visit_nothing, NULL,
						  &problem),
				 depth <= 32 ? ERR_OK : ERR_INVALID_JSON);
	}
	buf_deinit(&text);
}

/* Every beginning of a text ends inside it, and is no text of its own. */
static void every_beginning_is_refused(void **state)
{
	static const char text[] = "{\"a\" : [1.5e+3,-0,\"\\ud83d\\ude00\\n\","
				   "{\"b\":null,\"\xc3\xa9\":true}], \"c\":{}}";
	struct problem problem;
	size_t length;

	(void)state;
	problem_init(&problem);
	for (length = 0; length < sizeof(text) - 1; length++) {
		/* A copy without room behind it, for the sanitizers. */
		char *copy = malloc(length + (length == 0));

		assert_non_null(copy);
		memcpy(copy, text, length);
		assert_int_equal(json_scan_object((struct span){ copy, length },
						  visit_nothing, NULL,
						  &problem),
				 ERR_INVALID_JSON);
		free(copy);
	}
	assert_int_equal(
		json_scan_object(SPAN(text), visit_nothing, NULL, &problem),
		ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strict_json_is_accepted),
		cmocka_unit_test(a_visitors_error_ends_the_scan),
		cmocka_unit_test(nesting_is_allowed_up_to_32),
		cmocka_unit_test(every_beginning_is_refused),
	};

	return cmocka_run_group_tests_name("json_scan", tests, NULL, NULL);
}
