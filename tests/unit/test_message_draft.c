/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inbox/message.h"
#include "inbox/message_draft.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define TEXT(literal)                                                          \
	{                                                                      \
		(literal), sizeof(literal) - 1                                 \
	}

enum { FIELDS_MAX = 4 };

static void assert_span(struct span got, struct span want)
{
	assert_int_equal(got.length, want.length);
	assert_memory_equal(got.data, want.data, want.length);
}

/* The faults as "From:missing Content:empty ". */
static void assert_faults(const struct problem *problem, const char *want)
{
	char got[512] = "";
	size_t length = 0;
	size_t i;

	assert_in_range(problem->fault_count, 0, PROBLEM_FAULTS_MAX);
	for (i = 0; i < problem->fault_count; i++)
		length += (size_t)snprintf(got + length, sizeof(got) - length,
					   "%s:%s ", problem->faults[i].field,
					   problem->faults[i].code);
	assert_string_equal(got, want);
}

static void takes_a_good_json_body(void **state)
{
	static const struct {
		struct span body;
		struct span from;
		struct span content;
	} rows[] = {
		{ TEXT("{\"From\":\"ana\",\"Content\":\"hola\"}"), TEXT("ana"),
		  TEXT("hola") },
		/* the other order, blanks, members that are ignored */
		{ TEXT(" { \"Content\" : \"b\" , \"x\" : [\"\\\\\"] , "
		       "\"From\" : \"a\" , \"from\":1 } "),
		  TEXT("a"), TEXT("b") },
		/* an ignored member may be given twice */
		{ TEXT("{\"x\":1,\"From\":\"a\",\"x\":2,\"Content\":\"b\"}"),
		  TEXT("a"), TEXT("b") },
		/* names that are written with escapes */
		{ TEXT("{\"\\u0046rom\":\"a\",\"C\\u006fntent\":\"b\"}"),
		  TEXT("a"), TEXT("b") },
		/* escapes in one value, in the other, in both */
		{ TEXT("{\"From\":\"a\\n\",\"Content\":\"b\"}"), TEXT("a\n"),
		  TEXT("b") },
		{ TEXT("{\"From\":\"a\",\"Content\":\"\\\"b\\\\\"}"), TEXT("a"),
		  TEXT("\"b\\") },
		{ TEXT("{\"From\":\"\\u00f1\",\"Content\":\"\\ud83d\\ude00\"}"),
		  TEXT("\xc3\xb1"), TEXT("\xf0\x9f\x98\x80") },
		/* nothing is trimmed, folded or normalised */
		{ TEXT("{\"From\":\" A \",\"Content\":\"e\xcc\x81 \"}"),
		  TEXT(" A "), TEXT("e\xcc\x81 ") },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct message_draft draft;
		struct problem problem;

		message_draft_init(&draft);
		problem_init(&problem);
		assert_int_equal(
			message_draft_from_json(&draft, rows[i].body, &problem),
			ERR_OK);
		assert_int_equal(problem.err, ERR_OK);
		assert_faults(&problem, "");
		assert_span(draft.from, rows[i].from);
		assert_span(draft.content, rows[i].content);
		message_draft_deinit(&draft);
	}
}

static void refuses_a_json_body_with_every_fault(void **state)
{
	static const struct {
		struct span body;
		const char *faults;
		const char *first_detail; /* NULL: not looked at */
	} rows[] = {
		{ TEXT("{}"), "From:missing Content:missing ",
		  "missing; must be given once" },
		/* names are compared exactly */
		{ TEXT("{\"from\":\"a\",\"CONTENT\":\"b\"}"),
		  "From:missing Content:missing ", NULL },
		{ TEXT("{\"From \":\"a\",\"Content\":\"b\"}"), "From:missing ",
		  NULL },
		{ TEXT("{\"From\":\"a\"}"), "Content:missing ", NULL },
		/* each type that is no string */
		{ TEXT("{\"From\":1,\"Content\":null}"),
		  "From:not_a_string Content:not_a_string ",
		  "a number; must be a string" },
		{ TEXT("{\"From\":true,\"Content\":\"b\"}"),
		  "From:not_a_string ", "a boolean; must be a string" },
		{ TEXT("{\"From\":[\"\\\\\"],\"Content\":{}}"),
		  "From:not_a_string Content:not_a_string ",
		  "an array; must be a string" },
		{ TEXT("{\"From\":null,\"Content\":\"b\"}"),
		  "From:not_a_string ", "null; must be a string" },
		{ TEXT("{\"From\":\"\",\"Content\":\"\"}"),
		  "From:empty Content:empty ", "empty; at least 1 character" },
		/* given twice, even with the same value; once per field */
		{ TEXT("{\"From\":\"a\",\"Content\":\"b\",\"From\":\"a\"}"),
		  "From:duplicate ", "given 2 times; must be given once" },
		{ TEXT("{\"From\":\"a\",\"From\":\"a\",\"From\":\"a\","
		       "\"Content\":\"b\",\"\\u0043ontent\":\"b\"}"),
		  "From:duplicate Content:duplicate ",
		  "given 3 times; must be given once" },
		/* the other rules look at the first value alone */
		{ TEXT("{\"From\":\"\",\"Content\":\"b\",\"From\":1}"),
		  "From:duplicate From:empty ", NULL },
		{ TEXT("{\"From\":\"a\",\"Content\":1,\"From\":\"\xff\"}"),
		  "From:duplicate Content:not_a_string ", NULL },
		/* not UTF-8: a bad byte, a surrogate in UTF-8, half a pair */
		{ TEXT("{\"From\":\"a\xff\",\"Content\":\"\xed\xa0\x80\"}"),
		  "From:not_utf8 Content:not_utf8 ",
		  "byte 0xff at offset 1 is not UTF-8" },
		{ TEXT("{\"From\":\"\\ud800\",\"Content\":\"\\udc00x\"}"),
		  "From:not_utf8 Content:not_utf8 ",
		  "half of a surrogate pair (\\ud800 to \\udfff) without its "
		  "other half; UTF-8 has no such character" },
		/* U+0000 */
		{ TEXT("{\"From\":\"a\\u0000b\",\"Content\":\"\\u0000\"}"),
		  "From:nul_character Content:nul_character ",
		  "U+0000 at byte offset 1; any other character is allowed" },
		/* order is From, Content, whatever was sent first */
		{ TEXT("{\"Content\":\"\",\"From\":2}"),
		  "From:not_a_string Content:empty ", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct message_draft draft;
		struct problem problem;

		message_draft_init(&draft);
		problem_init(&problem);
		assert_int_equal(
			message_draft_from_json(&draft, rows[i].body, &problem),
			ERR_INVALID_MESSAGE);
		assert_int_equal(problem.err, ERR_INVALID_MESSAGE);
		assert_faults(&problem, rows[i].faults);
		if (rows[i].first_detail != NULL)
			assert_string_equal(problem.faults[0].detail,
					    rows[i].first_detail);
		message_draft_deinit(&draft);
	}
}

static void tells_each_fault_in_the_detail(void **state)
{
	static const struct {
		struct span body;
		const char *want;
	} rows[] = {
		{ TEXT("{\"From\":\"a\"}"),
		  "Content: missing; must be given once." },
		{ TEXT("{\"From\":1,\"Content\":\"\"}"),
		  "From: a number; must be a string. "
		  "Content: empty; at least 1 character." },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct message_draft draft;
		struct problem problem;

		message_draft_init(&draft);
		problem_init(&problem);
		assert_int_equal(
			message_draft_from_json(&draft, rows[i].body, &problem),
			ERR_INVALID_MESSAGE);
		assert_string_equal(problem.detail, rows[i].want);
		message_draft_deinit(&draft);
	}
}

static void refuses_what_is_no_json_object(void **state)
{
	static const struct {
		struct span body;
		const char *want_in_detail;
	} rows[] = {
		{ TEXT(""), "" },
		{ TEXT("[]"), "" },
		{ TEXT("{\"From\":\"a\",\"Content\":\"b\""), "" },
		{ TEXT("{\"From\":\"a\",\"Content\":\"b\"}{}"), "" },
		/* faulty strings where no field can be named */
		{ TEXT("{\"From\":\"a\",\"Content\":\"b\",\"x\":\"\xff\"}"),
		  "the string of the member \"x\" is not UTF-8" },
		{ TEXT("{\"From\":\"a\",\"Content\":\"b\",\"x\":\"\\ud800\"}"),
		  "the string of the member \"x\" holds half of a surrogate "
		  "pair" },
		{ TEXT("{\"From\":\"a\",\"Content\":\"b\",\"\xff\":1}"), "" },
		{ TEXT("{\"From\":[\"\xff\"],\"Content\":\"b\"}"), "" },
		/* the syntax comes first: no faults of fields are listed */
		{ TEXT("{\"From\":1,}"), "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct message_draft draft;
		struct problem problem;

		message_draft_init(&draft);
		problem_init(&problem);
		assert_int_equal(
			message_draft_from_json(&draft, rows[i].body, &problem),
			ERR_INVALID_JSON);
		assert_int_equal(problem.err, ERR_INVALID_JSON);
		assert_true(problem.detail[0] != '\0');
		assert_non_null(strstr(problem.detail, rows[i].want_in_detail));
		assert_faults(&problem, "");
		message_draft_deinit(&draft);
	}
}

static void takes_another_body_after_the_first(void **state)
{
	struct message_draft draft;
	struct problem problem;

	(void)state;
	message_draft_init(&draft);
	problem_init(&problem);
	assert_int_equal(message_draft_from_json(
				 &draft,
				 SPAN("{\"From\":\"\\n\",\"Content\":\"b\"}"),
				 &problem),
			 ERR_OK);
	assert_int_equal(message_draft_from_json(
				 &draft,
				 SPAN("{\"From\":\"\\t\",\"Content\":\"\\r\"}"),
				 &problem),
			 ERR_OK);
	assert_span(draft.from, SPAN("\t"));
	assert_span(draft.content, SPAN("\r"));
	message_draft_deinit(&draft);
}

/* text, count times, in memory of its exact size. */
static struct span repeat(const char *text, size_t count)
{
	size_t length = strlen(text);
	char *out = malloc(length * count);
	size_t i;

	assert_non_null(out);
	for (i = 0; i < count; i++)
		memcpy(out + i * length, text, length);
	return (struct span){ out, length * count };
}

static void takes_the_longest_message_from_json(void **state)
{
	struct span from = repeat("\\ud83d\\ude00", 255);
	struct span content = repeat("\\u0001", 65535);
	struct message_draft draft;
	struct problem problem;
	struct buf body;

	(void)state;
	buf_init(&body, 1024 * 1024);
	buf_append_text(&body, "{\"Content\":\"");
	buf_append_span(&body, content);
	buf_append_text(&body, "\",\"From\":\"");
	buf_append_span(&body, from);
	buf_append_text(&body, "\"}");
	assert_int_equal(buf_error(&body), ERR_OK);

	message_draft_init(&draft);
	problem_init(&problem);
	assert_int_equal(
		message_draft_from_json(&draft, buf_span(&body), &problem),
		ERR_OK);
	assert_int_equal(draft.from.length, 4 * 255);
	assert_memory_equal(draft.from.data, "\xf0\x9f\x98\x80", 4);
	assert_int_equal(draft.content.length, 65535);
	assert_int_equal(draft.content.data[0], 1);
	assert_int_equal(draft.content.data[65534], 1);
	message_draft_deinit(&draft);
	buf_deinit(&body);
	free((char *)from.data);
	free((char *)content.data);
}

#define FIELD(field_name, field_value)                                         \
	{                                                                      \
		.name = TEXT(field_name), .value = TEXT(field_value)           \
	}

static void reads_a_form_by_the_same_rules(void **state)
{
	static const struct {
		struct form_field fields[FIELDS_MAX];
		size_t count;
		const char *faults;
	} rows[] = {
		{ { FIELD("From", "a"), FIELD("Content", "b") }, 2, "" },
		/* other fields are ignored, whatever is in them */
		{ { FIELD("x", "\xff"), FIELD("Content", "b"),
		    FIELD("From", "a"), FIELD("x", "") },
		  4,
		  "" },
		{ { FIELD("x", "y") }, 1, "From:missing Content:missing " },
		{ { FIELD("from", "a"), FIELD("Content\0", "b") },
		  2,
		  "From:missing Content:missing " },
		{ { FIELD("From", ""), FIELD("Content", "a\0b") },
		  2,
		  "From:empty Content:nul_character " },
		{ { FIELD("From", "a"), FIELD("From", ""),
		    FIELD("Content", "\xc3"), FIELD("Content", "b") },
		  4,
		  "From:duplicate Content:duplicate Content:not_utf8 " },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct form_field fields[FIELDS_MAX];
		struct form form = { .fields = fields, .count = rows[i].count };
		bool good = rows[i].faults[0] == '\0';
		struct message_draft draft;
		struct problem problem;

		memcpy(fields, rows[i].fields, sizeof(fields));
		message_draft_init(&draft);
		problem_init(&problem);
		assert_int_equal(
			message_draft_from_form(&draft, &form, &problem),
			good ? ERR_OK : ERR_INVALID_MESSAGE);
		assert_int_equal(problem.err,
				 good ? ERR_OK : ERR_INVALID_MESSAGE);
		assert_faults(&problem, rows[i].faults);
		if (good) {
			assert_span(draft.from, SPAN("a"));
			assert_span(draft.content, SPAN("b"));
		}
		message_draft_deinit(&draft);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_good_json_body),
		cmocka_unit_test(refuses_a_json_body_with_every_fault),
		cmocka_unit_test(tells_each_fault_in_the_detail),
		cmocka_unit_test(refuses_what_is_no_json_object),
		cmocka_unit_test(takes_another_body_after_the_first),
		cmocka_unit_test(takes_the_longest_message_from_json),
		cmocka_unit_test(reads_a_form_by_the_same_rules),
	};

	return cmocka_run_group_tests_name("message_draft", tests, NULL, NULL);
}
