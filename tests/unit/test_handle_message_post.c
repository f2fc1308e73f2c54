/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "exchange_helper.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT(literal)                                                          \
	{                                                                      \
		(literal), sizeof(literal) - 1                                 \
	}

#define JSON "application/json"
#define FORM "application/x-www-form-urlencoded"
#define PARTS "multipart/form-data; boundary=xx"
#define PART(name)                                                             \
	"--xx\r\nContent-Disposition: form-data; name=" name "\r\n\r\n"
#define BOTH "{\"From\":\"ana\",\"Content\":\"hola\"}"
#define A16 "aaaaaaaaaaaaaaaa"
#define A256 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16

static int set_up(void **state)
{
	*state = bench_new();
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	bench_free(&bench);
	return 0;
}

static struct ask post(const char *type, struct span body)
{
	return (struct ask){ .method = "POST",
			     .target = "/api/message",
			     .content_type = type,
			     .body = body };
}

static bool header_is(const struct answer *answer, const char *name,
		      const char *want)
{
	struct span value = answer_header(answer, name);

	return want == NULL ? value.data == NULL
			    : span_equal(value, span_of(want));
}

static const struct {
	const char *comment;
	const char *content_type;
	const char *content_length;
	struct span body;
	const char *json; /* the answer's "From" and "Content" */
} good[] = {
	{ "JSON", JSON, "31", TEXT(BOTH),
	  "\"From\":\"ana\",\"Content\":\"hola\"" },
	{ "JSON with a charset", "Application/JSON; charset=UTF-8", NULL,
	  TEXT(BOTH), "\"From\":\"ana\",\"Content\":\"hola\"" },
	{ "JSON with other members", JSON, NULL,
	  TEXT("{\"ID\":7,\"Content\":\"c\",\"x\":[{}],\"From\":\"f\"}"),
	  "\"From\":\"f\",\"Content\":\"c\"" },
	{ "JSON with escapes", JSON, NULL,
	  TEXT("{\"From\":\"\\u00e9\",\"Content\":\"\\\"\\n\\ud83d\\ude00\"}"),
	  "\"From\":\"\xc3\xa9\",\"Content\":\"\\\"\\n\xf0\x9f\x98\x80\"" },
	{ "a form", FORM, "21", TEXT("From=ana&Content=hola"),
	  "\"From\":\"ana\",\"Content\":\"hola\"" },
	{ "a form with escapes and blanks",
	  "application/x-www-form-urlencoded ; charset=\"utf-8\"", NULL,
	  TEXT("Content=+%26+&x=1&From=jos%C3%A9"),
	  "\"From\":\"jos\xc3\xa9\",\"Content\":\" & \"" },
	{ "multipart", PARTS, NULL,
	  TEXT(PART("From") "ana\r\n" PART("Content") "a\r\nb\r\n--xx--\r\n"),
	  "\"From\":\"ana\",\"Content\":\"a\\r\\nb\"" },
	{ "multipart with a quoted boundary",
	  "Multipart/Form-Data; boundary=\"xx\"", NULL,
	  TEXT(PART("\"From\"") "f\r\n" PART("\"Content\"") "c\r\n--xx--"),
	  "\"From\":\"f\",\"Content\":\"c\"" },
	{ "a part that is ignored, in another charset", PARTS, NULL,
	  TEXT("--xx\r\nContent-Disposition: form-data; name=Other\r\n"
	       "Content-Type: text/plain; charset=utf-16\r\n\r\na\r\n" PART(
		       "From") "f\r\n" PART("Content") "c\r\n--xx--"),
	  "\"From\":\"f\",\"Content\":\"c\"" },
	{ "a part that is ignored, in another transfer encoding", PARTS, NULL,
	  TEXT(PART("From") "f\r\n" PART(
		  "Content") "c\r\n"
			     "--xx\r\nContent-Disposition: form-data; "
			     "name=from\r\n"
			     "Content-Transfer-Encoding: "
			     "base64\r\n\r\nYQ==\r\n--xx--"),
	  "\"From\":\"f\",\"Content\":\"c\"" },
	{ "a body longer than it was announced", JSON, "3", TEXT(BOTH),
	  "\"From\":\"ana\",\"Content\":\"hola\"" },
	{ "a Content-Length of 0 before a body", JSON, "0", TEXT(BOTH),
	  "\"From\":\"ana\",\"Content\":\"hola\"" },
	{ "characters of two bytes", JSON, NULL,
	  TEXT("{\"Content\":\"c\",\"From\":\"\xc3\xa9\xc3\xa9\"}"),
	  "\"From\":\"\xc3\xa9\xc3\xa9\",\"Content\":\"c\"" },
};

static void a_message_is_stored_and_comes_back(void **state)
{
	struct bench *bench = *state;

	for (size_t i = 0; i < COUNT(good); i++) {
		struct ask ask = post(good[i].content_type, good[i].body);
		struct answer answer;
		struct buf body, location, date;

		ask.content_length = good[i].content_length;
		bench_serve(bench, &ask, &answer);
		buf_init(&body, 10000);
		buf_init(&date, 100);
		buf_init(&location, 1000);
		buf_appendf(&date, "2026-11-21T17:15:39.%06zuZ", i + 1);
		buf_appendf(&body, "{\"ID\":%zu,%s,\"Date\":\"%.*s\"}", i + 1,
			    good[i].json, (int)date.length, date.data);
		buf_appendf(&location, "/api/message?ID=%zu", i + 1);
		buf_append_char(&location, '\0');
		if (answer.status != 201 ||
		    !span_equal(buf_span(&answer.body), buf_span(&body)))
			fail_msg("%s: %d %s", good[i].comment, answer.status,
				 answer_text(&answer));
		assert_true(header_is(&answer, "Location", location.data));
		assert_true(header_is(&answer, "Content-Type", JSON));
		assert_true(header_is(&answer, "Idempotency-Replayed", NULL));
		assert_int_equal(store_fake_count(bench->fake), i + 1);
		answer_deinit(&answer);
		buf_deinit(&body);
		buf_deinit(&date);
		buf_deinit(&location);
	}
}

static const struct {
	const char *comment;
	const char *content_type;
	const char *content_length;
	const char *key;
	struct span body;
	int status;
	const char *code;
	const char *also; /* what else is in the answer */
} bad[] = {
	{ "no Content-Type", NULL, NULL, NULL, TEXT(BOTH), 415,
	  "unsupported_media_type", "There is no Content-Type" },
	{ "text", "text/plain", NULL, NULL, TEXT(BOTH), 415,
	  "unsupported_media_type", "\\\"text/plain\\\"" },
	{ "a type that only begins so", "application/jsonp", NULL, NULL,
	  TEXT(BOTH), 415, "unsupported_media_type", "" },
	{ "JSON in another charset", JSON "; charset=iso-8859-1", NULL, NULL,
	  TEXT(BOTH), 415, "unsupported_media_type", "UTF-8" },
	{ "a form in another charset", FORM ";charset=latin1", NULL, NULL,
	  TEXT("From=a&Content=b"), 415, "unsupported_media_type", "" },
	{ "a part in another charset", PARTS, NULL, NULL,
	  TEXT("--xx\r\nContent-Disposition: form-data; name=From\r\n"
	       "Content-Type: text/plain; charset=utf-16\r\n\r\na\r\n"
	       "--xx--\r\n"),
	  415, "unsupported_media_type", "" },
	{ "a part in another transfer encoding", PARTS, NULL, NULL,
	  TEXT("--xx\r\nContent-Disposition: form-data; name=Content\r\n"
	       "Content-Transfer-Encoding: base64\r\n\r\nYQ==\r\n"
	       "--xx--\r\n"),
	  400, "invalid_form", "The field 'Content'" },
	{ "JSON sent as a form", FORM, NULL, NULL, TEXT(BOTH), 400,
	  "invalid_form", "Content-Type: application/json" },
	{ "a form with a broken percent", FORM, NULL, NULL,
	  TEXT("From=a&Content=%zz"), 400, "invalid_form", "\"Content\"" },
	{ "multipart without a boundary", "multipart/form-data", NULL, NULL,
	  TEXT("--xx--"), 400, "invalid_form", "boundary" },
	{ "multipart without its end", PARTS, NULL, NULL,
	  TEXT(PART("From") "ana\r\n"), 400, "invalid_form", "" },
	{ "no JSON", JSON, NULL, NULL, TEXT("hola"), 400, "invalid_json", "" },
	{ "no body", JSON, "0", NULL, TEXT(""), 400, "invalid_json", "" },
	{ "no body at all",
	  JSON,
	  NULL,
	  NULL,
	  { NULL, 0 },
	  400,
	  "invalid_json",
	  "" },
	{ "an array", JSON, NULL, NULL, TEXT("[" BOTH "]"), 400, "invalid_json",
	  "" },
	{ "a trailing comma", JSON, NULL, NULL,
	  TEXT("{\"From\":\"a\",\"Content\":\"b\",}"), 400, "invalid_json",
	  "" },
	{ "no members", JSON, NULL, NULL, TEXT("{}"), 400, "invalid_message",
	  "\"errors\":[{\"field\":\"From\",\"code\":\"missing\"" },
	{ "both faults are listed", JSON, NULL, NULL,
	  TEXT("{\"From\":1,\"Content\":\"\"}"), 400, "invalid_message",
	  "{\"field\":\"Content\",\"code\":\"empty\"" },
	{ "a member twice", JSON, NULL, NULL,
	  TEXT("{\"From\":\"a\",\"From\":\"a\",\"Content\":\"b\"}"), 400,
	  "invalid_message", "\"duplicate\"" },
	{ "a NUL", JSON, NULL, NULL,
	  TEXT("{\"From\":\"a\\u0000\",\"Content\":\"b\"}"), 400,
	  "invalid_message", "\"nul_character\"" },
	{ "an empty form", FORM, "0", NULL, TEXT(""), 400, "invalid_message",
	  "\"missing\"" },
	{ "From of 256 characters", FORM, NULL, NULL,
	  TEXT("Content=c&From=" A256), 400, "invalid_message",
	  "\"too_long\"" },
	{ "a body that was cut", JSON, "32", NULL, TEXT(BOTH), 400,
	  "truncated_body", "after 31 of the 32 bytes" },
	{ "no body where one was announced",
	  JSON,
	  "1",
	  NULL,
	  { NULL, 0 },
	  400,
	  "truncated_body",
	  "" },
	{ "a Content-Length beyond all numbers", JSON,
	  "99999999999999999999999", NULL, TEXT(BOTH), 400, "truncated_body",
	  "" },
	{ "a Content-Length that is none", JSON, "0x1f", NULL, TEXT(BOTH), 400,
	  "invalid_header", "Content-Length is \\\"0x1f\\\"" },
	{ "a negative Content-Length", JSON, "-1", NULL, TEXT(BOTH), 400,
	  "invalid_header", "" },
	{ "two Content-Lengths", JSON, "31, 31", NULL, TEXT(BOTH), 400,
	  "invalid_header", "" },
	{ "an endless Content-Length", JSON, A256, NULL, TEXT(BOTH), 400,
	  "invalid_header", "" },
	{ "an empty key", JSON, NULL, "", TEXT(BOTH), 400, "invalid_header",
	  "\"Idempotency-Key\",\"code\":\"empty\"" },
	{ "a key of 256 characters", JSON, NULL, A256, TEXT(BOTH), 400,
	  "invalid_header", "\"too_long\"" },
	{ "a key with a blank", JSON, NULL, "a b", TEXT(BOTH), 400,
	  "invalid_header", "\"not_visible_ascii\"" },
	{ "two keys, as web servers join them", JSON, NULL, "a, b", TEXT(BOTH),
	  400, "invalid_header", "\"code\":\"duplicate\"" },
	{ "the same key twice", JSON, NULL, "a, a", TEXT(BOTH), 400,
	  "invalid_header", "was given more than once" },
	{ "a key that is not ASCII", JSON, NULL, "\xc3\xa9", TEXT(BOTH), 400,
	  "invalid_header", "\"not_visible_ascii\"" },
};

static void what_is_no_message_is_refused_and_not_stored(void **state)
{
	struct bench *bench = *state;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct ask ask = post(bad[i].content_type, bad[i].body);
		struct answer answer;
		struct buf code;

		ask.content_length = bad[i].content_length;
		ask.idempotency_key = bad[i].key;
		bench_serve(bench, &ask, &answer);
		buf_init(&code, 100);
		buf_appendf(&code, "\"code\":\"%s\"", bad[i].code);
		buf_append_char(&code, '\0');
		if (answer.status != bad[i].status ||
		    strstr(answer_text(&answer), code.data) == NULL ||
		    strstr(answer_text(&answer), bad[i].also) == NULL)
			fail_msg("%s: %d %s", bad[i].comment, answer.status,
				 answer_text(&answer));
		assert_true(header_is(&answer, "Content-Type",
				      "application/problem+json"));
		assert_true(header_is(&answer, "Location", NULL));
		answer_deinit(&answer);
		buf_deinit(&code);
	}
	assert_int_equal(store_fake_calls(bench->fake, STORE_FAKE_APPEND), 0);
}

static void the_largest_message_is_stored(void **state)
{
	struct bench *bench = *state;
	struct answer answer;
	struct buf body;
	struct ask ask;

	buf_init(&body, BENCH_BODY_LIMIT);
	buf_append_text(&body, "Content=");
	for (size_t i = 0; i < MESSAGE_CONTENT_BYTES_MAX; i++)
		buf_append_char(&body, 'c');
	buf_append_text(&body, "&From=");
	for (size_t i = 0; i < MESSAGE_FROM_CHARACTERS_MAX; i++)
		buf_append_text(&body, "\xf0\x9f\x98\x80");
	ask = post(FORM, buf_span(&body));
	bench_serve(bench, &ask, &answer);
	assert_int_equal(answer.status, 201);
	assert_true(answer.body.length >
		    MESSAGE_CONTENT_BYTES_MAX +
			    4 * MESSAGE_FROM_CHARACTERS_MAX);
	answer_deinit(&answer);
	buf_deinit(&body);
}

static void a_key_sent_again_brings_the_first_message(void **state)
{
	struct ask ask = post(JSON, SPAN(BOTH));
	struct bench *bench = *state;
	struct answer first, again, other, later;

	ask.idempotency_key = "!key~";
	bench_serve(bench, &ask, &first);
	bench_serve(bench, &ask, &again);
	assert_int_equal(first.status, 201);
	assert_int_equal(again.status, 201);
	assert_true(header_is(&first, "Idempotency-Replayed", NULL));
	assert_true(header_is(&again, "Idempotency-Replayed", "true"));
	assert_true(header_is(&again, "Location", "/api/message?ID=1"));
	assert_string_equal(answer_text(&first), answer_text(&again));
	assert_int_equal(store_fake_count(bench->fake), 1);

	ask.body = SPAN("{\"From\":\"ana\",\"Content\":\"adios\"}");
	bench_serve(bench, &ask, &other);
	assert_int_equal(other.status, 422);
	assert_non_null(strstr(answer_text(&other),
			       "\"code\":\"idempotency_key_reused\""));
	assert_true(header_is(&other, "Location", NULL));
	assert_int_equal(store_fake_count(bench->fake), 1);

	ask.idempotency_key = "!KEY~"; /* another one */
	bench_serve(bench, &ask, &later);
	assert_int_equal(later.status, 201);
	assert_true(header_is(&later, "Location", "/api/message?ID=2"));
	answer_deinit(&first);
	answer_deinit(&again);
	answer_deinit(&other);
	answer_deinit(&later);
}

/* As nginx sends it: a parameter for each header. */
static void a_second_key_is_refused(void **state)
{
	struct ask ask = post(JSON, SPAN(BOTH));
	struct bench *bench = *state;
	struct answer answer;

	ask.idempotency_key = "a";
	ask.idempotency_key_repeated = true;
	bench_serve(bench, &ask, &answer);
	assert_int_equal(answer.status, 400);
	assert_non_null(strstr(answer_text(&answer), "\"invalid_header\""));
	assert_non_null(strstr(answer_text(&answer),
			       "\"Idempotency-Key\",\"code\":\"duplicate\""));
	answer_deinit(&answer);
	assert_int_equal(store_fake_calls(bench->fake, STORE_FAKE_APPEND), 0);
}

/* A comma is a visible character like any other. */
static void a_comma_in_a_key_is_no_second_key(void **state)
{
	struct ask ask = post(JSON, SPAN(BOTH));
	struct answer answer;

	ask.idempotency_key = "a,b";
	bench_serve(*state, &ask, &answer);
	assert_int_equal(answer.status, 201);
	answer_deinit(&answer);
}

static const struct {
	enum err err;
	int status;
	const char *code;
	const char *also;
} errors[] = {
	{ ERR_DATABASE_UNAVAILABLE, 503, "\"code\":\"database_unavailable\"",
	  "Nothing was stored" },
	{ ERR_DATABASE_REFUSES, 503, "\"code\":\"database_refuses\"",
	  "Nothing was stored" },
	{ ERR_WRITE_UNCERTAIN, 503, "\"code\":\"write_uncertain\"",
	  "may or may not be stored" },
	{ ERR_OUT_OF_MEMORY, 503, "\"code\":\"overloaded\"",
	  "Nothing was stored" },
	{ ERR_INTERNAL, 500, "\"code\":\"internal\"", "" },
};

static void an_error_of_the_store_is_told(void **state)
{
	struct ask ask = post(JSON, SPAN(BOTH));
	struct bench *bench = *state;

	for (size_t i = 0; i < COUNT(errors); i++) {
		struct answer answer;

		store_fake_fail(bench->fake, STORE_FAKE_APPEND, 1, 1,
				errors[i].err);
		bench_serve(bench, &ask, &answer);
		if (answer.status != errors[i].status ||
		    strstr(answer_text(&answer), errors[i].code) == NULL ||
		    strstr(answer_text(&answer), errors[i].also) == NULL)
			fail_msg("error %d: %d %s", (int)errors[i].err,
				 answer.status, answer_text(&answer));
		assert_true(header_is(&answer, "Retry-After",
				      errors[i].status == 503 ? "1" : NULL));
		assert_true(header_is(&answer, "Location", NULL));
		answer_deinit(&answer);
	}
	assert_int_equal(store_fake_count(bench->fake), 0);
}

static void no_op(struct append *append)
{
	(void)append;
}

static void a_full_queue_is_overloaded(void **state)
{
	struct ask ask = post(JSON, SPAN(BOTH));
	struct bench *bench = *state;
	struct append waiting[BENCH_QUEUE_MAX + 1];
	struct answer answer;

	store_fake_hold(bench->fake, STORE_FAKE_APPEND);
	for (size_t i = 0; i < COUNT(waiting); i++) {
		waiting[i] = (struct append){
			.row = { .from = SPAN("a"), .content = SPAN("b") },
			.done = no_op,
		};
		assert_int_equal(
			appender_submit(bench->service.appender, &waiting[i]),
			ERR_OK);
		/* The first is at the store, the others fill the queue. */
		assert_true(store_fake_await_held(bench->fake,
						  STORE_FAKE_APPEND, 1));
	}
	bench_serve(bench, &ask, &answer);
	assert_int_equal(answer.status, 503);
	assert_non_null(
		strstr(answer_text(&answer), "\"code\":\"overloaded\""));
	assert_non_null(strstr(answer_text(&answer), "Nothing was stored"));
	assert_true(header_is(&answer, "Retry-After", "1"));
	answer_deinit(&answer);
	store_fake_release(bench->fake, STORE_FAKE_APPEND);
	appender_free(&bench->service.appender); /* before waiting is gone */
	assert_int_equal(store_fake_count(bench->fake), COUNT(waiting));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_message_is_stored_and_comes_back),
		TEST(what_is_no_message_is_refused_and_not_stored),
		TEST(the_largest_message_is_stored),
		TEST(a_key_sent_again_brings_the_first_message),
		TEST(a_second_key_is_refused),
		TEST(a_comma_in_a_key_is_no_second_key),
		TEST(an_error_of_the_store_is_told),
		TEST(a_full_queue_is_overloaded),
	};

	return cmocka_run_group_tests_name("handle_message_post", tests, NULL,
					   NULL);
}
