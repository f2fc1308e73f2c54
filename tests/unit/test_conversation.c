/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "system/log.h"
#include "gate/connections.h"
#include "gate/conversation.h"

enum { BODY_BYTES = 1000, OUTBOX_BYTES = 100000 };

static size_t fails_at; /* this call of realloc() from now on; 0: none */

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_realloc(void *memory, size_t size)
{
	if (fails_at > 0 && --fails_at == 0)
		return NULL;
	return __real_realloc(memory, size);
}

/* A connection whose exchange has its answer ready. */
static void make_ready(struct connections *set, struct connection *connection)
{
	static const char pairs[] = "\x0e\x04REQUEST_METHODPOST";
	struct http_response *response = &connection->exchange.response;

	assert_true(connections_init(set));
	set->codec = codec_new();
	assert_non_null(set->codec);
	*connection =
		(struct connection){ .owner = set, .state = CONNECTION_BUSY };
	buf_init(&connection->outbox, OUTBOX_BYTES);
	connection->request = codec_decode(
		set->codec, 1, (struct span){ pairs, sizeof(pairs) - 1 });
	assert_non_null(connection->request);
	http_response_init(response, OUTBOX_BYTES);
	response->status = 201;
	for (size_t i = 0; i < BODY_BYTES; i++)
		buf_append_char(&response->body, 'x');
	assert_int_equal(buf_error(&response->body), ERR_OK);
}

static void clean_up(struct connections *set, struct connection *connection)
{
	conversation_drop(connection);
	buf_deinit(&connection->outbox);
	codec_free(&set->codec);
	connections_deinit(set);
}

static bool says(const struct connection *connection, const char *text)
{
	struct span sent = buf_span(&connection->outbox);

	return memmem(sent.data, sent.length, text, strlen(text)) != NULL;
}

/*
 * Lets the nth allocation of the answer fail, for each there is, and looks at
 * what is sent instead.
 */
static void check_without_memory(bool stored, const char *want,
				 const char *never)
{
	bool failed = true;

	log_set_level(LOG_ERROR);
	for (size_t nth = 1; failed; nth++) {
		struct connections set;
		struct connection connection;

		make_ready(&set, &connection);
		connection.exchange.stored = stored;
		fails_at = nth;
		conversation_continue(&connection, EXCHANGE_DONE);
		failed = fails_at == 0;
		fails_at = 0;
		assert_int_equal(connection.state, CONNECTION_SENDING);
		assert_true(says(&connection, failed ? want : "Status: 201"));
		assert_false(failed && says(&connection, "201"));
		assert_false(says(&connection, never));
		clean_up(&set, &connection);
		assert_true(nth < 100);
	}
}

static void no_error_denies_what_was_stored(void **state)
{
	(void)state;
	check_without_memory(true, "write_uncertain", "Nothing was stored");
}

static void an_answer_without_memory_is_an_error_and_whole(void **state)
{
	(void)state;
	check_without_memory(false, "\"code\":\"overloaded\"", "uncertain");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_error_denies_what_was_stored),
		cmocka_unit_test(
			an_answer_without_memory_is_an_error_and_whole),
	};

	return cmocka_run_group_tests_name("conversation", tests, NULL, NULL);
}
