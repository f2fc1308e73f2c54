/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "system/log.h"
#include "text/utf8.h"

enum { LINE_BYTES_MAX = 4096 };

/*
 * Standard error while a test runs: a socket that keeps records apart, so that
 * one record is what one write() wrote.
 */
struct capture {
	int reader;
	int kept_stderr;
};

/* The next record; 0 where nothing was written. */
static size_t receive(const struct capture *capture, char *line, size_t size)
{
	ssize_t length = recv(capture->reader, line, size, MSG_DONTWAIT);

	return length < 0 ? 0 : (size_t)length;
}

static int start_capture(void **state)
{
	struct capture *capture;
	char line[LINE_BYTES_MAX];
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	capture = calloc(1, sizeof(*capture));
	if (capture == NULL)
		return -1;
	/* What a failure here leaves open ends with the test. */
	*state = capture;
	capture->reader = ends[0];
	capture->kept_stderr = dup(STDERR_FILENO);
	if (dup2(ends[1], STDERR_FILENO) < 0)
		return -1;
	(void)close(ends[1]);

	/* Where another test made lines get lost, this one says so. */
	log_set_level(LOG_INFO);
	log_event(LOG_ERROR, "start", NULL, "start");
	while (receive(capture, line, sizeof(line)) > 0)
		continue;
	return 0;
}

static int end_capture(void **state)
{
	struct capture *capture = *state;

	if (dup2(capture->kept_stderr, STDERR_FILENO) < 0)
		return -1;
	(void)close(capture->kept_stderr);
	(void)close(capture->reader);
	free(capture);
	return 0;
}

/* The next line as JSON, for json_object_put(). Checks that it is one. */
static struct json_object *next_line(const struct capture *capture)
{
	char line[2 * LINE_BYTES_MAX];
	size_t length = receive(capture, line, sizeof(line));
	enum json_tokener_error error;
	struct json_object *object;

	assert_in_range(length, 2, LINE_BYTES_MAX);
	assert_true(utf8_valid((struct span){ line, length }));
	assert_int_equal(line[length - 1], '\n');
	line[length - 1] = '\0';
	assert_int_equal(strlen(line), length - 1);
	assert_null(strchr(line, '\n'));
	object = json_tokener_parse_verbose(line, &error);
	assert_int_equal(error, json_tokener_success);
	assert_true(json_object_is_type(object, json_type_object));
	return object;
}

static void assert_no_line(const struct capture *capture)
{
	char line[LINE_BYTES_MAX];

	assert_int_equal(receive(capture, line, sizeof(line)), 0);
}

static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(object, name, &value));
	assert_true(json_object_is_type(value, json_type_string));
	return json_object_get_string(value);
}

static int64_t number_of(struct json_object *object, const char *name)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(object, name, &value));
	assert_true(json_object_is_type(value, json_type_int));
	return json_object_get_int64(value);
}

static void writes_an_event_as_one_line_of_json(void **state)
{
	struct json_object *line;

	log_event(LOG_WARNING, "database_lost", "id-1", "after %d ms", 12);
	line = next_line(*state);
	assert_int_equal(json_object_object_length(line), 5);
	assert_string_equal(text_of(line, "level"), "warning");
	assert_string_equal(text_of(line, "event"), "database_lost");
	assert_string_equal(text_of(line, "request_id"), "id-1");
	assert_string_equal(text_of(line, "detail"), "after 12 ms");
	json_object_put(line);
	assert_no_line(*state);
}

static void leaves_out_the_request_id_where_there_is_none(void **state)
{
	struct json_object *line;

	log_event(LOG_INFO, "ready", NULL, "%s", "");
	line = next_line(*state);
	assert_int_equal(json_object_object_length(line), 4);
	assert_false(json_object_object_get_ex(line, "request_id", NULL));
	assert_string_equal(text_of(line, "detail"), "");
	json_object_put(line);
}

static void format_now(int more_secs, char *out, size_t size)
{
	time_t now = time(NULL) + more_secs;
	struct tm utc;

	assert_non_null(gmtime_r(&now, &utc));
	assert_true(strftime(out, size, "%Y-%m-%dT%H:%M:%S", &utc) > 0);
}

static void gives_the_time_in_utc_with_microseconds(void **state)
{
	static const char pattern[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";
	struct json_object *line;
	const char *time_text;
	char before[64];
	char after[64];
	size_t i;

	format_now(0, before, sizeof(before));
	log_event(LOG_INFO, "ready", NULL, "x");
	format_now(1, after, sizeof(after));
	line = next_line(*state);
	time_text = text_of(line, "time");
	assert_int_equal(strlen(time_text), strlen(pattern));
	for (i = 0; pattern[i] != '\0'; i++) {
		if (pattern[i] == 'd')
			assert_in_range(time_text[i], '0', '9');
		else
			assert_int_equal(time_text[i], pattern[i]);
	}
	assert_true(strncmp(time_text, before, strlen(before)) >= 0);
	/* The second that follows, as time() may be a tick behind. */
	assert_true(strncmp(time_text, after, strlen(after)) <= 0);
	json_object_put(line);
}

static void writes_only_what_is_important_enough(void **state)
{
	static const struct {
		enum log_level set;
		enum log_level used;
		bool want;
	} rows[] = {
		{ LOG_ERROR, LOG_ERROR, true },
		{ LOG_ERROR, LOG_WARNING, false },
		{ LOG_INFO, LOG_WARNING, true },
		{ LOG_INFO, LOG_INFO, true },
		{ LOG_INFO, LOG_DEBUG, false },
		{ LOG_DEBUG, LOG_DEBUG, true },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		log_set_level(rows[i].set);
		log_event(rows[i].used, "x", NULL, "y");
		if (rows[i].want) {
			struct json_object *line = next_line(*state);

			assert_string_equal(text_of(line, "level"),
					    log_level_name(rows[i].used));
			json_object_put(line);
		}
		assert_no_line(*state);
	}
}

static void names_levels(void **state)
{
	(void)state;
	assert_string_equal(log_level_name(LOG_ERROR), "error");
	assert_string_equal(log_level_name(LOG_WARNING), "warning");
	assert_string_equal(log_level_name(LOG_INFO), "info");
	assert_string_equal(log_level_name(LOG_DEBUG), "debug");
}

static void keeps_errno(void **state)
{
	errno = ENOENT;
	log_event(LOG_INFO, "x", NULL, "y");
	assert_int_equal(errno, ENOENT);
	json_object_put(next_line(*state));

	errno = ERANGE;
	log_request(&(struct log_request){ .request_id = "x" });
	assert_int_equal(errno, ERANGE);
	json_object_put(next_line(*state));

	/* Also where the line cannot be written. */
	assert_int_equal(close(STDERR_FILENO), 0);
	errno = ENOENT;
	log_event(LOG_INFO, "x", NULL, "y");
	assert_int_equal(errno, ENOENT);
}

static void escapes_and_replaces_what_json_may_not_hold(void **state)
{
	static const struct {
		const char *detail;
		const char *want;
	} rows[] = {
		{ "quote \" backslash \\", "quote \" backslash \\" },
		/* a line of the log stays one line */
		{ "a\nb\r\tc", "a\nb\r\tc" },
		{ "\x01\x1f\x7f", "\x01\x1f\x7f" },
		/* a control character of two bytes (CSI) */
		{ "\xc2\x9b", "\xc2\x9b" },
		{ "\xc3\xb1 \xf0\x9f\x98\x80", "\xc3\xb1 \xf0\x9f\x98\x80" },
		/* not UTF-8: one byte, in the middle, cut off at the end */
		{ "\xff", "\xef\xbf\xbd" },
		{ "a\xff"
		  "b",
		  "a\xef\xbf\xbd"
		  "b" },
		{ "a\xc3", "a\xef\xbf\xbd" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct json_object *line;

		log_event(LOG_INFO, "x", NULL, "%s", rows[i].detail);
		line = next_line(*state);
		assert_string_equal(text_of(line, "detail"), rows[i].want);
		json_object_put(line);
	}
}

/* A terminal that shows the log must not be driven by it. */
static void writes_no_control_character_as_it_is(void **state)
{
	char line[LINE_BYTES_MAX];
	size_t length;
	size_t i;

	log_event(LOG_INFO, "x", NULL, "\x1b[2J\x7f\xc2\x9b");
	length = receive(*state, line, sizeof(line));
	assert_true(length > 0);
	for (i = 0; i < length - 1; i++)
		assert_in_range((unsigned char)line[i], 0x20, 0x7e);
}

static void cuts_a_long_detail_and_stays_valid(void **state)
{
	/* Each leaves another rest at the end of the line. */
	static const char *const pieces[] = {
		"a",        "\"",           "\n",
		"\xc3\xb1", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
		"\xff",
	};
	char detail[3 * LINE_BYTES_MAX];
	size_t i;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct json_object *line;
		const char *got;
		size_t piece = strlen(pieces[i]);
		size_t length;

		for (length = 0; length + piece < sizeof(detail);
		     length += piece)
			memcpy(detail + length, pieces[i], piece);
		detail[length] = '\0';
		log_event(LOG_INFO, "x", NULL, "%s", detail);
		line = next_line(*state);
		got = text_of(line, "detail");
		/* The mark that says that something is missing. */
		assert_string_equal(got + strlen(got) - 3, "\xe2\x80\xa6");
		json_object_put(line);
	}
}

static void writes_a_detail_that_just_fits(void **state)
{
	char detail[LINE_BYTES_MAX];
	struct json_object *line;
	const char *got;
	size_t length;

	/* The longest that comes back whole, seen from above. */
	for (length = LINE_BYTES_MAX - 1; length > 3900; length--) {
		bool whole;

		memset(detail, 'x', length);
		detail[length] = '\0';
		log_event(LOG_INFO, "x", NULL, "%s", detail);
		line = next_line(*state);
		got = text_of(line, "detail");
		whole = strcmp(got, detail) == 0;
		json_object_put(line);
		if (whole)
			break;
	}
	assert_in_range(length, 3950, LINE_BYTES_MAX - 50);
}

static void writes_a_line_of_the_request_log(void **state)
{
	const struct log_request request = {
		.request_id = "id-1",
		.method = SPAN("POST"),
		.target = SPAN("/api/message?a=\"b\""),
		.status = 201,
		.body_bytes = UINT64_C(5000000000),
		.duration_us = 1234,
		.end = "sent",
	};
	struct json_object *line;

	log_request(&request);
	line = next_line(*state);
	assert_int_equal(json_object_object_length(line), 10);
	assert_string_equal(text_of(line, "level"), "info");
	assert_string_equal(text_of(line, "event"), "request");
	assert_string_equal(text_of(line, "request_id"), "id-1");
	assert_string_equal(text_of(line, "method"), "POST");
	assert_string_equal(text_of(line, "target"), "/api/message?a=\"b\"");
	assert_int_equal(number_of(line, "status"), 201);
	assert_int_equal(number_of(line, "body_bytes"), INT64_C(5000000000));
	assert_int_equal(number_of(line, "duration_us"), 1234);
	assert_string_equal(text_of(line, "end"), "sent");
	json_object_put(line);

	log_set_level(LOG_WARNING);
	log_request(&request);
	assert_no_line(*state);
}

static void cuts_what_a_client_sent_and_keeps_the_numbers(void **state)
{
	enum { LONG_BYTES = 3 * LINE_BYTES_MAX };
	char *text = malloc(LONG_BYTES);
	char id[129];
	struct json_object *line;

	assert_non_null(text);
	memset(text, '\x01', LONG_BYTES);
	/* The longest ID there is, and each of its bytes becomes two. */
	memset(id, '"', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	log_request(&(struct log_request){
		.request_id = id,
		.method = { text, LONG_BYTES },
		.target = { text, LONG_BYTES },
		.status = 599,
		.body_bytes = INT64_MAX,
		.duration_us = INT64_MIN,
		.end = "abandoned",
	});
	line = next_line(*state);
	assert_string_equal(text_of(line, "request_id"), id);
	assert_int_equal(number_of(line, "status"), 599);
	assert_true(number_of(line, "body_bytes") == INT64_MAX);
	assert_true(number_of(line, "duration_us") == INT64_MIN);
	assert_string_equal(text_of(line, "end"), "abandoned");
	json_object_put(line);
	free(text);
}

static void goes_on_where_nobody_reads_and_says_what_was_lost(void **state)
{
	enum { COUNT = 20000 };
	char line[LINE_BYTES_MAX];
	struct json_object *object;
	unsigned int written = 0;
	char want[128];
	unsigned int i;

	for (i = 0; i < COUNT; i++)
		log_event(LOG_INFO, "x", NULL, "y");
	while (receive(*state, line, sizeof(line)) > 0)
		written++;
	assert_in_range(written, 1, COUNT - 1);

	log_event(LOG_INFO, "after", NULL, "y");
	object = next_line(*state);
	assert_string_equal(text_of(object, "event"), "log_lines_lost");
	(void)snprintf(want, sizeof(want),
		       "%u lines before this one could not be written",
		       COUNT - written);
	assert_string_equal(text_of(object, "detail"), want);
	json_object_put(object);
	object = next_line(*state);
	assert_string_equal(text_of(object, "event"), "after");
	json_object_put(object);
	assert_no_line(*state);
}

/* Were the signal raised, the test would end here. */
static void outlives_a_reader_that_has_gone(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	assert_int_equal(close(ends[1]), 0);
	assert_int_equal(close(ends[0]), 0);
	log_event(LOG_ERROR, "x", NULL, "y");

	assert_int_equal(close(STDERR_FILENO), 0);
	log_event(LOG_ERROR, "x", NULL, "y");
}

enum { THREADS = 4, LINES_A_THREAD = 500 };

static void *log_lines(void *argument)
{
	int i;

	for (i = 0; i < LINES_A_THREAD; i++)
		log_event(LOG_INFO, "x", NULL, "%s", (const char *)argument);
	return NULL;
}

static void log_from_threads(void)
{
	static char details[THREADS][2] = { "a", "b", "c", "d" };
	pthread_t threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_lines,
						details[i]),
				 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* Into a file, which takes all lines without a reader. */
static void keeps_the_lines_of_threads_apart(void **state)
{
	int seen[THREADS] = { 0 };
	char text[LINE_BYTES_MAX];
	FILE *file;
	int i;

	(void)state;
	file = fdopen(memfd_create("log", MFD_CLOEXEC), "r");
	assert_non_null(file);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	log_from_threads();

	rewind(file);
	while (fgets(text, sizeof(text), file) != NULL) {
		struct json_object *line = json_tokener_parse(text);
		const char *detail;

		assert_non_null(line);
		detail = text_of(line, "detail");
		assert_in_range(detail[0], 'a', 'a' + THREADS - 1);
		seen[detail[0] - 'a']++;
		json_object_put(line);
	}
	for (i = 0; i < THREADS; i++)
		assert_int_equal(seen[i], LINES_A_THREAD);
	assert_int_equal(fclose(file), 0);
}

#define CAPTURED(test)                                                         \
	cmocka_unit_test_setup_teardown(test, start_capture, end_capture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CAPTURED(writes_an_event_as_one_line_of_json),
		CAPTURED(leaves_out_the_request_id_where_there_is_none),
		CAPTURED(gives_the_time_in_utc_with_microseconds),
		CAPTURED(writes_only_what_is_important_enough),
		cmocka_unit_test(names_levels),
		CAPTURED(keeps_errno),
		CAPTURED(escapes_and_replaces_what_json_may_not_hold),
		CAPTURED(writes_no_control_character_as_it_is),
		CAPTURED(cuts_a_long_detail_and_stays_valid),
		CAPTURED(writes_a_detail_that_just_fits),
		CAPTURED(writes_a_line_of_the_request_log),
		CAPTURED(cuts_what_a_client_sent_and_keeps_the_numbers),
		CAPTURED(goes_on_where_nobody_reads_and_says_what_was_lost),
		CAPTURED(outlives_a_reader_that_has_gone),
		CAPTURED(keeps_the_lines_of_threads_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
