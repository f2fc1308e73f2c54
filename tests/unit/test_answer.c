/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/answer.h"
#include "system/log.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { LINE_BYTES_MAX = 4096, BODY_BYTES_MAX = 4096 };

/* Answers with err; line gets what was logged meanwhile. */
static void answer(struct exchange *exchange, enum err err,
		   char line[LINE_BYTES_MAX])
{
	int kept = dup(STDERR_FILENO);
	int file = memfd_create("log", MFD_CLOEXEC);
	ssize_t length;

	assert_true(kept >= 0 && file >= 0);
	assert_true(dup2(file, STDERR_FILENO) >= 0);
	(void)answer_error(exchange, err);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	length = pread(file, line, LINE_BYTES_MAX - 1, 0);
	assert_true(length >= 0);
	line[length] = '\0';
	(void)close(kept);
	(void)close(file);
}

static const struct {
	enum err err;
	int status;
	const char *code;
	const char *event; /* NULL: nothing is logged */
} rows[] = {
	{ ERR_DATABASE_UNAVAILABLE, 503, "\"database_unavailable\"", NULL },
	{ ERR_OVERLOADED, 503, "\"overloaded\"", NULL },
	{ ERR_WRITE_UNCERTAIN, 503, "\"write_uncertain\"", NULL },
	{ ERR_OUT_OF_MEMORY, 503, "\"overloaded\"",
	  "\"event\":\"out_of_memory\"" },
	{ ERR_INTERNAL, 500, "\"internal\"", "\"event\":\"internal\"" },
	{ ERR_FULL, 500, "\"internal\"", "\"event\":\"internal\"" },
};

static void errors_are_told_and_those_of_ours_are_logged(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct exchange exchange = { .request = { .id = "id-1" } };
		struct http_response *response = &exchange.response;
		char line[LINE_BYTES_MAX];

		http_response_init(response, BODY_BYTES_MAX);
		answer(&exchange, rows[i].err, line);
		buf_append_char(&response->body, '\0');
		if (response->status != rows[i].status ||
		    strstr(response->body.data, rows[i].code) == NULL)
			fail_msg("%d: %d %s", (int)rows[i].err,
				 response->status, response->body.data);
		if (rows[i].event == NULL
			    ? line[0] != '\0'
			    : strstr(line, rows[i].event) == NULL ||
				      strstr(line, "\"id-1\"") == NULL)
			fail_msg("%d: logged %s", (int)rows[i].err, line);
		http_response_deinit(response);
	}
}

static void without_memory_the_text_says_that_nothing_was_stored(void **state)
{
	struct exchange exchange = { .request = { .id = "id-1" } };
	struct http_response *response = &exchange.response;
	char line[LINE_BYTES_MAX];

	(void)state;
	http_response_init(response, BODY_BYTES_MAX);
	answer(&exchange, ERR_OUT_OF_MEMORY, line);
	buf_append_char(&response->body, '\0');
	assert_non_null(strstr(response->body.data,
			       "There is no memory for this request. Nothing "
			       "was stored."));
	buf_append_char(&response->headers, '\0');
	assert_string_equal(response->headers.data, "Retry-After: 1\r\n");
	http_response_deinit(response);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_are_told_and_those_of_ours_are_logged),
		cmocka_unit_test(
			without_memory_the_text_says_that_nothing_was_stored),
	};

	return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
