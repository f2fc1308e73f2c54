/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "fcgi_records.h"
#include "gate/codec.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ANSWER_MAX = 16 * 1024 * 1024 };

/* The call that fails, once. */
static enum call {
	NONE,
	ALLOCATION,
	FILE_IN_MEMORY,
	MAPPING,
	ACCEPT,
} failing;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
void *__real_mmap(void *address, size_t length, int protection, int flags,
		  int fd, off_t offset);
void *__wrap_mmap(void *address, size_t length, int protection, int flags,
		  int fd, off_t offset);
int __real_FCGX_Accept_r(FCGX_Request *request);
int __wrap_FCGX_Accept_r(FCGX_Request *request);

static bool fails(enum call call)
{
	if (failing != call)
		return false;
	failing = NONE;
	return true;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails(ALLOCATION) ? NULL : __real_calloc(count, size);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
	return fails(FILE_IN_MEMORY) ? -1 : __real_memfd_create(name, flags);
}

void *__wrap_mmap(void *address, size_t length, int protection, int flags,
		  int fd, off_t offset)
{
	return fails(MAPPING) ? MAP_FAILED
			      : __real_mmap(address, length, protection, flags,
					    fd, offset);
}

/* As libfcgi fails: it has closed what it read. */
int __wrap_FCGX_Accept_r(FCGX_Request *request)
{
	if (!fails(ACCEPT))
		return __real_FCGX_Accept_r(request);
	close(request->ipcFd);
	return -1;
}

static int set_up(void **state)
{
	*state = codec_new();
	return *state == NULL;
}

static int tear_down(void **state)
{
	struct codec *codec = *state;

	codec_free(&codec);
	return codec != NULL;
}

static size_t open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

static struct codec_request *decode(struct codec *codec)
{
	struct codec_request *request;
	struct buf pairs;

	buf_init(&pairs, 1000);
	fcgi_append_pair(&pairs, SPAN("REQUEST_URI"), SPAN("/api/test"));
	request = codec_decode(codec, buf_span(&pairs));
	buf_deinit(&pairs);
	assert_non_null(request);
	return request;
}

static const char *parameter_of(const struct codec_request *request,
				struct span name)
{
	char *const *parameter = codec_parameters(request);

	for (; *parameter != NULL; parameter++) {
		if (strncmp(*parameter, name.data, name.length) == 0 &&
		    (*parameter)[name.length] == '=')
			return *parameter + name.length + 1;
	}
	return NULL;
}

static void parameters_come_back_as_they_were_given(void **state)
{
	static const struct {
		const char *name, *value;
	} rows[] = {
		{ "REQUEST_METHOD", "POST" },
		{ "REQUEST_URI", "/api/message?From=a%20b&Content=c=d" },
		{ "CONTENT_TYPE", "" },
		{ "HTTP_X", "a=b=c" },
		{ "HTTP_UTF8", "jos\xc3\xa9" },
		{ "HTTP_BYTES", "\x01\x7f\x80\xff \t\r\n" },
	};
	struct codec_request *request;
	struct buf pairs;
	size_t count = 0;

	buf_init(&pairs, 10000);
	for (size_t i = 0; i < COUNT(rows); i++)
		fcgi_append_pair(&pairs, span_of(rows[i].name),
				 span_of(rows[i].value));
	request = codec_decode(*state, buf_span(&pairs));
	buf_deinit(&pairs); /* they are the request's own by now */
	assert_non_null(request);
	while (codec_parameters(request)[count] != NULL)
		count++;
	assert_true(count >= COUNT(rows));
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *value =
			parameter_of(request, span_of(rows[i].name));

		assert_non_null(value);
		assert_string_equal(value, rows[i].value);
	}
	codec_request_free(&request);
	assert_null(request);
}

static void parameters_of_any_length_are_decoded(void **state)
{
	/* Around the lengths of a length, of libfcgi's buffer, of a record. */
	static const size_t lengths[] = { 0,    127,   128,   8170,  8184,
					  8192, 65520, 65535, 65536, 130000 };

	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct codec_request *request;
		struct buf pairs, value;

		buf_init(&pairs, ANSWER_MAX);
		buf_init(&value, ANSWER_MAX);
		while (value.length < lengths[i])
			buf_append_char(&value,
					(char)('a' + value.length % 26));
		fcgi_append_pair(&pairs, SPAN("LONG"), buf_span(&value));
		fcgi_append_pair(&pairs, SPAN("LAST"), SPAN("end"));
		request = codec_decode(*state, buf_span(&pairs));
		assert_non_null(request);
		buf_append_char(&value, '\0');
		assert_string_equal(parameter_of(request, SPAN("LONG")),
				    value.data);
		assert_string_equal(parameter_of(request, SPAN("LAST")), "end");
		codec_request_free(&request);
		buf_deinit(&pairs);
		buf_deinit(&value);
	}
}

static void a_request_without_parameters_has_none(void **state)
{
	struct codec_request *request =
		codec_decode(*state, (struct span){ NULL, 0 });

	assert_non_null(request);
	assert_null(parameter_of(request, SPAN("REQUEST_URI")));
	codec_request_free(&request);
}

/* What an answer came to. */
struct parsed {
	struct buf text; /* of STDOUT */
	bool stdout_ended;
	bool ended; /* END_REQUEST with status 0, REQUEST_COMPLETE */
};

static void parse_record(struct parsed *parsed, int type, struct span content)
{
	switch (type) {
	case FCGI_STDOUT:
		assert_false(parsed->stdout_ended);
		if (content.length == 0)
			parsed->stdout_ended = true;
		buf_append_span(&parsed->text, content);
		break;
	case FCGI_STDERR: /* only its end: we log elsewhere */
		assert_int_equal(content.length, 0);
		break;
	case FCGI_END:
		assert_int_equal(content.length, 8);
		assert_memory_equal(content.data, "\0\0\0\0\0", 5);
		parsed->ended = true;
		break;
	default:
		fail_msg("a record of type %d", type);
	}
}

/* Reads records; fails the test where they are none. */
static void parse(struct parsed *parsed, struct span records, uint16_t id)
{
	const unsigned char *bytes = (const unsigned char *)records.data;
	size_t at = 0;

	*parsed = (struct parsed){ .ended = false };
	buf_init(&parsed->text, ANSWER_MAX);
	while (at < records.length) {
		size_t length, padding;

		assert_false(parsed->ended);
		assert_true(records.length - at >= 8);
		assert_int_equal(bytes[at], 1);
		assert_int_equal(bytes[at + 2] << 8 | bytes[at + 3], id);
		length = (size_t)bytes[at + 4] << 8 | bytes[at + 5];
		padding = bytes[at + 6];
		assert_true(records.length - at - 8 >= length + padding);
		parse_record(parsed, bytes[at + 1],
			     (struct span){ records.data + at + 8, length });
		at += 8 + length + padding;
	}
	assert_int_equal(buf_error(&parsed->text), ERR_OK);
}

static void assert_answer(const struct buf *out, uint16_t id,
			  const struct buf *want)
{
	struct parsed parsed;

	parse(&parsed, buf_span(out), id);
	assert_true(parsed.stdout_ended);
	assert_true(parsed.ended);
	assert_int_equal(parsed.text.length, want->length);
	assert_memory_equal(parsed.text.data, want->data, want->length);
	buf_deinit(&parsed.text);
}

static void append_pattern(struct buf *out, size_t length)
{
	for (size_t i = 0; i < length; i++)
		buf_append_char(out, (char)(i * 7 + i / 251));
}

static const struct {
	const char *comment;
	size_t head, body;
} sizes[] = {
	{ "nothing at all", 0, 0 },
	{ "a head alone", 150, 0 },
	{ "a body of one byte", 150, 1 },
	{ "a body alone", 0, 1 },
	{ "head and body fill a record", 150, 65378 },
	{ "head and body, and a byte more than a record", 150, 65379 },
	{ "a body as large as a record may be", 150, 65535 },
	{ "a body alone that fills a record", 0, 65528 },
	{ "a body that needs several records", 150, 200000 },
	{ "the largest body", 150, 2 * 1024 * 1024 },
	{ "a head that needs several records", 300000, 10 },
	{ "a head that fills a record, and a body that does", 65528, 65528 },
};

static void an_answer_comes_out_as_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		uint16_t id = (uint16_t)(1 + i * 4681);
		struct buf text, out;

		print_message("%s\n", sizes[i].comment);
		buf_init(&text, ANSWER_MAX);
		buf_init(&out, ANSWER_MAX);
		append_pattern(&text, sizes[i].head + sizes[i].body);
		buf_append_char(&text, '\0'); /* so that it has data */
		text.length--;
		assert_int_equal(
			codec_encode(id,
				     (struct span){ text.data, sizes[i].head },
				     (struct span){ text.data + sizes[i].head,
						    sizes[i].body },
				     true, &out),
			ERR_OK);
		assert_answer(&out, id, &text);
		buf_deinit(&text);
		buf_deinit(&out);
	}
}

static void an_answer_in_pieces_goes_out_with_each_of_them(void **state)
{
	(void)state;
	static const size_t pieces[] = { 262144, 1, 8184, 0, 300000, 70000 };
	struct buf text, out, piece;

	buf_init(&text, ANSWER_MAX);
	buf_init(&out, ANSWER_MAX);
	buf_init(&piece, ANSWER_MAX);
	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct span head =
			i == 0 ? SPAN("Status: 200 OK\r\n\r\n") : SPAN("");
		struct parsed parsed;

		buf_clear(&piece);
		append_pattern(&piece, pieces[i]);
		buf_append_span(&text, head);
		buf_append_span(&text, buf_span(&piece));
		assert_int_equal(
			codec_encode(7, head, buf_span(&piece), false, &out),
			ERR_OK);
		/* Nothing is kept back, and nothing has ended. */
		parse(&parsed, buf_span(&out), 7);
		assert_int_equal(parsed.text.length, text.length);
		assert_false(parsed.stdout_ended);
		assert_false(parsed.ended);
		buf_deinit(&parsed.text);
	}
	assert_int_equal(codec_encode(7, SPAN(""), SPAN("end"), true, &out),
			 ERR_OK);
	buf_append_text(&text, "end");
	assert_answer(&out, 7, &text);
	buf_deinit(&text);
	buf_deinit(&out);
	buf_deinit(&piece);
}

static void a_request_may_be_freed_before_its_answer_ends(void **state)
{
	size_t before = open_descriptors();
	struct codec_request *request = decode(*state);
	struct buf out;

	codec_request_free(&request);
	assert_null(request);
	codec_request_free(&request); /* and none at all */

	buf_init(&out, ANSWER_MAX);
	request = decode(*state);
	assert_int_equal(
		codec_encode(2, SPAN("head"), SPAN("body"), false, &out),
		ERR_OK);
	codec_request_free(&request);
	assert_int_equal(open_descriptors(), before);

	/* What they left behind is not in the way of the next. */
	buf_clear(&out);
	request = decode(*state);
	assert_int_equal(
		codec_encode(3, SPAN("head"), SPAN("body"), true, &out),
		ERR_OK);
	codec_request_free(&request);
	assert_answer(
		&out, 3,
		&(struct buf){ .data = (char[]){ "headbody" }, .length = 8 });
	buf_deinit(&out);
}

static void parameters_outlive_the_end_of_the_answer(void **state)
{
	struct codec_request *request = decode(*state);
	struct buf out;

	buf_init(&out, ANSWER_MAX);
	assert_int_equal(
		codec_encode(1, SPAN("head"), SPAN("body"), true, &out),
		ERR_OK);
	/* The request log is written then. */
	assert_string_equal(parameter_of(request, SPAN("REQUEST_URI")),
			    "/api/test");
	codec_request_free(&request);
	buf_deinit(&out);
}

static void a_surplus_record_says_nothing(void **state)
{
	(void)state;
	static const unsigned char want[] = {
		1, FCGI_STDOUT, 2, 1, 0, 0, 0, 0
	};
	struct buf out;

	buf_init(&out, sizeof(want));
	assert_int_equal(codec_encode_surplus(0x201, &out), ERR_OK);
	assert_int_equal(out.length, sizeof(want));
	assert_memory_equal(out.data, want, sizeof(want));
	assert_int_equal(codec_encode_surplus(0x201, &out), ERR_FULL);
	buf_deinit(&out);
}

static void several_requests_may_be_under_way(void **state)
{
	enum { REQUESTS = 16 };
	struct codec_request *requests[REQUESTS];
	struct buf outs[REQUESTS];

	for (size_t i = 0; i < REQUESTS; i++) {
		buf_init(&outs[i], ANSWER_MAX);
		requests[i] = decode(*state);
	}
	for (size_t i = 0; i < REQUESTS; i++)
		assert_int_equal(codec_encode((uint16_t)(i + 1), SPAN("a"),
					      SPAN("b"), false, &outs[i]),
				 ERR_OK);
	for (size_t i = REQUESTS; i-- > 0;)
		assert_int_equal(codec_encode((uint16_t)(i + 1), SPAN(""),
					      SPAN("c"), true, &outs[i]),
				 ERR_OK);
	for (size_t i = 0; i < REQUESTS; i++) {
		assert_string_equal(
			parameter_of(requests[i], SPAN("REQUEST_URI")),
			"/api/test");
		codec_request_free(&requests[i]);
		assert_answer(&outs[i], (uint16_t)(i + 1),
			      &(struct buf){ .data = (char[]){ "abc" },
					     .length = 3 });
		buf_deinit(&outs[i]);
	}
}

static void many_requests_cost_no_descriptor(void **state)
{
	enum { REQUESTS = 5000 };
	size_t before = open_descriptors();
	struct buf out;

	buf_init(&out, ANSWER_MAX);
	for (size_t i = 0; i < REQUESTS; i++) {
		struct codec_request *request = decode(*state);

		buf_clear(&out);
		assert_int_equal(codec_encode(1, SPAN("head"), SPAN("body"),
					      i % 3 != 0, &out),
				 ERR_OK);
		codec_request_free(&request);
	}
	assert_int_equal(open_descriptors(), before);
	buf_deinit(&out);
}

static void a_full_output_is_told(void **state)
{
	(void)state;
	struct buf out, body;

	buf_init(&out, 100);
	buf_init(&body, ANSWER_MAX);
	append_pattern(&body, 200000);
	assert_int_equal(
		codec_encode(1, SPAN("head"), buf_span(&body), true, &out),
		ERR_FULL);
	buf_deinit(&out);
	buf_deinit(&body);
}

static void a_codec_takes_its_descriptors_with_it(void **state)
{
	size_t before = open_descriptors();
	struct codec *codec = codec_new();

	(void)state;
	assert_non_null(codec);
	codec_free(&codec);
	assert_null(codec);
	codec_free(&codec);
	assert_int_equal(open_descriptors(), before);
}

static void a_codec_that_cannot_be_made_leaves_nothing(void **state)
{
	static const enum call calls[] = { ALLOCATION, FILE_IN_MEMORY,
					   MAPPING };
	size_t before = open_descriptors();

	(void)state;
	for (size_t i = 0; i < COUNT(calls); i++) {
		failing = calls[i];
		assert_null(codec_new());
		assert_int_equal(failing, NONE);
		assert_int_equal(open_descriptors(), before);
	}
}

static void a_request_that_failed_is_not_in_the_way_of_the_next(void **state)
{
	static const enum call calls[] = { ALLOCATION, ACCEPT };
	size_t before = open_descriptors();

	for (size_t i = 0; i < COUNT(calls); i++) {
		struct codec_request *request;

		failing = calls[i];
		assert_null(codec_decode(*state, (struct span){ NULL, 0 }));
		assert_int_equal(failing, NONE);
		request = decode(*state);
		assert_string_equal(parameter_of(request, SPAN("REQUEST_URI")),
				    "/api/test");
		codec_request_free(&request);
		assert_int_equal(open_descriptors(), before);
	}
}

/* libfcgi closes the file where it fails; making a new one may fail as well. */
static void a_file_that_could_not_be_made_is_made_later(void **state)
{
	static const enum call calls[] = { FILE_IN_MEMORY, MAPPING };
	size_t before = open_descriptors();

	for (size_t i = 0; i < COUNT(calls); i++) {
		struct codec_request *request;

		failing = ACCEPT;
		assert_null(codec_decode(*state, (struct span){ NULL, 0 }));
		failing = calls[i];
		assert_null(codec_decode(*state, (struct span){ NULL, 0 }));
		assert_int_equal(failing, NONE);
		request = decode(*state);
		codec_request_free(&request);
		assert_int_equal(open_descriptors(), before);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(parameters_come_back_as_they_were_given),
		TEST(parameters_of_any_length_are_decoded),
		TEST(a_request_without_parameters_has_none),
		TEST(an_answer_comes_out_as_records),
		TEST(an_answer_in_pieces_goes_out_with_each_of_them),
		TEST(a_request_may_be_freed_before_its_answer_ends),
		TEST(parameters_outlive_the_end_of_the_answer),
		TEST(a_surplus_record_says_nothing),
		TEST(several_requests_may_be_under_way),
		TEST(many_requests_cost_no_descriptor),
		TEST(a_full_output_is_told),
		TEST(a_request_that_failed_is_not_in_the_way_of_the_next),
		TEST(a_file_that_could_not_be_made_is_made_later),
		cmocka_unit_test(a_codec_that_cannot_be_made_leaves_nothing),
		cmocka_unit_test(a_codec_takes_its_descriptors_with_it),
	};

	return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
