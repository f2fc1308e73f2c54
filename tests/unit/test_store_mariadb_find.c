/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mysql.h>

#include "mariadb_helper.h"
#include "mysql_fake.h"

/* The calls of the store that do not wait: those of a find. */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ROWS = 2 };

static const struct mysql_fake_row rows[ROWS] = {
	{ 7, "ana", "hola", false },
	{ 9, "eva", "hola", false },
};

static size_t visits;

static bool count_visit(const struct message *message, void *context)
{
	(void)message, (void)context;
	visits++;
	return false; /* of which a find that does not wait takes no notice */
}

static const uint64_t ids[ROWS] = { 7, 9 };

static enum err find_waiting(void)
{
	return store_find(store, ids, ROWS, count_visit, NULL);
}

static enum store_progress find_start(enum err *err_r)
{
	return store_find_start(store, ids, ROWS, count_visit, NULL, err_r);
}

/* A store that has done the same before, the way that waits. */
static void prepare(void)
{
	start_again();
	mysql_fake_set_rows(rows, ROWS);
	assert_int_equal(find_waiting(), ERR_OK);
	visits = 0;
}

static void nothing_is_begun_where_it_would_have_to_wait(void **state)
{
	static const uint64_t others[] = { 1, 2, 3 };
	enum err err;

	(void)state;
	assert_int_equal(find_start(&err), STORE_WOULD_BLOCK);
	assert_int_equal(store_ping(store), ERR_OK);
	assert_int_equal(find_start(&err), STORE_WOULD_BLOCK);

	prepare();
	assert_int_equal(store_find_start(store, others, COUNT(others),
					  count_visit, NULL, &err),
			 STORE_WOULD_BLOCK);

	prepare();
	mysql_fake_hang_up();
	assert_int_equal(find_start(&err), STORE_WOULD_BLOCK);

	start_again();
	mysql_fake_use_tls();
	mysql_fake_set_rows(rows, ROWS);
	assert_int_equal(find_waiting(), ERR_OK);
	assert_int_equal(find_start(&err), STORE_WOULD_BLOCK);

	prepare();
	mysql_fake_fail(MYSQL_FAKE_NONBLOCK, 1, 1, 1);
	assert_int_equal(find_start(&err), STORE_WOULD_BLOCK);

	prepare();
	mysql_fake_fail(MYSQL_FAKE_BIND, 1, 1, 2008);
	assert_int_equal(find_start(&err), STORE_WOULD_BLOCK);
	assert_int_equal(mysql_fake_calls(MYSQL_FAKE_EXECUTE), 1);
}

static void what_needs_no_waiting_is_done_at_once(void **state)
{
	(void)state;
	prepare();
	for (size_t i = 1; i < 4; i++) {
		enum err err = ERR_INTERNAL;

		assert_int_equal(find_start(&err), STORE_DONE);
		assert_int_equal(err, ERR_OK);
		assert_int_equal(visits, i * ROWS);
		assert_string_equal(mysql_fake_parameters(), "7|9");
	}
	assert_int_equal(mysql_fake_calls(MYSQL_FAKE_CONNECT), 1);
	assert_int_equal(mysql_fake_calls(MYSQL_FAKE_NONBLOCK), 1);
}

static void it_waits_for_what_libmariadb_waits_for(void **state)
{
	static const struct {
		enum mysql_fake_call call;
		size_t nth;
		int events;
	} waits[] = {
		{ MYSQL_FAKE_EXECUTE, 1,
		  MYSQL_WAIT_WRITE | MYSQL_WAIT_TIMEOUT },
		{ MYSQL_FAKE_EXECUTE, 1, MYSQL_WAIT_READ | MYSQL_WAIT_TIMEOUT },
		{ MYSQL_FAKE_FETCH, 1, MYSQL_WAIT_READ },
		{ MYSQL_FAKE_FETCH, ROWS, MYSQL_WAIT_READ },
		{ MYSQL_FAKE_FETCH, ROWS + 1, MYSQL_WAIT_READ },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(waits); i++) {
		const struct store_wait *wait;
		enum err err = ERR_INTERNAL;

		prepare();
		mysql_fake_pass_ms(1000);
		mysql_fake_wait(waits[i].call, waits[i].nth, waits[i].events);
		assert_int_equal(find_start(&err), STORE_WAITING);
		wait = store_wait(store);
		assert_true(wait->fd >= 0);
		assert_int_equal(wait->for_room,
				 (waits[i].events & MYSQL_WAIT_WRITE) != 0);
		assert_int_equal(wait->until_ms, 1000 + MYSQL_FAKE_TIMEOUT_MS);
		assert_int_equal(store_find_continue(store, false, &err),
				 STORE_DONE);
		assert_int_equal(err, ERR_OK);
		assert_int_equal(visits, ROWS);
		assert_int_equal(aways, 0);
	}
}

enum outcome { DONE, BLOCKS, UNAVAILABLE, REFUSES };

static const char *const outcome_names[] = {
	"done",
	"would block",
	"database unavailable",
	"database refuses",
};

static const struct failure {
	const char *comment;
	enum mysql_fake_call call;
	size_t nth;
	unsigned error; /* 0: its time is over instead */
	enum outcome outcome;
	bool keeps_connection;
} failures[] = {
	{ "a conflict", MYSQL_FAKE_EXECUTE, 1, 1213, BLOCKS, true },
	{ "a conflict: end", MYSQL_FAKE_FETCH, 3, 1020, UNAVAILABLE, true },
	{ "a refusal", MYSQL_FAKE_EXECUTE, 1, 1146, REFUSES, true },
	{ "killed: rows", MYSQL_FAKE_FETCH, 1, 1317, UNAVAILABLE, false },
	{ "lost", MYSQL_FAKE_EXECUTE, 1, 2013, BLOCKS, false },
	{ "lost: first row", MYSQL_FAKE_FETCH, 1, 2013, BLOCKS, false },
	{ "lost: rows", MYSQL_FAKE_FETCH, 2, 2006, UNAVAILABLE, false },
	{ "lost: end", MYSQL_FAKE_FETCH, 3, 2013, UNAVAILABLE, false },
	{ "time over", MYSQL_FAKE_EXECUTE, 1, 0, BLOCKS, false },
	{ "time over: first row", MYSQL_FAKE_FETCH, 1, 0, BLOCKS, false },
	{ "time over: end", MYSQL_FAKE_FETCH, 3, 0, UNAVAILABLE, false },
};

/* Begins, and lets the time pass where that is what fails. */
static enum outcome run(const struct failure *failure)
{
	enum store_progress progress;
	enum err err = ERR_OK;

	if (failure->error != 0) {
		mysql_fake_fail(failure->call, failure->nth, 1, failure->error);
		progress = find_start(&err);
	} else {
		mysql_fake_wait(failure->call, failure->nth, MYSQL_WAIT_READ);
		assert_int_equal(find_start(&err), STORE_WAITING);
		mysql_fake_pass_ms(MYSQL_FAKE_TIMEOUT_MS);
		progress = store_find_continue(store, true, &err);
	}
	if (progress == STORE_WOULD_BLOCK)
		return BLOCKS;
	assert_int_equal(progress, STORE_DONE);
	if (err == ERR_OK)
		return DONE;
	if (err == ERR_DATABASE_REFUSES)
		return REFUSES;
	assert_int_equal(err, ERR_DATABASE_UNAVAILABLE);
	return UNAVAILABLE;
}

static void what_fails_is_done_again_only_before_the_first_visit(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(failures); i++) {
		const struct failure *failure = &failures[i];
		enum outcome outcome;

		prepare();
		outcome = run(failure);
		if (outcome != failure->outcome)
			fail_msg("%s: %s, not %s", failure->comment,
				 outcome_names[outcome],
				 outcome_names[failure->outcome]);
		assert_int_equal(aways, failure->error == 0);
		if (failure->error == 0)
			continue;
		assert_int_equal(find_waiting(), ERR_OK);
		if (mysql_fake_calls(MYSQL_FAKE_CONNECT) !=
		    (failure->keeps_connection ? 1 : 2))
			fail_msg("%s: %zu connections", failure->comment,
				 mysql_fake_calls(MYSQL_FAKE_CONNECT));
	}
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, mariadb_set_up, mariadb_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_begun_where_it_would_have_to_wait),
		TEST(what_needs_no_waiting_is_done_at_once),
		TEST(it_waits_for_what_libmariadb_waits_for),
		TEST(what_fails_is_done_again_only_before_the_first_visit),
	};

	return cmocka_run_group_tests_name("store_mariadb_find", tests, NULL,
					   NULL);
}
