/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/http.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Stands in for the C library's, so that the kernel can be made to fail. */
static int random_failures;
static int random_calls;

ssize_t getrandom(void *bytes, size_t length, unsigned int flags)
{
	random_calls++;
	if (random_failures > 0) {
		random_failures--;
		errno = EAGAIN;
		return -1;
	}
	return syscall(SYS_getrandom, bytes, length, flags);
}

static void assert_span(struct span got, const char *want)
{
	assert_int_equal(got.length, strlen(want));
	assert_memory_equal(got.data, want, got.length);
}

static void finds_the_method_of_a_name(void **state)
{
	static const struct {
		const char *name;
		enum http_method want;
	} rows[] = {
		{ "GET", HTTP_GET },
		{ "HEAD", HTTP_HEAD },
		{ "POST", HTTP_POST },
		{ "OPTIONS", HTTP_OPTIONS },
		{ "DELETE", HTTP_OTHER },
		/* methods are case-sensitive */
		{ "get", HTTP_OTHER },
		/* a beginning is not enough, nor is more than the name */
		{ "GE", HTTP_OTHER },
		{ "GETS", HTTP_OTHER },
		{ "", HTTP_OTHER },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		assert_int_equal(http_method_of(span_of(rows[i].name)),
				 rows[i].want);
		if (rows[i].want != HTTP_OTHER)
			assert_string_equal(http_method_name(rows[i].want),
					    rows[i].name);
	}
	assert_int_equal(http_method_of((struct span){ NULL, 0 }), HTTP_OTHER);
	assert_null(http_method_name(HTTP_OTHER));
}

static void tells_visible_ascii(void **state)
{
	static const struct {
		struct span text;
		size_t max;
		bool want;
	} rows[] = {
		{ { "a", 1 }, 3, true },
		{ { "!~\"", 3 }, 3, true },
		/* too long, too short, not there */
		{ { "abcd", 4 }, 3, false },
		{ { "", 0 }, 3, false },
		{ { NULL, 0 }, 3, false },
		/* a blank, a control, DEL, NUL, UTF-8 */
		{ { "a b", 3 }, 9, false },
		{ { "a\n", 2 }, 9, false },
		{ { "\x7f", 1 }, 9, false },
		{ { "a\0b", 3 }, 9, false },
		{ { "\xc3\xa9", 2 }, 9, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++)
		assert_int_equal(http_visible_ascii(rows[i].text, rows[i].max),
				 rows[i].want);
}

static void keeps_the_request_id_of_the_client(void **state)
{
	char id[HTTP_REQUEST_ID_MAX + 1];
	char longest[HTTP_REQUEST_ID_MAX];

	(void)state;
	http_request_id(id, SPAN("abc-123"));
	assert_string_equal(id, "abc-123");

	memset(longest, 'x', sizeof(longest));
	http_request_id(id, (struct span){ longest, sizeof(longest) });
	assert_int_equal(strlen(id), HTTP_REQUEST_ID_MAX);
}

static void assert_new_id(const char *id)
{
	assert_int_equal(strlen(id), 32);
	assert_int_equal(strspn(id, "0123456789abcdef"), 32);
}

static void makes_a_request_id_where_there_is_none_to_keep(void **state)
{
	char too_long[HTTP_REQUEST_ID_MAX + 1];
	const struct span rows[] = {
		{ NULL, 0 },
		{ "", 0 },
		{ "a b", 3 },
		/* a client that tries to write into the log */
		{ "a\r\nb", 4 },
		{ too_long, sizeof(too_long) },
	};
	char id[HTTP_REQUEST_ID_MAX + 1];
	size_t i;

	(void)state;
	memset(too_long, 'x', sizeof(too_long));
	for (i = 0; i < ROWS(rows); i++) {
		http_request_id(id, rows[i]);
		assert_new_id(id);
	}
}

static void makes_each_request_id_only_once(void **state)
{
	enum { COUNT = 100 };
	char ids[COUNT][HTTP_REQUEST_ID_MAX + 1];
	size_t i;
	size_t j;

	(void)state;
	random_calls = 0;
	for (i = 0; i < COUNT; i++) {
		http_request_id(ids[i], (struct span){ NULL, 0 });
		for (j = 0; j < i; j++)
			assert_string_not_equal(ids[i], ids[j]);
	}
	/* Random bytes come in blocks, not in a system call for each. */
	assert_in_range(random_calls, 1, COUNT / 10);
}

static void makes_request_ids_without_random_bytes_too(void **state)
{
	char first[HTTP_REQUEST_ID_MAX + 1];
	char second[HTTP_REQUEST_ID_MAX + 1];
	int i;

	(void)state;
	/* Until the block that is there is used up. */
	random_failures = 2;
	for (i = 0; i < 1000 && random_failures > 1; i++)
		http_request_id(first, (struct span){ NULL, 0 });
	http_request_id(second, (struct span){ NULL, 0 });
	assert_int_equal(random_failures, 0);
	assert_new_id(first);
	assert_new_id(second);
	assert_string_not_equal(first, second);
}

static void finds_the_media_type(void **state)
{
	static const struct {
		const char *header;
		const char *want;
	} rows[] = {
		{ "text/plain", "text/plain" },
		{ "text/plain; charset=utf-8", "text/plain" },
		{ " \ttext/plain\t ;charset=utf-8", "text/plain" },
		{ "text/plain;", "text/plain" },
		{ ";charset=utf-8", "" },
		{ "  ", "" },
		{ "", "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++)
		assert_span(http_media_type(span_of(rows[i].header)),
			    rows[i].want);
	/* No header at all stays no header. */
	assert_null(http_media_type((struct span){ NULL, 0 }).data);
}

static void compares_without_case(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		bool want;
	} rows[] = {
		{ "UTF-8", "utf-8", true },
		{ "azAZ", "AZaz", true },
		{ "", "", true },
		{ "a", "ab", false },
		{ "a", "b", false },
		/* neighbours of the letters in ASCII, 32 apart */
		{ "@[", "`{", false },
		/* letters beyond ASCII are not folded */
		{ "\xc3\x89", "\xc3\xa9", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++)
		assert_int_equal(http_equal_ignoring_case(span_of(rows[i].a),
							  span_of(rows[i].b)),
				 rows[i].want);
}

static void finds_parameters_of_a_header(void **state)
{
	static const struct {
		const char *header;
		const char *name;
		const char *want; /* NULL: not there */
	} rows[] = {
		{ "text/plain; charset=utf-8", "charset", "utf-8" },
		{ "text/plain;charset=utf-8", "charset", "utf-8" },
		/* names are case-insensitive, values are kept */
		{ "text/plain; CharSet=UTF-8", "charset", "UTF-8" },
		/* blanks around */
		{ "text/plain ;\t charset = utf-8 ;a=b", "charset", "utf-8" },
		/* not the first one */
		{ "a/b; x=1; charset=utf-8", "charset", "utf-8" },
		/* given twice: the first counts */
		{ "a/b; charset=utf-8; charset=x", "charset", "utf-8" },
		/* a name that only begins or ends like it */
		{ "a/b; charsets=x; acharset=y", "charset", NULL },
		/* quoted, with what would end it outside the quotes */
		{ "a/b; boundary=\"x;y,z\"; c=d", "boundary", "x;y,z" },
		{ "a/b; boundary=\"x;y,z\"; c=d", "c", "d" },
		/* a backslash in quotes stays, and keeps the quote in */
		{ "a/b; name=\"x\\\"y\"; c=d", "name", "x\\\"y" },
		{ "a/b; name=\"x\\\\\"; c=d", "c", "d" },
		/* what looks like a parameter inside a quoted value is none */
		{ "a/b; name=\"; c=e\"; c=d", "c", "d" },
		/* empty values */
		{ "a/b; name=", "name", "" },
		{ "a/b; name=\"\"", "name", "" },
		/* the closing quote is missing: the rest */
		{ "a/b; name=\"x;y", "name", "x;y" },
		{ "a/b; name=\"x\\", "name", "x\\" },
		{ "a/b; name=\"", "name", "" },
		/* blanks in quotes are part of the value */
		{ "a/b; name=\" x \"", "name", " x " },
		/* an equals sign in a value */
		{ "a/b; boundary=a=b", "boundary", "a=b" },
		/* what is no parameter */
		{ "a/b; charset; x=1", "charset", NULL },
		{ "a/b;;; x=1", "x", "1" },
		{ "charset=utf-8", "charset", NULL },
		{ "a/b", "charset", NULL },
		{ "", "charset", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct span value;
		bool found;

		found = http_header_parameter(span_of(rows[i].header),
					      span_of(rows[i].name), &value);
		assert_int_equal(found, rows[i].want != NULL);
		if (found)
			assert_span(value, rows[i].want);
	}
}

static void tells_whether_a_media_type_is_accepted(void **state)
{
	static const struct {
		const char *accept;
		bool want;
	} rows[] = {
		{ "application/x-ndjson", true },
		{ "Application/X-NDJSON", true },
		{ "text/html, application/x-ndjson;q=0.1", true },
		{ "text/html,application/x-ndjson", true },
		{ " application/x-ndjson ; charset=utf-8 ; Q=1", true },
		{ "application/x-ndjson;q=0.001", true },
		/* a weight that is none does not refuse */
		{ "application/x-ndjson;q=01", true },
		/* refused */
		{ "application/x-ndjson;q=0", false },
		{ "application/x-ndjson; q=0.", false },
		{ "application/x-ndjson; q = 0.0", false },
		{ "application/x-ndjson;Q=0.000", false },
		{ "application/x-ndjson;charset=utf-8;q=0", false },
		/* not named itself */
		{ "*/*", false },
		{ "application/*", false },
		{ "application/json", false },
		{ "application/x-ndjson2", false },
		/* only named inside a quoted parameter */
		{ "text/html;a=\", application/x-ndjson\"", false },
		{ "", false },
		{ ",,", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++)
		assert_int_equal(http_accepts(span_of(rows[i].accept),
					      SPAN("application/x-ndjson")),
				 rows[i].want);
	assert_false(http_accepts((struct span){ NULL, 0 },
				  SPAN("application/x-ndjson")));
}

static void turns_a_response_into_a_problem(void **state)
{
	static const struct {
		enum err err;
		int want_status;
		const char *want_headers;
	} rows[] = {
		{ ERR_INVALID_JSON, 400, "" },
		{ ERR_METHOD_NOT_ALLOWED, 405, "" },
		{ ERR_INTERNAL, 500, "" },
		/* every 503 says when to come back */
		{ ERR_DATABASE_UNAVAILABLE, 503, "Retry-After: 1\r\n" },
		{ ERR_DATABASE_REFUSES, 503, "Retry-After: 1\r\n" },
		{ ERR_OVERLOADED, 503, "Retry-After: 1\r\n" },
		{ ERR_WRITE_UNCERTAIN, 503, "Retry-After: 1\r\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ROWS(rows); i++) {
		struct http_response response;
		struct problem problem;
		struct buf want_body;

		problem_init(&problem);
		assert_int_equal(problem_set(&problem, rows[i].err, "why"),
				 rows[i].err);
		buf_init(&want_body, 4096);
		problem_append_json(&want_body, &problem);

		http_response_init(&response, 4096);
		response.streamed = true;
		response.content_type = "text/plain";
		buf_append_text(&response.headers, "Location: /\r\n");
		/* An error of the body that was is forgotten with it. */
		assert_null(buf_reserve(&response.body, 5000));

		http_response_problem(&response, &problem);
		assert_int_equal(response.status, rows[i].want_status);
		assert_string_equal(response.content_type,
				    "application/problem+json");
		assert_false(response.streamed);
		assert_span(buf_span(&response.headers), rows[i].want_headers);
		assert_true(span_equal(buf_span(&response.body),
				       buf_span(&want_body)));
		http_response_deinit(&response);
		buf_deinit(&want_body);
	}
}

static void keeps_the_status_where_the_problem_finds_no_room(void **state)
{
	struct http_response response;
	struct problem problem;

	(void)state;
	problem_init(&problem);
	assert_int_equal(problem_set(&problem, ERR_OVERLOADED, "why"),
			 ERR_OVERLOADED);
	http_response_init(&response, 10);
	http_response_problem(&response, &problem);
	assert_int_equal(response.status, 503);
	assert_null(response.content_type);
	assert_span(buf_span(&response.headers), "Retry-After: 1\r\n");
	assert_int_equal(buf_error(&response.body), ERR_OK);
	assert_int_equal(response.body.length, 0);
	http_response_deinit(&response);
}

/* Every status of the list of errors has its standard phrase. */
static void knows_the_phrase_of_every_status(void **state)
{
	int err;

	(void)state;
	for (err = ERR_OK; err < ERR__MAX; err++)
		assert_string_not_equal(
			http_reason(err_http_status((enum err)err)), "Unknown");
	assert_string_equal(http_reason(405), "Method Not Allowed");
	assert_string_equal(http_reason(299), "Unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_method_of_a_name),
		cmocka_unit_test(tells_visible_ascii),
		cmocka_unit_test(keeps_the_request_id_of_the_client),
		cmocka_unit_test(
			makes_a_request_id_where_there_is_none_to_keep),
		cmocka_unit_test(makes_each_request_id_only_once),
		cmocka_unit_test(makes_request_ids_without_random_bytes_too),
		cmocka_unit_test(finds_the_media_type),
		cmocka_unit_test(compares_without_case),
		cmocka_unit_test(finds_parameters_of_a_header),
		cmocka_unit_test(tells_whether_a_media_type_is_accepted),
		cmocka_unit_test(turns_a_response_into_a_problem),
		cmocka_unit_test(
			keeps_the_status_where_the_problem_finds_no_room),
		cmocka_unit_test(knows_the_phrase_of_every_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
