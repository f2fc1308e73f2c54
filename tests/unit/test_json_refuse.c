/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "text/json.h"

#define TEXT(literal)                                                          \
	{                                                                      \
		(literal), sizeof(literal) - 1                                 \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What the detail must say, and where the fault is. */
static const struct {
	const char *comment;
	struct span text;
	const char *detail;
} refused[] = {
	/* The document as a whole */
	{ "nothing", TEXT(""), "The body is empty, expected a JSON object" },
	{ "blanks alone", TEXT(" \n\t\r "), "The body is empty" },
	{ "a byte order mark", TEXT("\xef\xbb\xbf{}"), "byte order mark" },
	{ "a byte order mark alone", TEXT("\xef\xbb\xbf"), "byte order mark" },
	{ "half a byte order mark", TEXT("\xef\xbb{}"),
	  "offset 0: found byte" },
	{ "UTF-16, little endian", TEXT("\xff\xfe{\0}\0"), "found byte 0xff" },
	{ "UTF-16, big endian, no mark", TEXT("\0{\0}"), "found byte 0x00" },
	{ "an array", TEXT("[]"), "found '[', expected '{': the body must be" },
	{ "a string", TEXT("\"a\""), "offset 0: found '\"', expected '{'" },
	{ "a number", TEXT(" 12"), "offset 1: found '12', expected '{'" },
	{ "null", TEXT("null"), "found 'null', expected '{'" },
	{ "a form", TEXT("From=ana&Content=a"), "found 'From', expected '{'" },
	{ "a second object", TEXT("{}{}"),
	  "offset 2: found '{', expected noth" },
	{ "a second value", TEXT("{} 1"),
	  "offset 3: found '1', expected nothing" },
	{ "a brace too many", TEXT("{}}"), "offset 2: found '}'" },
	{ "a comma behind", TEXT("{},"), "offset 2: found ','" },
	{ "a NUL behind", TEXT("{}\0"), "offset 2: found byte 0x00" },
	{ "a comment behind", TEXT("{}//x"), "JSON has no comments" },
	{ "a block comment behind", TEXT("{}/**/"), "JSON has no comments" },
	{ "a hash comment behind", TEXT("{}#x"), "JSON has no comments" },
	{ "a form feed as blank", TEXT("{\f}"), "offset 1: found byte 0x0c" },
	{ "a no-break space as blank", TEXT("{\xc2\xa0}"),
	  "offset 1: found '\xc2\xa0' (U+00A0)" },
	{ "U+2060 as blank", TEXT("{\"a\":1\xe2\x81\xa0}"),
	  "offset 6: found '\xe2\x81\xa0' (U+2060)" },
	/* Objects */
	{ "an open object", TEXT("{"), "offset 1: found the end of the text" },
	{ "only a name", TEXT("{\"a\""),
	  "offset 4: found the end of the text" },
	{ "no value", TEXT("{\"a\":"), "offset 5: found the end of the text" },
	{ "no value but a brace", TEXT("{\"a\":}"), "offset 5: found '}'" },
	{ "no end after a value", TEXT("{\"a\":1"), "expected ',' or '}'" },
	{ "an end after a comma", TEXT("{\"a\":1,"),
	  "offset 7: found the end" },
	{ "a trailing comma", TEXT("{\"a\":1,}"),
	  "offset 7: found '}', expected one more member" },
	{ "a trailing comma and blanks", TEXT("{\"a\":1 , }"),
	  "offset 9: found '}'" },
	{ "two commas", TEXT("{\"a\":1,,\"b\":2}"), "offset 7: found ','" },
	{ "a leading comma", TEXT("{,\"a\":1}"), "offset 1: found ','" },
	{ "only a comma", TEXT("{,}"), "offset 1: found ','" },
	{ "no comma", TEXT("{\"a\":1 \"b\":2}"),
	  "offset 7: found '\"', expected ','" },
	{ "no colon", TEXT("{\"a\" 1}"), "offset 5: found '1', expected ':'" },
	{ "a comma for the colon", TEXT("{\"a\",1}"),
	  "found ',', expected ':'" },
	{ "two colons", TEXT("{\"a\"::1}"), "offset 5: found ':'" },
	{ "an equals sign for the colon", TEXT("{\"a\"=1}"), "found '='" },
	{ "a bare name", TEXT("{a:1}"),
	  "offset 1: found 'a', expected the name" },
	{ "a number as name", TEXT("{1:1}"), "found '1', expected the name" },
	{ "null as name", TEXT("{null:1}"), "found 'null', expected the name" },
	{ "an array as name", TEXT("{[]:1}"), "found '[', expected the name" },
	{ "a name in single quotes", TEXT("{'a':1}"),
	  "JSON has no single quotes" },
	{ "a value in single quotes", TEXT("{\"a\":'b'}"), "single quotes" },
	{ "a comment for a member", TEXT("{/*x*/}"), "JSON has no comments" },
	{ "a comment after a value", TEXT("{\"a\":1/*x*/}"), "no comments" },
	{ "a comment after a comma", TEXT("{\"a\":1,//x\n\"b\":1}"),
	  "no comments" },
	{ "two values", TEXT("{\"a\":\"b\" \"c\"}"), "offset 9: found '\"'" },
	{ "closed by a bracket", TEXT("{\"a\":1]"), "offset 6: found ']'" },
	{ "invalid UTF-8 in a name", TEXT("{\"\xff\":1}"),
	  "offset 2: found byte 0xff that is not UTF-8" },
	{ "a lone surrogate in a name", TEXT("{\"\\ud800\":1}"),
	  "offset 2: found '\\ud800', one half" },
	/* Arrays */
	{ "an open array", TEXT("{\"a\":["), "offset 6: found the end" },
	{ "an array without its end", TEXT("{\"a\":[1}"),
	  "found '}', expected ',' or ']'" },
	{ "an array's trailing comma", TEXT("{\"a\":[1,]}"),
	  "offset 8: found ']', expected one more element" },
	{ "an array's leading comma", TEXT("{\"a\":[,1]}"),
	  "offset 6: found ','" },
	{ "an array's two commas", TEXT("{\"a\":[1,,2]}"),
	  "offset 8: found ','" },
	{ "an array of a comma", TEXT("{\"a\":[,]}"), "offset 6: found ','" },
	{ "no comma in an array", TEXT("{\"a\":[1 2]}"),
	  "offset 8: found '2'" },
	{ "a colon in an array", TEXT("{\"a\":[\"b\":1]}"),
	  "offset 9: found ':'" },
	{ "a closing bracket too many", TEXT("{\"a\":[]]}"),
	  "offset 7: found ']'" },
	{ "a star", TEXT("{\"a\":[*]}"), "offset 6: found '*'" },
	{ "invalid UTF-8 deeper", TEXT("{\"a\":[\"x\xe2\"]}"),
	  "offset 8: found byte 0xe2 that is not UTF-8" },
	{ "a lone surrogate deeper", TEXT("{\"a\":[\"\\udc00\"]}"),
	  "found '\\udc00', one half" },
	{ "a lone surrogate in a member deeper",
	  TEXT("{\"a\":{\"b\":\"\\udc00\"}}"), "found '\\udc00'" },
	{ "nested 33 deep", TEXT("{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["),
	  "offset 36: found '[', expected objects and arrays at most 32 deep" },
	/* Words */
	{ "nul", TEXT("{\"a\":nul}"), "found 'nul', expected a value" },
	{ "nulll", TEXT("{\"a\":nulll}"), "found 'nulll', expected a value" },
	{ "True", TEXT("{\"a\":True}"), "found 'True', expected a value" },
	{ "FALSE", TEXT("{\"a\":FALSE}"), "found 'FALSE'" },
	{ "None", TEXT("{\"a\":None}"), "found 'None'" },
	{ "undefined", TEXT("{\"a\":undefined}"), "found 'undefined'" },
	{ "NaN", TEXT("{\"a\":NaN}"),
	  "offset 5: found 'NaN', expected a value" },
	{ "-NaN", TEXT("{\"a\":-NaN}"),
	  "offset 6: found 'NaN', expected a digit" },
	{ "Infinity", TEXT("{\"a\":Infinity}"), "found 'Infinity'" },
	{ "-Infinity", TEXT("{\"a\":-Infinity}"),
	  "offset 6: found 'Infinity'" },
	{ "a bare word that is long",
	  TEXT("{\"a\":aaaaaaaaaabbbbbbbbbbccccdddd}"),
	  "found 'aaaaaaaaaabbbbbbbbbbcccc', expected" },
	/* Numbers */
	{ "-01", TEXT("{\"a\":-01}"),
	  "offset 6: found '01', expected a number without leading zeros" },
	{ "012", TEXT("{\"a\":012}"),
	  "offset 5: found '012', expected a number without" },
	{ "00", TEXT("{\"a\":00}"), "found '00'" },
	{ "2.e3", TEXT("{\"a\":2.e3}"),
	  "offset 7: found 'e3', expected a digit after the '.'" },
	{ "2.", TEXT("{\"a\":2.}"), "offset 7: found '}', expected a digit" },
	{ ".5", TEXT("{\"a\":.5}"), "found '.5', expected a value" },
	{ "-.5", TEXT("{\"a\":-.5}"), "offset 6: found '.5'" },
	{ "+1", TEXT("{\"a\":+1}"), "found '+1', expected a value" },
	{ "- alone", TEXT("{\"a\":-}"), "offset 6: found '}'" },
	{ "--1", TEXT("{\"a\":--1}"), "offset 6: found '-1'" },
	{ "- 1", TEXT("{\"a\":- 1}"), "offset 6: found ' '" },
	{ "1e", TEXT("{\"a\":1e}"),
	  "offset 7: found '}', expected a digit in the" },
	{ "1E+", TEXT("{\"a\":1E+}"),
	  "offset 8: found '}', expected a digit in" },
	{ "1e+-2", TEXT("{\"a\":1e+-2}"), "offset 8: found '-2'" },
	{ "1e1.5", TEXT("{\"a\":1e1.5}"),
	  "offset 8: found '.5', expected ','" },
	{ "1.2.3", TEXT("{\"a\":1.2.3}"),
	  "offset 8: found '.3', expected ','" },
	{ "0x1F", TEXT("{\"a\":0x1F}"), "offset 6: found 'x1F', expected ','" },
	{ "1_000", TEXT("{\"a\":1_000}"),
	  "offset 6: found '_000', expected ','" },
	{ "1 000", TEXT("{\"a\":1 000}"),
	  "offset 7: found '000', expected ','" },
	{ "1+2", TEXT("{\"a\":1+2}"), "offset 6: found '+2'" },
	{ "fullwidth 1", TEXT("{\"a\":\xef\xbc\x91}"),
	  "found '\xef\xbc\x91' (U+FF11)" },
	/* Strings */
	{ "no end", TEXT("{\"a\":\"b"),
	  "offset 7: found the end of the text, expected '\"' to end" },
	{ "an end behind a backslash", TEXT("{\"a\":\"\\\"}"),
	  "found the end" },
	{ "a backslash at the end", TEXT("{\"a\":\"\\"),
	  "offset 7: found the end" },
	{ "a raw newline", TEXT("{\"a\":\"b\nc\"}"),
	  "offset 7: found byte 0x0a, expected control characters escaped" },
	{ "a raw tab", TEXT("{\"a\":\"\t\"}"), "offset 6: found byte 0x09" },
	{ "a raw NUL", TEXT("{\"a\":\"\0\"}"), "offset 6: found byte 0x00" },
	{ "a raw 0x1f", TEXT("{\"a\":\"\x1f\"}"), "offset 6: found byte 0x1f" },
	{ "a raw newline in a name", TEXT("{\"\n\":1}"),
	  "offset 2: found byte 0x0a" },
	{ "\\x", TEXT("{\"a\":\"\\x00\"}"),
	  "offset 7: found 'x00', expected one of" },
	{ "\\a", TEXT("{\"a\":\"\\a\"}"),
	  "offset 7: found 'a', expected one of" },
	{ "\\'", TEXT("{\"a\":\"\\'\"}"),
	  "offset 7: found ''', expected one of" },
	{ "\\U", TEXT("{\"a\":\"\\U0041\"}"),
	  "offset 7: found 'U0041', expected one" },
	{ "a backslash and a NUL", TEXT("{\"a\":\"\\\0\"}"),
	  "offset 7: found byte 0x00" },
	{ "a backslash and a newline", TEXT("{\"a\":\"\\\n\"}"),
	  "offset 7: found byte 0x0a" },
	{ "a backslash and UTF-8", TEXT("{\"a\":\"\\\xc3\xa9\"}"),
	  "found '\xc3\xa9' (U+00E9), expected one of" },
	{ "a backslash and a bad byte", TEXT("{\"a\":\"\\\xe5\"}"),
	  "found byte 0xe5, expected one of" },
	{ "\\u alone", TEXT("{\"a\":\"\\u\"}"),
	  "offset 8: found '\"', expected four hexadecimal digits" },
	{ "\\u and three digits", TEXT("{\"a\":\"\\u00A\"}"),
	  "offset 11: found '\"', expected four" },
	{ "\\u and a letter that is none", TEXT("{\"a\":\"\\u00g0\"}"),
	  "offset 10: found 'g0'" },
	{ "\\u{}", TEXT("{\"a\":\"\\u{41}\"}"), "offset 8: found '{'" },
	{ "\\u at the end", TEXT("{\"a\":\"\\u00"),
	  "offset 10: found the end" },
	{ "a surrogate and a broken escape", TEXT("{\"a\":\"\\uD800\\u1\"}"),
	  "offset 15: found '\"'" },
	{ "a surrogate and \\u1x", TEXT("{\"a\":\"\\uD800\\u1x\"}"),
	  "offset 15: found 'x'" },
	{ "a surrogate and a backslash", TEXT("{\"a\":\"\\uD800\\\"}"),
	  "found the end" },
	{ "curly quotes",
	  TEXT("{\xe2\x80\x9c"
	       "a\xe2\x80\x9d:1}"),
	  "found '\xe2\x80\x9c'" },
};

static enum err visit_nothing(const struct json_member *member, void *context)
{
	(void)member;
	(void)context;
	return ERR_OK;
}

static void anything_else_is_refused_and_located(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(refused); i++) {
		struct problem problem;
		enum err err;

		problem_init(&problem);
		err = json_scan_object(refused[i].text, visit_nothing, NULL,
				       &problem);
		if (err != ERR_INVALID_JSON || problem.err != err ||
		    strstr(problem.detail, refused[i].detail) == NULL)
			fail_msg("%s: %s, not %s", refused[i].comment,
				 problem.detail, refused[i].detail);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anything_else_is_refused_and_located),
	};

	return cmocka_run_group_tests_name("json_refuse", tests, NULL, NULL);
}
