/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fcgi_records.h"
#include "gate/intake.h"

#define TEXT(literal)                                                          \
	{                                                                      \
		(literal), sizeof(literal) - 1                                 \
	}
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Records by hand: version 1, type, id 1, length, padding. */
#define RECORD(type, length) "\x01" type "\x00\x01\x00" length "\x00\x00"
#define BEGIN RECORD("\x01", "\x08") "\x00\x01\x01\x00\x00\x00\x00\x00"
#define NO_PARAMS RECORD("\x04", "\x00")
#define NO_STDIN RECORD("\x05", "\x00")

enum { BODY_MAX = 1000 };

static const struct span pairs = TEXT("\x0e\x03REQUEST_METHODGET"
				      "\x0b\x09REQUEST_URI/api/test");

/* A copy of its own, so that the sanitizer sees a byte read beyond it. */
static enum intake_result feed(struct intake *intake, struct span bytes,
			       size_t *used)
{
	char *copy = malloc(bytes.length > 0 ? bytes.length : 1);
	enum intake_result result;

	assert_non_null(copy);
	if (bytes.length > 0)
		memcpy(copy, bytes.data, bytes.length);
	result = intake_feed(intake, copy, bytes.length, used);
	free(copy);
	assert_true(*used <= bytes.length);
	if (result == INTAKE_MORE)
		assert_int_equal(*used, bytes.length);
	return result;
}

static void assert_span(struct span value, struct span want)
{
	if (!span_equal(value, want))
		fail_msg("\"%.*s\" instead of \"%.*s\"",
			 (int)(value.length < 200 ? value.length : 200),
			 value.data != NULL ? value.data : "", (int)want.length,
			 want.data);
}

static void a_request_comes_at_once_or_in_pieces_of_any_size(void **state)
{
	struct buf stream;
	struct intake intake;

	(void)state;
	buf_init(&stream, 100000);
	fcgi_append_begin(&stream, 0x1234, 1, 1);
	fcgi_append_stream(&stream, FCGI_PARAMS, 0x1234, pairs, 7, 3);
	fcgi_append_stream(&stream, FCGI_STDIN, 0x1234, SPAN("hola, buzon"), 4,
			   255);
	intake_init(&intake, BODY_MAX);
	for (size_t piece = 1; piece <= stream.length; piece++) {
		struct span rest = buf_span(&stream);
		enum intake_result result = INTAKE_MORE;

		assert_true(intake_idle(&intake));
		while (rest.length > 0) {
			size_t used,
				now = rest.length < piece ? rest.length : piece;

			assert_int_equal(result, INTAKE_MORE);
			result = feed(&intake, (struct span){ rest.data, now },
				      &used);
			assert_int_equal(used, now);
			assert_false(intake_idle(&intake));
			rest = span_from(rest, now);
		}
		assert_int_equal(result, INTAKE_WHOLE);
		assert_int_equal(intake.request_id, 0x1234);
		assert_true(intake.keep_connection);
		assert_false(intake.parameters_too_large);
		assert_false(intake.body_too_large);
		assert_span(buf_span(&intake.parameters), pairs);
		assert_span(buf_span(&intake.body), SPAN("hola, buzon"));
		intake_reset(&intake);
	}
	intake_deinit(&intake);
	buf_deinit(&stream);
}

static void the_flag_tells_whether_the_connection_is_kept(void **state)
{
	static const struct {
		int flags;
		bool keep;
	} rows[] = {
		{ 0, false }, { 1, true }, { 0xfe, false }, { 0xff, true }
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct intake intake;
		struct buf stream;
		size_t used;

		buf_init(&stream, 1000);
		fcgi_append_begin(&stream, 1, 1, rows[i].flags);
		buf_append_span(&stream, SPAN(NO_PARAMS NO_STDIN));
		intake_init(&intake, BODY_MAX);
		assert_int_equal(feed(&intake, buf_span(&stream), &used),
				 INTAKE_WHOLE);
		assert_int_equal(intake.keep_connection, rows[i].keep);
		intake_deinit(&intake);
		buf_deinit(&stream);
	}
}

static void requests_in_one_read_come_one_after_the_other(void **state)
{
	static const char *const bodies[] = { "one", "", "three" };
	struct intake intake;
	struct buf stream;
	struct span rest;

	(void)state;
	buf_init(&stream, 10000);
	for (size_t i = 0; i < COUNT(bodies); i++)
		fcgi_append_request(&stream, (uint16_t)(i + 1), pairs,
				    span_of(bodies[i]));
	intake_init(&intake, BODY_MAX);
	rest = buf_span(&stream);
	for (size_t i = 0; i < COUNT(bodies); i++) {
		size_t used;

		assert_int_equal(feed(&intake, rest, &used), INTAKE_WHOLE);
		assert_int_equal(intake.request_id, i + 1);
		assert_span(buf_span(&intake.body), span_of(bodies[i]));
		assert_span(buf_span(&intake.parameters), pairs);
		rest = span_from(rest, used);
		intake_reset(&intake);
	}
	assert_int_equal(rest.length, 0);
	assert_true(intake_idle(&intake));
	intake_deinit(&intake);
	buf_deinit(&stream);
}

static void a_late_abort_between_two_requests_is_passed_over(void **state)
{
	struct intake intake;
	struct buf stream;
	size_t used;

	(void)state;
	buf_init(&stream, 10000);
	fcgi_append_record(&stream, FCGI_ABORT, 7, SPAN(""), 0);
	fcgi_append_record(&stream, FCGI_ABORT, 8, SPAN("odd"), 5);
	fcgi_append_request(&stream, 9, pairs, SPAN("body"));
	intake_init(&intake, BODY_MAX);
	assert_int_equal(feed(&intake, buf_span(&stream), &used), INTAKE_WHOLE);
	assert_int_equal(intake.request_id, 9);
	assert_span(buf_span(&intake.body), SPAN("body"));
	intake_deinit(&intake);
	buf_deinit(&stream);
}

/* Feeds one request with a body and one plain one that must come through. */
static void check_limits(size_t name_value_bytes, size_t body_bytes,
			 bool parameters_too_large, bool body_too_large)
{
	struct buf stream, many, body;
	struct intake intake;
	size_t used, used_again;

	buf_init(&stream, SIZE_MAX / 2);
	buf_init(&many, SIZE_MAX / 2);
	buf_init(&body, SIZE_MAX / 2);
	while (body.length < body_bytes)
		buf_append_char(&body, 'b');
	/* Pairs of 64 bytes each: 1 + 1 + 30 + 32. */
	while (many.length < name_value_bytes)
		fcgi_append_pair(&many, SPAN("HTTP_AAAAAAAAAAAAAAAAAAAAAAAAA"),
				 SPAN("vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"));
	assert_int_equal(many.length, name_value_bytes);
	fcgi_append_request(&stream, 1, buf_span(&many), buf_span(&body));
	fcgi_append_request(&stream, 2, pairs, SPAN("next"));

	intake_init(&intake, BODY_MAX);
	assert_int_equal(feed(&intake, buf_span(&stream), &used), INTAKE_WHOLE);
	assert_int_equal(intake.parameters_too_large, parameters_too_large);
	assert_int_equal(intake.body_too_large, body_too_large);
	assert_int_equal(intake.parameters.length,
			 parameters_too_large ? 0 : name_value_bytes);
	assert_int_equal(intake.body.length, body_too_large ? 0 : body_bytes);

	intake_reset(&intake);
	assert_int_equal(
		feed(&intake, span_from(buf_span(&stream), used), &used_again),
		INTAKE_WHOLE);
	assert_int_equal(used + used_again, stream.length);
	assert_false(intake.parameters_too_large);
	assert_false(intake.body_too_large);
	assert_span(buf_span(&intake.parameters), pairs);
	assert_span(buf_span(&intake.body), SPAN("next"));
	intake_deinit(&intake);
	buf_deinit(&stream);
	buf_deinit(&many);
	buf_deinit(&body);
}

static void what_is_too_large_is_told_and_the_next_request_comes(void **state)
{
	static const struct {
		const char *comment;
		size_t parameters, body;
		bool parameters_too_large, body_too_large;
	} rows[] = {
		{ "both at their limit", INTAKE_PARAMETERS_MAX_BYTES, BODY_MAX,
		  false, false },
		{ "a body of one byte more", 64, BODY_MAX + 1, false, true },
		{ "a body of many records", 64, 300000, false, true },
		{ "parameters beyond 128 KiB", INTAKE_PARAMETERS_MAX_BYTES + 64,
		  3, true, false },
		{ "both", 1024 * 1024, 300000, true, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		print_message("%s\n", rows[i].comment);
		check_limits(rows[i].parameters, rows[i].body,
			     rows[i].parameters_too_large,
			     rows[i].body_too_large);
	}
}

#define PARAMS_OF(length, bytes)                                               \
	BEGIN RECORD("\x04", length)                                           \
	bytes NO_PARAMS

static const struct {
	const char *comment;
	struct span stream;
	const char *fault;
} malformed[] = {
	{ "version 0", TEXT("\0\x01\0\x01\0\x08\0\0"), "version is not 1" },
	{ "version 2", TEXT("\x02\x01\0\x01\0\x08\0\0"), "version is not 1" },
	{ "HTTP on the FastCGI port", TEXT("GET / HTTP/1.1\r\n\r\n"),
	  "version is not 1" },
	{ "FCGI_GET_VALUES", TEXT("\x01\x09\0\0\0\x11\x07\0"),
	  "management records are not served" },
	{ "BEGIN_REQUEST with id 0", TEXT("\x01\x01\0\0\0\x08\0\0"),
	  "management records are not served" },
	{ "GET_VALUES in the middle of a request",
	  TEXT(BEGIN "\x01\x09\0\0\0\x11\x07\0"),
	  "management records are not served" },
	{ "BEGIN_REQUEST of 7 bytes", TEXT(RECORD("\x01", "\x07")),
	  "BEGIN_REQUEST's length is not 8" },
	{ "BEGIN_REQUEST of 9 bytes", TEXT(RECORD("\x01", "\x09")),
	  "BEGIN_REQUEST's length is not 8" },
	{ "BEGIN_REQUEST of no bytes", TEXT(RECORD("\x01", "\x00")),
	  "BEGIN_REQUEST's length is not 8" },
	{ "role AUTHORIZER",
	  TEXT(RECORD("\x01", "\x08") "\0\x02\x01\0\0\0\0\0"),
	  "role is not RESPONDER" },
	{ "role 257", TEXT(RECORD("\x01", "\x08") "\x01\x01\x01\0\0\0\0\0"),
	  "role is not RESPONDER" },
	{ "role 0", TEXT(RECORD("\x01", "\x08") "\0\0\x01\0\0\0\0\0"),
	  "role is not RESPONDER" },
	{ "a second BEGIN_REQUEST", TEXT(BEGIN BEGIN),
	  "requests are multiplexed" },
	{ "BEGIN_REQUEST of another id before the body",
	  TEXT(BEGIN NO_PARAMS "\x01\x01\0\x02\0\x08\0\0"),
	  "requests are multiplexed" },
	{ "PARAMS first", TEXT(NO_PARAMS), "PARAMS out of order" },
	{ "PARAMS after their end", TEXT(BEGIN NO_PARAMS NO_PARAMS),
	  "PARAMS out of order" },
	{ "STDIN first", TEXT(NO_STDIN), "STDIN out of order" },
	{ "STDIN before the end of PARAMS", TEXT(BEGIN NO_STDIN),
	  "STDIN out of order" },
	{ "PARAMS of another request", TEXT(BEGIN "\x01\x04\0\x02\0\0\0\0"),
	  "another request" },
	{ "PARAMS of an id that differs in its high byte",
	  TEXT(BEGIN "\x01\x04\x01\x01\0\0\0\0"), "another request" },
	{ "STDIN of another request",
	  TEXT(BEGIN NO_PARAMS "\x01\x05\0\x02\0\0\0\0"), "another request" },
	{ "ABORT_REQUEST while PARAMS are awaited",
	  TEXT(BEGIN RECORD("\x02", "\x00")), "aborted" },
	{ "ABORT_REQUEST while the body is awaited",
	  TEXT(BEGIN NO_PARAMS RECORD("\x02", "\x00")), "aborted" },
	{ "END_REQUEST from a web server", TEXT(RECORD("\x03", "\x08")),
	  "unknown record type" },
	{ "DATA", TEXT(BEGIN NO_PARAMS RECORD("\x08", "\x00")),
	  "unknown record type" },
	{ "type 0", TEXT(RECORD("\x00", "\x00")), "unknown record type" },
	{ "type 255", TEXT(BEGIN RECORD("\xff", "\x00")),
	  "unknown record type" },
	{ "the 36 bytes that abort libfcgi: both lengths 0x7ffffffe",
	  TEXT(BEGIN RECORD("\x04", "\x08") "\xff\xff\xff\xfe\xff\xff\xff\xfe"
	       /* what would follow is not waited for */
	       NO_PARAMS),
	  "lengths beyond its end" },
	{ "one length and no more", TEXT(PARAMS_OF("\x01", "\x00")),
	  "lengths beyond its end" },
	{ "a name longer than what is there",
	  TEXT(PARAMS_OF("\x04", "\x03\x00"
				 "ab")),
	  "lengths beyond its end" },
	{ "a value longer than what is there",
	  TEXT(PARAMS_OF("\x04", "\x01\x02"
				 "ab")),
	  "lengths beyond its end" },
	{ "a length of four bytes that is cut",
	  TEXT(PARAMS_OF("\x03", "\x80\x00\x00")), "lengths beyond its end" },
	{ "a second length of four bytes that is cut",
	  TEXT(PARAMS_OF("\x04", "\x00\x80\x00\x00")),
	  "lengths beyond its end" },
	{ "a good pair, then a bad one",
	  TEXT(PARAMS_OF("\x05", "\x01\x01"
				 "ab\x01")),
	  "lengths beyond its end" },
	{ "a NUL in a name",
	  TEXT(PARAMS_OF("\x04", "\x02\x00"
				 "a\0")),
	  "holds a NUL" },
	{ "a NUL in a value",
	  TEXT(PARAMS_OF("\x05", "\x01\x02"
				 "ab\0")),
	  "holds a NUL" },
	{ "a NUL in a value of the last pair",
	  TEXT(PARAMS_OF("\x08", "\x01\x01"
				 "ab\x01\x02"
				 "c\0")),
	  NULL },
};

/* What a row wants, whether it comes at once or byte by byte. */
static void assert_malformed(size_t row, size_t piece)
{
	struct span rest = malformed[row].stream;
	enum intake_result result = INTAKE_MORE;
	struct intake intake;
	size_t used;

	intake_init(&intake, BODY_MAX);
	while (rest.length > 0 && result == INTAKE_MORE) {
		size_t now = rest.length < piece ? rest.length : piece;

		result = feed(&intake, (struct span){ rest.data, now }, &used);
		rest = span_from(rest, now);
	}
	if (malformed[row].fault == NULL)
		assert_true(result == INTAKE_MALFORMED);
	else if (result != INTAKE_MALFORMED ||
		 strstr(intake.fault, malformed[row].fault) == NULL)
		fail_msg("%s: %s", malformed[row].comment,
			 result == INTAKE_MALFORMED ? intake.fault
						    : "not malformed");
	intake_deinit(&intake);
}

static void what_no_web_server_sends_is_malformed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(malformed); i++) {
		assert_malformed(i, SIZE_MAX);
		assert_malformed(i, 1);
	}
}

static void a_stream_that_is_cut_is_no_request(void **state)
{
	struct buf stream;

	(void)state;
	buf_init(&stream, 10000);
	fcgi_append_begin(&stream, 1, 1, 1);
	fcgi_append_stream(&stream, FCGI_PARAMS, 1, pairs, 11, 5);
	fcgi_append_stream(&stream, FCGI_STDIN, 1, SPAN("some body"), 5, 7);
	for (size_t cut = 0; cut < stream.length; cut++) {
		struct intake intake;
		size_t used;

		intake_init(&intake, BODY_MAX);
		assert_int_equal(
			feed(&intake, (struct span){ stream.data, cut }, &used),
			INTAKE_MORE);
		intake_deinit(&intake);
	}
	buf_deinit(&stream);
}

static size_t pair_length(struct span text, size_t *at)
{
	const unsigned char *bytes = (const unsigned char *)text.data + *at;

	assert_true(*at < text.length);
	if (bytes[0] < 128) {
		*at += 1;
		return bytes[0];
	}
	assert_true(*at + 4 <= text.length);
	*at += 4;
	return (bytes[0] & 127u) << 24 | (unsigned)bytes[1] << 16 |
	       (unsigned)bytes[2] << 8 | bytes[3];
}

/* Section 3.4 once more, for what the intake lets through. */
static void assert_pairs_well_formed(struct span text)
{
	size_t at = 0;

	while (at < text.length) {
		size_t name = pair_length(text, &at);
		size_t value = pair_length(text, &at);

		assert_true(at + name + value <= text.length);
		for (size_t i = at; i < at + name + value; i++)
			assert_int_not_equal(text.data[i], '\0');
		at += name + value;
	}
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Changes, drops or repeats a few bytes; bytes that count come more often. */
static struct span mutate(char *bytes, size_t length, uint32_t *seed)
{
	static const unsigned char telling[] = { 0, 1,    2,    4,   5,
						 8, 0x7f, 0x80, 0xff };
	size_t changes = 1 + next_random(seed) % 4;

	while (changes-- > 0 && length > 1) {
		size_t at = next_random(seed) % length;

		switch (next_random(seed) % 5) {
		case 0:
			bytes[at] = (char)next_random(seed);
			break;
		case 1:
			bytes[at] = (char)
				telling[next_random(seed) % sizeof(telling)];
			break;
		case 2:
			bytes[at] ^= (char)(1 << next_random(seed) % 8);
			break;
		case 3:
			memmove(bytes + at, bytes + at + 1, length - at - 1);
			length--;
			break;
		default:
			length = at + 1;
			break;
		}
	}
	return (struct span){ bytes, length };
}

static void no_mutation_of_a_stream_does_harm(void **state)
{
	enum { MUTATIONS = 40000, STREAM_MAX = 1024 };
	size_t results[3] = { 0 };
	uint32_t seed = 20261121;
	struct buf stream, params;

	(void)state;
	buf_init(&stream, STREAM_MAX);
	buf_init(&params, STREAM_MAX);
	buf_append_span(&params, pairs);
	fcgi_append_pair(&params, SPAN("HTTP_A"), SPAN(""));
	fcgi_append_pair(
		&params, SPAN("HTTP_LONG"),
		SPAN("0123456789012345678901234567890123456789012345678901234"
		     "5678901234567890123456789012345678901234567890123456789"
		     "0123456789012345678901234567890123456789"));
	fcgi_append_begin(&stream, 1, 1, 1);
	fcgi_append_stream(&stream, FCGI_PARAMS, 1, buf_span(&params), 50, 0);
	fcgi_append_stream(&stream, FCGI_STDIN, 1, SPAN("From=a"), 4, 3);
	fcgi_append_request(&stream, 1, pairs, SPAN("x"));
	assert_int_equal(buf_error(&stream), ERR_OK);

	for (int i = 0; i < MUTATIONS; i++) {
		enum intake_result result = INTAKE_MORE;
		char bytes[STREAM_MAX];
		struct intake intake;
		struct span rest;
		size_t used = 0;

		memcpy(bytes, stream.data, stream.length);
		rest = mutate(bytes, stream.length, &seed);
		intake_init(&intake, 3 + next_random(&seed) % 8);
		while (rest.length > 0 && result != INTAKE_MALFORMED) {
			result = feed(&intake, rest, &used);
			results[result]++;
			rest = span_from(rest, used);
			if (result != INTAKE_WHOLE)
				continue;
			assert_pairs_well_formed(buf_span(&intake.parameters));
			intake_reset(&intake);
		}
		if (result == INTAKE_MALFORMED)
			assert_non_null(intake.fault);
		intake_deinit(&intake);
	}
	/* Each came often: the mutations reach what is to be tested. */
	assert_true(results[INTAKE_MORE] > MUTATIONS / 20);
	assert_true(results[INTAKE_WHOLE] > MUTATIONS / 20);
	assert_true(results[INTAKE_MALFORMED] > MUTATIONS / 20);
	buf_deinit(&stream);
	buf_deinit(&params);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_request_comes_at_once_or_in_pieces_of_any_size),
		cmocka_unit_test(the_flag_tells_whether_the_connection_is_kept),
		cmocka_unit_test(requests_in_one_read_come_one_after_the_other),
		cmocka_unit_test(
			a_late_abort_between_two_requests_is_passed_over),
		cmocka_unit_test(
			what_is_too_large_is_told_and_the_next_request_comes),
		cmocka_unit_test(what_no_web_server_sends_is_malformed),
		cmocka_unit_test(a_stream_that_is_cut_is_no_request),
		cmocka_unit_test(no_mutation_of_a_stream_does_harm),
	};

	return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
