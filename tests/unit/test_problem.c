/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "text/problem.h"
#include "text/utf8.h"

#define TEXT(literal)                                                          \
	{                                                                      \
		(literal), sizeof(literal) - 1                                 \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define TEN(text) text text text text text text text text text text
#define SIXTY(text) TEN(text) TEN(text) TEN(text) TEN(text) TEN(text) TEN(text)
#define E_ACUTE "\xc3\xa9"
#define SMILE "\xf0\x9f\x98\x80"
#define ELLIPSIS "\xe2\x80\xa6"
#define REPLACED "\xef\xbf\xbd"

static void assert_json(const struct problem *problem, const char *want)
{
	struct buf out;

	buf_init(&out, 65536);
	problem_append_json(&out, problem);
	assert_int_equal(buf_error(&out), ERR_OK);
	if (!span_equal(buf_span(&out), span_of(want)))
		fail_msg("%.*s, not %s", (int)out.length, out.data, want);
	buf_deinit(&out);
}

static void a_problem_is_written_in_order(void **state)
{
	struct problem problem;

	(void)state;
	problem_init(&problem);
	assert_int_equal(problem_set(&problem, ERR_NOT_FOUND,
				     "There is no \"%s\".", "/x\n"),
			 ERR_NOT_FOUND);
	assert_json(&problem, "{\"type\":\"urn:buzon:problem:not_found\","
			      "\"title\":\"Not found\",\"status\":404,"
			      "\"detail\":\"There is no \\\"/x\\n\\\".\","
			      "\"code\":\"not_found\"}");
}

static void the_title_stands_in_for_a_missing_detail(void **state)
{
	struct problem problem;

	(void)state;
	problem_init(&problem);
	problem_set(&problem, ERR_INTERNAL, "%s", "");
	assert_json(&problem,
		    "{\"type\":\"urn:buzon:problem:internal\","
		    "\"title\":\"Internal error\",\"status\":500,"
		    "\"detail\":\"Internal error\",\"code\":\"internal\"}");
}

static void faults_are_listed_in_order(void **state)
{
	struct problem problem;

	(void)state;
	problem_init(&problem);
	problem_add_fault(&problem, SPAN("From"), "too_long",
			  "%d characters, expected at most %d", 256, 255);
	problem_add_fault(&problem, SPAN("Con\"tent\0"), "missing", "none");
	problem_set(&problem, ERR_INVALID_MESSAGE, "Two faults.");
	assert_json(&problem,
		    "{\"type\":\"urn:buzon:problem:invalid_message\","
		    "\"title\":\"Invalid message\",\"status\":400,"
		    "\"detail\":\"Two faults.\",\"code\":\"invalid_message\","
		    "\"errors\":[{\"field\":\"From\",\"code\":\"too_long\","
		    "\"detail\":\"256 characters, expected at most 255\"},"
		    "{\"field\":\"Con\\\"tent?\",\"code\":\"missing\","
		    "\"detail\":\"none\"}]}");
}

static void faults_without_a_place_are_counted_alone(void **state)
{
	struct problem problem;
	struct span rest;
	struct buf out;
	int listed = 0;
	int i;

	(void)state;
	problem_init(&problem);
	for (i = 0; i < PROBLEM_FAULTS_MAX + 3; i++)
		problem_add_fault(&problem, SPAN("a"), "c", "%d", i);
	assert_int_equal(problem.fault_count, PROBLEM_FAULTS_MAX + 3);

	problem_set(&problem, ERR_INVALID_FORM, "x");
	buf_init(&out, 65536);
	problem_append_json(&out, &problem);
	for (rest = buf_span(&out);; listed++) {
		const char *field =
			memmem(rest.data, rest.length, "\"field\"", 7);

		if (field == NULL)
			break;
		rest = span_from(rest, (size_t)(field - rest.data) + 7);
	}
	assert_int_equal(listed, PROBLEM_FAULTS_MAX);
	buf_deinit(&out);
}

#define TEXT_40 "Forty characters that say what is right. "
#define ADVICE TEXT_40 TEXT_40 TEXT_40 TEXT_40 TEXT_40

static void init_forgets_what_was_there(void **state)
{
	struct problem problem;

	(void)state;
	problem_init(&problem);
	problem_add_fault(&problem, SPAN("a"), "c", "d");
	problem_set(&problem, ERR_INVALID_FORM, "detail");
	problem_init(&problem);
	assert_int_equal(problem.err, ERR_OK);
	assert_int_equal(problem.fault_count, 0);
	assert_string_equal(problem.detail, "");
}

/* Texts that are cut: at any length, valid and a beginning of the whole. */
static void texts_are_cut_at_a_character(void **state)
{
	static const char *const characters[] = { "a", E_ACUTE, "\xe2\x82\xac",
						  SMILE };
	char text[2 * PROBLEM_DETAIL_BYTES];
	struct problem problem;
	size_t shift;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(characters); i++) {
		size_t size = strlen(characters[i]);

		for (shift = 0; shift < 4; shift++) {
			size_t length = shift;

			memset(text, 'x', shift);
			for (; length + size < sizeof(text); length += size)
				memcpy(text + length, characters[i], size);
			text[length] = '\0';
			problem_init(&problem);
			problem_set(&problem, ERR_INTERNAL, "%s", text);
			problem_add_fault(&problem, span_of(text), "c", "%s",
					  text);
			length = strlen(problem.detail);
			assert_memory_equal(problem.detail, text, length);
			assert_int_equal(length,
					 shift + (511 - shift) / size * size);
			length = strlen(problem.faults[0].detail);
			assert_memory_equal(problem.faults[0].detail, text,
					    length);
			assert_int_equal(length,
					 shift + (255 - shift) / size * size);
			length = strlen(problem.faults[0].field);
			assert_memory_equal(problem.faults[0].field, text,
					    length);
			assert_int_equal(length,
					 shift + (63 - shift) / size * size);
		}
	}
}

static void texts_hold_nothing_but_utf8(void **state)
{
	char text[PROBLEM_DETAIL_BYTES];
	struct problem problem;

	(void)state;
	memset(text, '\xff', sizeof(text));
	problem_init(&problem);
	problem_set(&problem, ERR_INTERNAL, "a\xc3%s\xed\xa0\x80.",
		    "b\xe2\x82");
	assert_true(utf8_valid(span_of(problem.detail)));
	assert_memory_equal(problem.detail, "a" REPLACED "b" REPLACED, 8);
	problem_set(&problem, ERR_INTERNAL, "%.*s", (int)sizeof(text), text);
	assert_true(utf8_valid(span_of(problem.detail)));
	assert_int_equal(strlen(problem.detail), 510);
	problem_add_fault(&problem, (struct span){ text, sizeof(text) }, "c",
			  "%.*s", (int)sizeof(text), text);
	assert_int_equal(strlen(problem.faults[0].field), 63);
	assert_int_equal(strlen(problem.faults[0].detail), 255);
}

static const struct {
	const char *comment;
	struct span text;
	size_t size;
	const char *want;
} quotes[] = {
	{ "no text at all", { NULL, 0 }, 300, "" },
	{ "an empty text", TEXT(""), 300, "" },
	{ "a short text", TEXT("hola " SMILE), 300, "hola " SMILE },
	{ "60 characters", TEXT(SIXTY("a")), 300, SIXTY("a") },
	{ "60 characters of four bytes", TEXT(SIXTY(SMILE)), 300,
	  SIXTY(SMILE) },
	{ "61 characters", TEXT("b" SIXTY("a")), 300,
	  "b" TEN("a") TEN("a") TEN("a") TEN("a")
		  TEN("a") "aaaaaaaa" ELLIPSIS },
	{ "all of the bytes", TEXT("abcdefg"), 8, "abcdefg" },
	{ "one byte too many", TEXT("abcdefgh"), 8, "abcd" ELLIPSIS },
	{ "cut before a character of two bytes", TEXT("abc" E_ACUTE "fgh"), 8,
	  "abc" ELLIPSIS },
	{ "the last character does not fit", TEXT("abcd" SMILE), 8,
	  "abcd" ELLIPSIS },
	{ "room for the ellipsis alone", TEXT("abcd"), 4, ELLIPSIS },
	{ "no room for the ellipsis", TEXT("abcd"), 3, "ab" },
	{ "no room at all", TEXT("abcd"), 1, "" },
	{ "bytes that are not UTF-8",
	  TEXT("a\xff\xfe"
	       "b\xc3"),
	  300, "a" REPLACED REPLACED "b" REPLACED },
	{ "a bad byte that finds no place", TEXT("ab\xff"), 5, "a" ELLIPSIS },
	{ "control characters", TEXT("a\0\n\x1b[31m\x7f"), 300, "a???[31m?" },
	{ "C1 control characters", TEXT("\xc2\x80\xc2\x9f\xc2\xa0"), 300,
	  "??\xc2\xa0" },
};

static void quotes_are_safe_and_short(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(quotes); i++) {
		/* Exactly as large as said, for the sanitizers. */
		char *out = malloc(quotes[i].size);

		assert_non_null(out);
		assert_ptr_equal(
			problem_quote(quotes[i].text, out, quotes[i].size),
			out);
		if (strcmp(out, quotes[i].want) != 0)
			fail_msg("%s: %s, not %s", quotes[i].comment, out,
				 quotes[i].want);
		free(out);
	}
}

static void a_full_buffer_keeps_its_error(void **state)
{
	struct problem problem;
	struct buf out;

	(void)state;
	problem_init(&problem);
	problem_set(&problem, ERR_NOT_FOUND, "x");
	buf_init(&out, 50);
	problem_append_json(&out, &problem);
	assert_int_equal(buf_error(&out), ERR_FULL);
	buf_deinit(&out);
}

static void the_detail_names_the_faults_that_fit_and_the_advice(void **state)
{
	static const struct {
		size_t faults;
		const char *advice;
		const char *want;
	} rows[] = {
		{ 1, "", "field: wrong." },
		{ 2, "", "field: wrong. field: wrong." },
		{ 1, "Do this.", "field: wrong. Do this." },
		{ 0, "Do this.", "Do this." },
	};
	struct problem problem;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		problem_init(&problem);
		for (size_t n = 0; n < rows[i].faults; n++)
			problem_add_fault(&problem, SPAN("field"), "code",
					  "wrong");
		assert_int_equal(problem_set_from_faults(&problem,
							 ERR_INVALID_PARAMETER,
							 rows[i].advice),
				 ERR_INVALID_PARAMETER);
		assert_int_equal(problem.err, ERR_INVALID_PARAMETER);
		assert_string_equal(problem.detail, rows[i].want);
	}

	/* Whole faults only, and the advice always. */
	problem_init(&problem);
	for (size_t n = 0; n < PROBLEM_FAULTS_MAX + 3; n++)
		problem_add_fault(&problem, SPAN("field"), "code", "%0120d", 0);
	(void)problem_set_from_faults(&problem, ERR_INVALID_PARAMETER,
				      "Do this.");
	assert_int_equal(strlen(problem.detail),
			 3 * strlen("field: . ") + 3 * 120 +
				 strlen("And 16 more. Do this."));
	assert_non_null(strstr(problem.detail, "0. And 16 more. Do this."));

	/* Where not even one finds place. */
	problem_init(&problem);
	for (size_t n = 0; n < 2; n++)
		problem_add_fault(&problem, SPAN(TEXT_40), "code", "%0250d", 0);
	(void)problem_set_from_faults(&problem, ERR_INVALID_PARAMETER, ADVICE);
	assert_string_equal(problem.detail, "2 faults. " ADVICE);
}

/* All that errors has no place for included. */
static void the_detail_counts_the_faults_that_it_does_not_name(void **state)
{
	struct problem problem;
	size_t named = 0, more;
	const char *at;

	(void)state;
	problem_init(&problem);
	for (int n = 0; n < 20; n++)
		problem_add_fault(&problem, SPAN("field"), "unknown",
				  "there is no such parameter");
	(void)problem_set_from_faults(&problem, ERR_INVALID_PARAMETER,
				      "Do this.");
	for (at = strstr(problem.detail, "field: "); at != NULL;
	     at = strstr(at + 1, "field: "))
		named++;
	at = strstr(problem.detail, "And ");
	assert_non_null(at);
	more = strtoul(at + strlen("And "), NULL, 10);
	assert_true(named > 0 && more >= 20 - PROBLEM_FAULTS_MAX);
	assert_int_equal(named + more, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_problem_is_written_in_order),
		cmocka_unit_test(the_title_stands_in_for_a_missing_detail),
		cmocka_unit_test(faults_are_listed_in_order),
		cmocka_unit_test(faults_without_a_place_are_counted_alone),
		cmocka_unit_test(init_forgets_what_was_there),
		cmocka_unit_test(texts_are_cut_at_a_character),
		cmocka_unit_test(texts_hold_nothing_but_utf8),
		cmocka_unit_test(quotes_are_safe_and_short),
		cmocka_unit_test(a_full_buffer_keeps_its_error),
		cmocka_unit_test(
			the_detail_names_the_faults_that_fit_and_the_advice),
		cmocka_unit_test(
			the_detail_counts_the_faults_that_it_does_not_name),
	};

	return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
