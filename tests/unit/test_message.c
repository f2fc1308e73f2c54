/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "inbox/message.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define TEXT(literal)                                                          \
	{                                                                      \
		(literal), sizeof(literal) - 1                                 \
	}

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

static void checks_one_value(void **state)
{
	static const struct {
		int (*check)(struct span value, struct problem *problem);
		const char *piece;
		size_t count;
		const char *faults;
		const char *last_detail;
	} rows[] = {
		/* From is counted in characters, of one byte and of four */
		{ message_check_from, "a", 1, "", NULL },
		{ message_check_from, "a", 255, "", NULL },
		{ message_check_from, "a", 256, "From:too_long ",
		  "256 characters; at most 255" },
		{ message_check_from, "\xf0\x9f\x98\x80", 255, "", NULL },
		{ message_check_from, "\xf0\x9f\x98\x80", 300, "From:too_long ",
		  "300 characters; at most 255" },
		/* a combining mark is a character of its own */
		{ message_check_from, "e\xcc\x81", 128, "From:too_long ",
		  "256 characters; at most 255" },
		{ message_check_from, "a", 0, "From:empty ",
		  "empty; at least 1 character" },
		{ message_check_from, "ab\xc3", 1, "From:not_utf8 ",
		  "byte 0xc3 at offset 2 is not UTF-8" },
		/* Content is counted in bytes */
		{ message_check_content, "a", 65535, "", NULL },
		{ message_check_content, "a", 65536, "Content:too_long ",
		  "65536 bytes; at most 65535" },
		{ message_check_content, "\xf0\x9f\x98\x80", 16384,
		  "Content:too_long ", "65536 bytes; at most 65535" },
		{ message_check_content, "a", 0, "Content:empty ",
		  "empty; at least 1 character" },
		/* more than one rule broken */
		{ message_check_content, "\xff", 70000,
		  "Content:not_utf8 Content:too_long ",
		  "70000 bytes; at most 65535" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct span value = repeat(rows[i].piece, rows[i].count);
		struct problem problem;
		int count;

		problem_init(&problem);
		count = rows[i].check(value, &problem);
		assert_faults(&problem, rows[i].faults);
		assert_int_equal((size_t)count, problem.fault_count);
		if (rows[i].last_detail != NULL)
			assert_string_equal(problem.faults[count - 1].detail,
					    rows[i].last_detail);
		/* Whether the whole is a fault is for the caller to say. */
		assert_int_equal(problem.err, ERR_OK);
		free((char *)value.data);
	}
}

static void reports_nul_together_with_other_faults(void **state)
{
	struct problem problem;

	(void)state;
	problem_init(&problem);
	assert_int_equal(message_check_from(SPAN("\xff\0"), &problem), 2);
	assert_faults(&problem, "From:not_utf8 From:nul_character ");
}

static void writes_a_message_as_json(void **state)
{
	static const struct {
		struct message message;
		const char *want;
	} rows[] = {
		{ { 42, TEXT("ana"), TEXT("hola"),
		    "2026-11-21T17:15:39.997179Z" },
		  "{\"ID\":42,\"From\":\"ana\",\"Content\":\"hola\","
		  "\"Date\":\"2026-11-21T17:15:39.997179Z\"}" },
		/* the largest ID, and what has to be escaped */
		{ { UINT64_MAX, TEXT("\"\\/"), TEXT("\n\xc3\xb1\x7f"),
		    "2026-01-01T00:00:00.000000Z" },
		  "{\"ID\":18446744073709551615,\"From\":\"\\\"\\\\/\","
		  "\"Content\":\"\\n\xc3\xb1\x7f\","
		  "\"Date\":\"2026-01-01T00:00:00.000000Z\"}" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct buf out;

		buf_init(&out, MESSAGE_JSON_BYTES_MAX);
		message_append_json(&out, &rows[i].message);
		assert_int_equal(buf_error(&out), ERR_OK);
		assert_span(buf_span(&out), span_of(rows[i].want));
		buf_deinit(&out);
	}
}

/* MESSAGE_JSON_BYTES_MAX is enough for the worst, and json-c reads it. */
static void writes_the_longest_message(void **state)
{
	struct span from = repeat("\x01\x01\x01\x01", 255);
	struct span content = repeat("\x01", 65535);
	struct message message = {
		.id = UINT64_MAX,
		.from = from,
		.content = content,
		.date = "2026-11-21T17:15:39.997179Z",
	};
	struct json_object *object;
	struct json_object *value;
	struct buf out;

	(void)state;
	buf_init(&out, MESSAGE_JSON_BYTES_MAX);
	message_append_json(&out, &message);
	/* json-c wants a NUL at the end. */
	buf_append_char(&out, '\0');
	assert_int_equal(buf_error(&out), ERR_OK);
	object = json_tokener_parse(out.data);
	assert_non_null(object);
	assert_true(json_object_object_get_ex(object, "Content", &value));
	assert_int_equal(json_object_get_string_len(value), 65535);
	json_object_put(object);
	buf_deinit(&out);
	free((char *)from.data);
	free((char *)content.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_one_value),
		cmocka_unit_test(reports_nul_together_with_other_faults),
		cmocka_unit_test(writes_a_message_as_json),
		cmocka_unit_test(writes_the_longest_message),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
