/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "system/log.h"
#include "mariadb_helper.h"
#include "mysql_fake.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ALWAYS = 1000, ROWS_MAX = 300 };

static char path[] = "/run/db.sock", ca[] = "/etc/ca.pem";

static struct store_append appends[ROWS_MAX];

static enum err append(size_t count)
{
	struct store_append *rows[ROWS_MAX];

	for (size_t i = 0; i < count; i++) {
		appends[i] = (struct store_append){ .from = SPAN("ana"),
						    .content = SPAN("hola") };
		rows[i] = &appends[i];
	}
	return store_append(store, rows, count);
}

static enum err find(uint64_t id, store_visit_fn *visit, void *context)
{
	return store_find(store, &id, 1, visit, context);
}

static bool count_visit(const struct message *message, void *context)
{
	(void)message;
	(*(size_t *)context)++;
	return true;
}

static bool stop_visit(const struct message *message, void *context)
{
	(void)count_visit(message, context);
	return false;
}

static void check_count(const char *comment, const char *what, size_t got,
			size_t want)
{
	if (got != want)
		fail_msg("%s: %s is %zu, not %zu", comment, what, got, want);
}

static void connection_follows_the_settings(void **state)
{
	static const struct {
		char *socket, *ca;
		int tls;
		const char *want[3];
	} cases[] = {
		{ NULL,
		  NULL,
		  TLS_OFF,
		  { "protocol=1;", "tls=0;tls_verify=0;init=",
		    "host=db.example;user=buzon;password=secret;name=inbox;"
		    "port=3307;socket=-;flags=0;" } },
		{ path,
		  NULL,
		  TLS_REQUIRED,
		  { "protocol=2;", "tls=1;tls_verify=0;init=",
		    "host=-;user=buzon;password=secret;name=inbox;"
		    "port=3307;socket=/run/db.sock;flags=0;" } },
		{ NULL,
		  ca,
		  TLS_VERIFIED,
		  { "protocol=1;", "tls=1;tls_verify=1;tls_ca=/etc/ca.pem;",
		    "socket=-;" } },
	};
	static const char *const always[] = {
		"connect_timeout=5;read_timeout=5;write_timeout=5;",
		"reconnect=0;local_infile=0;",
		"charset=utf8mb4;",
		"time_zone = '+00:00'",
		"sql_mode = 'STRICT_ALL_TABLES', autocommit = 1, "
		"innodb_lock_wait_timeout = 4, net_write_timeout = 6, "
		"max_statement_time = 10;",
		"TRANSACTION ISOLATION LEVEL READ COMMITTED;",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		start_again();
		settings.db_socket = cases[i].socket;
		settings.db_tls = cases[i].tls;
		settings.db_tls_ca = cases[i].ca;
		assert_int_equal(store_ping(store), ERR_OK);
		for (size_t k = 0; k < COUNT(cases[i].want); k++)
			if (!strstr(mysql_fake_options(), cases[i].want[k]))
				fail_msg("no %s in %s", cases[i].want[k],
					 mysql_fake_options());
		for (size_t k = 0; k < COUNT(always); k++)
			if (!strstr(mysql_fake_options(), always[k]))
				fail_msg("no %s in %s", always[k],
					 mysql_fake_options());
	}
	start_again();
	settings.db_timeout_secs = 2;
	assert_int_equal(store_ping(store), ERR_OK);
	assert_non_null(strstr(mysql_fake_options(), "lock_wait_timeout = 1,"));
}

/* Each of them: a server may commit nothing, or not encrypt, by itself. */
static void without_all_its_options_there_is_no_connection(void **state)
{
	size_t options;

	(void)state;
	settings.db_tls = TLS_VERIFIED;
	settings.db_tls_ca = ca;
	assert_int_equal(store_ping(store), ERR_OK);
	options = mysql_fake_calls(MYSQL_FAKE_OPTION);
	assert_true(options > 0);
	for (size_t nth = 1; nth <= options; nth++) {
		start_again();
		settings.db_tls = TLS_VERIFIED;
		settings.db_tls_ca = ca;
		mysql_fake_fail(MYSQL_FAKE_OPTION, nth, 1, 1);
		assert_int_equal(append(1), ERR_DATABASE_UNAVAILABLE);
		check_count("connect", "calls",
			    mysql_fake_calls(MYSQL_FAKE_CONNECT), 0);
		/* The next time there is memory. */
		assert_int_equal(store_ping(store), ERR_OK);
	}
}

static void without_memory_there_is_no_store(void **state)
{
	struct database *none;

	(void)state;
	mysql_fake_fail(MYSQL_FAKE_LIBRARY_INIT, 1, 1, 1);
	none = database_new(&settings);
	assert_null(none);
	database_free(&none);
	mysql_fake_fail(MYSQL_FAKE_THREAD_INIT, 1, 1, 1);
	assert_null(store_mariadb_open(database));
	store_close(NULL);
}

static void an_append_tells_what_became_of_each_row(void **state)
{
	static const struct mysql_fake_row returned[] = {
		{ 7, "ana", "hola", true }, { 8, NULL, NULL, false },
		{ 3, "eva", "hola", true }, { 4, "ana", "hol", true },
		{ 9, NULL, NULL, false },
	};
	static const struct {
		bool replayed;
		enum err result;
	} want[] = {
		{ true, ERR_OK },         { false, ERR_OK },
		{ true, ERR_KEY_REUSED }, { true, ERR_KEY_REUSED },
		{ false, ERR_OK },
	};

	(void)state;
	mysql_fake_set_rows(returned, COUNT(returned));
	assert_int_equal(append(COUNT(returned)), ERR_OK);
	for (size_t i = 0; i < COUNT(returned); i++) {
		assert_int_equal(appends[i].id, returned[i].id);
		assert_int_equal(appends[i].replayed, want[i].replayed);
		assert_int_equal(appends[i].result, want[i].result);
		assert_string_equal(appends[i].date, MYSQL_FAKE_DATE);
	}
}

static void an_append_is_one_statement_behind_the_lock(void **state)
{
	struct store_append one = { .from = SPAN("ana"),
				    .content = SPAN(""),
				    .idempotency_key = SPAN("k1") };
	struct store_append two = { .from = SPAN("e"), .content = SPAN("x") };
	struct store_append *rows[] = { &one, &two };

	(void)state;
	assert_int_equal(store_append(store, rows, 2), ERR_OK);
	assert_string_equal(
		mysql_fake_sql(),
		"INSERT INTO message (sender, content, stored_at, "
		"idempotency_key) VALUES (?, ?, (SELECT SYSDATE(6) FROM "
		"append_lock WHERE id = 1 FOR UPDATE), ?), (?, ?, SYSDATE(6), "
		"?) ON DUPLICATE KEY UPDATE replayed = TRUE RETURNING id, "
		"IF(replayed, sender, NULL), IF(replayed, content, NULL), "
		"stored_at, replayed");
	assert_string_equal(mysql_fake_parameters(), "ana||k1|e|x|NULL");
}

#define UNAVAILABLE ERR_DATABASE_UNAVAILABLE
#define UNCERTAIN ERR_WRITE_UNCERTAIN
#define REFUSES ERR_DATABASE_REFUSES

/* An append of two rows; three fetches are its end. */
static const struct append_case {
	const char *comment;
	enum mysql_fake_call call;
	size_t nth, times;
	unsigned error;
	enum err want;
	size_t executes, rollbacks;
	size_t connects; /* after one more append, which goes well */
} append_cases[] = {
	{ "nothing fails", MYSQL_FAKE_EXECUTE, 1, 0, 0, ERR_OK, 1, 0, 1 },
	{ "a deadlock", MYSQL_FAKE_EXECUTE, 1, 1, 1213, ERR_OK, 2, 0, 1 },
	{ "changed rows", MYSQL_FAKE_EXECUTE, 1, 3, 1020, ERR_OK, 4, 0, 1 },
	{ "ten deadlocks", MYSQL_FAKE_EXECUTE, 1, 10, 1213, ERR_OK, 11, 0, 1 },
	{ "deadlocks for ever", MYSQL_FAKE_EXECUTE, 1, ALWAYS, 1213,
	  UNAVAILABLE, 11, 0, 1 },
	{ "deadlock: rows", MYSQL_FAKE_FETCH, 1, 1, 1213, ERR_OK, 2, 0, 1 },
	{ "deadlock: end", MYSQL_FAKE_FETCH, 3, 1, 1213, ERR_OK, 2, 0, 1 },
	{ "a lock wait", MYSQL_FAKE_EXECUTE, 1, 1, 1205, ERR_OK, 2, 1, 1 },
	{ "two lock waits", MYSQL_FAKE_EXECUTE, 1, 2, 1205, ERR_OK, 3, 2, 1 },
	{ "lock wait: rows", MYSQL_FAKE_FETCH, 2, 1, 1205, ERR_OK, 2, 1, 1 },
	{ "lock waits for ever", MYSQL_FAKE_EXECUTE, 1, ALWAYS, 1205,
	  UNAVAILABLE, 3, 3, 1 },
	{ "lost: execute", MYSQL_FAKE_EXECUTE, 1, 1, 2013, UNCERTAIN, 1, 0, 2 },
	{ "gone: execute", MYSQL_FAKE_EXECUTE, 1, 1, 2006, UNCERTAIN, 1, 0, 2 },
	{ "libmariadb's own", MYSQL_FAKE_EXECUTE, 1, 1, 5014, UNCERTAIN, 1, 0,
	  2 },
	{ "lost: no row", MYSQL_FAKE_FETCH, 1, 1, 2013, UNCERTAIN, 1, 0, 2 },
	{ "lost: a row", MYSQL_FAKE_FETCH, 2, 1, 2013, UNCERTAIN, 1, 0, 2 },
	{ "lost: all rows", MYSQL_FAKE_FETCH, 3, 1, 2013, UNCERTAIN, 1, 0, 2 },
	{ "parameters", MYSQL_FAKE_BIND, 1, 1, 2036, UNCERTAIN, 0, 0, 2 },
	{ "no table", MYSQL_FAKE_PREPARE, 1, 1, 1146, REFUSES, 0, 0, 1 },
	{ "no right", MYSQL_FAKE_PREPARE, 1, 1, 1142, REFUSES, 0, 0, 1 },
	{ "lost: prepare", MYSQL_FAKE_PREPARE, 1, 1, 2013, UNAVAILABLE, 0, 0,
	  2 },
	{ "prepare that may be tried again", MYSQL_FAKE_PREPARE, 1, 1, 1213,
	  UNAVAILABLE, 0, 0, 1 },
	{ "no memory", MYSQL_FAKE_STATEMENT_INIT, 1, 1, 1, UNAVAILABLE, 0, 0,
	  2 },
	{ "table full", MYSQL_FAKE_EXECUTE, 1, 1, 1114, REFUSES, 1, 0, 1 },
	{ "table full: a row", MYSQL_FAKE_FETCH, 2, 1, 1114, REFUSES, 1, 0, 1 },
	{ "read only", MYSQL_FAKE_EXECUTE, 1, 1, 1290, REFUSES, 1, 0, 1 },
	{ "read only: end", MYSQL_FAKE_FETCH, 3, 1, 1290, REFUSES, 1, 0, 1 },
	{ "no lock's row", MYSQL_FAKE_FETCH, 1, 1, 1048, REFUSES, 1, 0, 1 },
	{ "no ID left", MYSQL_FAKE_FETCH, 1, 1, 1467, REFUSES, 1, 0, 1 },
	{ "took too long", MYSQL_FAKE_EXECUTE, 1, 1, 1969, UNAVAILABLE, 1, 0,
	  1 },
	{ "took too long: a row", MYSQL_FAKE_FETCH, 2, 1, 1969, UNAVAILABLE, 1,
	  0, 1 },
	{ "not ready", MYSQL_FAKE_EXECUTE, 1, 1, 1047, UNAVAILABLE, 1, 0, 2 },
	{ "disk full", MYSQL_FAKE_EXECUTE, 1, 1, 1021, UNAVAILABLE, 1, 0, 2 },
	{ "disk full: no row", MYSQL_FAKE_FETCH, 1, 1, 1021, UNAVAILABLE, 1, 0,
	  2 },
	{ "disk full: a row", MYSQL_FAKE_FETCH, 2, 1, 1021, UNCERTAIN, 1, 0,
	  2 },
	{ "killed: a row", MYSQL_FAKE_FETCH, 2, 1, 1317, UNCERTAIN, 1, 0, 2 },
	{ "commit: end", MYSQL_FAKE_FETCH, 3, 1, 1180, UNCERTAIN, 1, 0, 2 },
	{ "commit: no row", MYSQL_FAKE_FETCH, 1, 1, 1180, UNCERTAIN, 1, 0, 2 },
	{ "commit: execute", MYSQL_FAKE_EXECUTE, 1, 1, 1180, UNCERTAIN, 1, 0,
	  2 },
	{ "log of commits", MYSQL_FAKE_FETCH, 3, 1, 1026, UNCERTAIN, 1, 0, 2 },
};

static void an_append_that_fails_is_repeated_only_where_it_may(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(append_cases); i++) {
		const struct append_case *one = &append_cases[i];

		start_again();
		mysql_fake_fail(one->call, one->nth, one->times, one->error);
		check_count(one->comment, "result", append(2), one->want);
		check_count(one->comment, "executes",
			    mysql_fake_calls(MYSQL_FAKE_EXECUTE),
			    one->executes);
		check_count(one->comment, "rollbacks",
			    mysql_fake_calls(MYSQL_FAKE_ROLLBACK),
			    one->rollbacks);
		check_count(one->comment, "connects before the next append",
			    mysql_fake_calls(MYSQL_FAKE_CONNECT), 1);
		mysql_fake_fail(one->call, 1, 0, 0);
		check_count(one->comment, "result of the next", append(2),
			    ERR_OK);
		check_count(one->comment, "connects",
			    mysql_fake_calls(MYSQL_FAKE_CONNECT),
			    one->connects);
		assert_int_equal(aways, 0);
	}
}

static void a_failed_rollback_ends_the_connection(void **state)
{
	static const unsigned errors[] = { 2013, 1205, 1047 };

	(void)state;
	for (size_t i = 0; i < COUNT(errors); i++) {
		start_again();
		mysql_fake_fail(MYSQL_FAKE_EXECUTE, 1, 1, 1205);
		mysql_fake_fail(MYSQL_FAKE_ROLLBACK, 1, 1, errors[i]);
		assert_int_equal(append(1), ERR_DATABASE_UNAVAILABLE);
		assert_int_equal(mysql_fake_calls(MYSQL_FAKE_EXECUTE), 1);
		assert_int_equal(append(1), ERR_OK);
		assert_int_equal(mysql_fake_calls(MYSQL_FAKE_CONNECT), 2);
	}
}

/* A conflict, and then a loss: the first one's error is not taken for it. */
static void a_repeated_append_that_is_lost_is_uncertain(void **state)
{
	(void)state;
	mysql_fake_fail(MYSQL_FAKE_EXECUTE, 1, 1, 1213);
	mysql_fake_fail(MYSQL_FAKE_FETCH, 2, 1, 2013);
	assert_int_equal(append(2), ERR_WRITE_UNCERTAIN);
	assert_int_equal(mysql_fake_calls(MYSQL_FAKE_EXECUTE), 2);
}

static void a_row_that_does_not_fit_is_uncertain(void **state)
{
	static char sender[2000];
	const struct mysql_fake_row returned[] = { { 1, sender, "x", true } };

	(void)state;
	memset(sender, 'a', sizeof(sender) - 1);
	mysql_fake_set_rows(returned, COUNT(returned));
	assert_int_equal(append(COUNT(returned)), UNCERTAIN);
}

static void another_number_of_rows_than_given_is_uncertain(void **state)
{
	static const struct mysql_fake_row rows[4] = { { .id = 1 } };
	static const size_t counts[] = { 0, 1, 2, 4 };

	(void)state;
	for (size_t i = 0; i < COUNT(counts); i++) {
		start_again();
		mysql_fake_set_rows(rows, counts[i]);
		assert_int_equal(append(3), ERR_WRITE_UNCERTAIN);
		assert_int_equal(mysql_fake_calls(MYSQL_FAKE_EXECUTE), 1);
		mysql_fake_set_rows(rows, 3);
		assert_int_equal(append(3), ERR_OK);
		assert_int_equal(mysql_fake_calls(MYSQL_FAKE_CONNECT), 2);
	}
}

static void each_append_size_has_a_statement_of_its_own(void **state)
{
	size_t sizes = 0, last = 0;

	(void)state;
	for (size_t waiting = 1; waiting <= ROWS_MAX; waiting++) {
		size_t size = store_append_size(store, waiting);

		assert_int_equal(size,
				 waiting <= 64 ? waiting : waiting / 32 * 32);
		assert_int_equal(append(size), ERR_OK);
		assert_int_equal(appends[size - 1].result, ERR_OK);
		sizes += size != last;
		last = size;
		assert_int_equal(mysql_fake_calls(MYSQL_FAKE_PREPARE), sizes);
	}
	for (size_t size = 1; size <= 64; size++)
		assert_int_equal(append(size), ERR_OK);
	assert_int_equal(mysql_fake_calls(MYSQL_FAKE_PREPARE), sizes);
	/* Statements go with their connection. */
	mysql_fake_hang_up();
	assert_int_equal(append(1), ERR_OK);
	assert_int_equal(append(1), ERR_OK);
	assert_int_equal(mysql_fake_calls(MYSQL_FAKE_PREPARE), sizes + 1);
}

static void a_stale_connection_is_replaced_before_anything_is_sent(void **state)
{
	size_t visits = 0;

	(void)state;
	assert_int_equal(append(1), ERR_OK);
	mysql_fake_hang_up();
	assert_int_equal(append(1), ERR_OK);
	mysql_fake_hang_up();
	assert_int_equal(find(1, count_visit, &visits), ERR_OK);
	mysql_fake_hang_up();
	assert_int_equal(store_ping(store), ERR_OK);
	assert_int_equal(mysql_fake_calls(MYSQL_FAKE_CONNECT), 4);
	assert_int_equal(mysql_fake_calls(MYSQL_FAKE_EXECUTE), 3);
	assert_int_equal(mysql_fake_calls(MYSQL_FAKE_QUERY), 1);
}

static const struct mysql_fake_row found[] = {
	{ .id = 1, .sender = "ana", .content = "hola" },
	{ .id = 2, .sender = "e", .content = "" },
};

static bool check_visit(const struct message *message, void *context)
{
	size_t *visits = context;
	const struct mysql_fake_row *want = &found[*visits];

	assert_in_range(*visits, 0, COUNT(found) - 1);
	assert_int_equal(message->id, want->id);
	assert_true(span_equal(message->from, span_of(want->sender)));
	assert_true(span_equal(message->content, span_of(want->content)));
	assert_string_equal(message->date, MYSQL_FAKE_DATE);
	(*visits)++;
	return true;
}

static bool check_id_visit(const struct message *message, void *context)
{
	assert_int_equal(message->from.length, 0);
	assert_int_equal(message->content.length, 0);
	assert_string_equal(message->date, "");
	return count_visit(message, context);
}

static void what_was_seen_is_known_as_long_as_its_connection(void **state)
{
	static const struct mysql_fake_row high[] = { { 7, "a", "b", false },
						      { 9, "a", "b", false },
						      { 3, "a", "b", false } };
	static const struct mysql_fake_row low[] = { { 5, "a", "b", false } };
	const struct filter filter = { .given = 0 };
	size_t visits = 0;

	(void)state;
	assert_int_equal(store_seen_id(store), 0);
	mysql_fake_set_rows(high, COUNT(high));
	assert_int_equal(store_read(store, &filter, count_visit, &visits),
			 ERR_OK);
	assert_int_equal(store_seen_id(store), 9);
	mysql_fake_set_rows(low, COUNT(low));
	assert_int_equal(store_read(store, &filter, count_visit, &visits),
			 ERR_OK);
	assert_int_equal(store_seen_id(store), 9);
	mysql_fake_hang_up();
	assert_int_equal(store_read(store, &filter, count_visit, &visits),
			 ERR_OK);
	assert_int_equal(store_seen_id(store), 5);
}

static void a_read_visits_each_message(void **state)
{
	struct filter filter = { .given = 0 };
	size_t visits = 0;

	(void)state;
	mysql_fake_set_rows(found, COUNT(found));
	assert_int_equal(store_read(store, &filter, check_visit, &visits),
			 ERR_OK);
	assert_int_equal(visits, COUNT(found));
	filter.ids_only = true;
	assert_int_equal(store_read(store, &filter, check_id_visit, &visits),
			 ERR_OK);
	assert_int_equal(visits, 2 * COUNT(found));
}

static bool check_texts(const struct message *message, void *context)
{
	const char *const *want = context;

	if (!span_equal(message->from, span_of(want[0])) ||
	    !span_equal(message->content, span_of(want[1])))
		fail_msg("%.*s, %.*s", (int)message->from.length,
			 message->from.data, (int)message->content.length,
			 message->content.data);
	return true;
}

#define BAD "\xef\xbf\xbd"

/* MariaDB takes them for utf8mb4, from whoever writes into the table. */
static void surrogates_are_read_as_the_replacement_character(void **state)
{
	static const struct {
		const char *sender, *content;
		const char *want[2];
	} cases[] = {
		{ "ana", "hola", { "ana", "hola" } },
		{ "\xed\xa0\x80", "x", { BAD, "x" } },
		{ "x", "\xed\xbf\xbf", { "x", BAD } },
		{ "a\xed\xa0\x80\xed\xb0\x80z",
		  "\xed\xa0\x80 \xed\xb0\x80",
		  { "a" BAD BAD "z", BAD " " BAD } },
		/* the last before them, the first behind */
		{ "\xed\x9f\xbf",
		  "\xee\x80\x80 \xed\x80\x80",
		  { "\xed\x9f\xbf", "\xee\x80\x80 \xed\x80\x80" } },
		/* no more than a part of one, which MariaDB does not take */
		{ "\xed", "x\xed\xa0", { "\xed", "x\xed\xa0" } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct mysql_fake_row row = {
			.id = 1,
			.sender = cases[i].sender,
			.content = cases[i].content,
		};

		mysql_fake_set_rows(&row, 1);
		assert_int_equal(find(1, check_texts, (void *)cases[i].want),
				 ERR_OK);
	}
}

/* A find of two messages; the third fetch is the end. */
static const struct find_case {
	const char *comment;
	enum mysql_fake_call call;
	size_t nth, times;
	unsigned error;
	enum err want;
	size_t executes, connects, visits;
} find_cases[] = {
	{ "nothing fails", MYSQL_FAKE_EXECUTE, 1, 0, 0, ERR_OK, 1, 1, 2 },
	{ "lost", MYSQL_FAKE_EXECUTE, 1, 1, 2013, ERR_OK, 2, 2, 2 },
	{ "lost twice", MYSQL_FAKE_EXECUTE, 1, 2, 2006, UNAVAILABLE, 2, 2, 0 },
	{ "a deadlock", MYSQL_FAKE_EXECUTE, 1, 1, 1213, ERR_OK, 2, 1, 2 },
	{ "refused", MYSQL_FAKE_EXECUTE, 1, 1, 1142, REFUSES, 1, 1, 0 },
	{ "lost: no row", MYSQL_FAKE_FETCH, 1, 1, 2013, ERR_OK, 2, 2, 2 },
	{ "killed: no row", MYSQL_FAKE_FETCH, 1, 1, 1317, UNAVAILABLE, 1, 1,
	  0 },
	{ "took too long", MYSQL_FAKE_FETCH, 1, 1, 1969, UNAVAILABLE, 1, 1, 0 },
	{ "lost: a row", MYSQL_FAKE_FETCH, 2, 1, 2013, UNAVAILABLE, 1, 1, 1 },
	{ "lost: all rows", MYSQL_FAKE_FETCH, 3, 1, 2013, UNAVAILABLE, 1, 1,
	  2 },
	{ "lost: behind the rows", MYSQL_FAKE_FREE_RESULT, 1, 1, 2013,
	  UNAVAILABLE, 1, 1, 2 },
	{ "lost: prepare", MYSQL_FAKE_PREPARE, 1, 1, 2013, ERR_OK, 1, 2, 2 },
	{ "lost: prepare, twice", MYSQL_FAKE_PREPARE, 1, 2, 2013, UNAVAILABLE,
	  0, 2, 0 },
	{ "lost: no statement", MYSQL_FAKE_STATEMENT_INIT, 1, 1, 2008, ERR_OK,
	  1, 2, 2 },
	{ "no table", MYSQL_FAKE_PREPARE, 1, 1, 1146, REFUSES, 0, 1, 0 },
};

static void a_find_is_tried_again_only_before_the_first_visit(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(find_cases); i++) {
		const struct find_case *one = &find_cases[i];
		size_t visits = 0;

		start_again();
		mysql_fake_set_rows(found, COUNT(found));
		mysql_fake_fail(one->call, one->nth, one->times, one->error);
		check_count(one->comment, "result",
			    find(1, check_visit, &visits), one->want);
		check_count(one->comment, "visits", visits, one->visits);
		check_count(one->comment, "executes",
			    mysql_fake_calls(MYSQL_FAKE_EXECUTE),
			    one->executes);
		check_count(one->comment, "connects",
			    mysql_fake_calls(MYSQL_FAKE_CONNECT),
			    one->connects);
		visits = 0;
		mysql_fake_fail(one->call, 1, 0, 0);
		check_count(one->comment, "result of the next",
			    find(1, check_visit, &visits), ERR_OK);
		assert_int_equal(aways, 0);
	}
}

static void a_visit_ends_the_reading(void **state)
{
	size_t visits = 0;

	(void)state;
	mysql_fake_set_rows(found, COUNT(found));
	for (size_t i = 1; i <= 3; i++) {
		assert_int_equal(find(1, stop_visit, &visits), ERR_OK);
		assert_int_equal(visits, i);
	}
	assert_int_equal(mysql_fake_calls(MYSQL_FAKE_CONNECT), 1);
	assert_int_equal(mysql_fake_calls(MYSQL_FAKE_PREPARE), 1);
}

static void a_message_too_large_for_the_api_is_not_visited(void **state)
{
	static char content[MESSAGE_CONTENT_BYTES_MAX + 2];
	const struct mysql_fake_row row = { .sender = "ana",
					    .content = content };
	size_t visits = 0;

	(void)state;
	memset(content, 'x', sizeof(content) - 1);
	mysql_fake_set_rows(&row, 1);
	assert_int_equal(find(1, count_visit, &visits), UNAVAILABLE);
	assert_int_equal(visits, 0);
	content[MESSAGE_CONTENT_BYTES_MAX] = '\0';
	assert_int_equal(find(1, count_visit, &visits), ERR_OK);
	assert_int_equal(visits, 1);
}

#define COLUMNS "SELECT id, sender, content, stored_at FROM message "
#define BY(index) "FORCE INDEX (" index ") WHERE TRUE "
#define CONTENT                                                                \
	"AND content_digest = LEFT(UNHEX(SHA2(?, 256)), 16) AND content = ? "

#define GIVEN(key) FILTER_BIT(FILTER_##key)

static void each_filter_is_a_condition(void **state)
{
	static const struct {
		struct filter filter;
		const char *sql, *parameters;
	} cases[] = {
		{ { .given = 0 },
		  COLUMNS BY("PRIMARY") "ORDER BY id ASC LIMIT ?",
		  "9223372036854775807" },
		{ { .given = GIVEN(FROM) | GIVEN(LIMIT),
		    .values = { [FILTER_FROM] = { .text = { "ana", 3 } },
				[FILTER_LIMIT] = { .number = 5 } } },
		  COLUMNS BY("message_sender") "AND sender = ? "
					       "ORDER BY id ASC LIMIT ?",
		  "ana|5" },
		{ { .given = GIVEN(CONTENT) | GIVEN(ORDER) | GIVEN(LIMIT),
		    .values = { [FILTER_CONTENT] = { .text = { "x", 1 } },
				[FILTER_LIMIT] = { .number = 5 } } },
		  COLUMNS BY("message_content") CONTENT
		  "ORDER BY id DESC LIMIT ?",
		  "x|x|5" },
		{ { .given = GIVEN(FROM) | GIVEN(CONTENT) | GIVEN(BEFORE) |
			     GIVEN(LIMIT),
		    .values = { [FILTER_FROM] = { .text = { "", 0 } },
				[FILTER_CONTENT] = { .text = { "x", 1 } },
				[FILTER_BEFORE] = { .number = 8 },
				[FILTER_LIMIT] = { .number = 5 } },
		    .ids_only = true },
		  "SELECT id FROM message " BY(
			  "message_sender_content") "AND "
						    "sender = ? " CONTENT
						    "AND id < ? ORDER BY id "
						    "ASC LIMIT ?",
		  "|x|x|8|5" },
		{ { .given = GIVEN(AFTER) | GIVEN(LIMIT),
		    .values = { [FILTER_AFTER] = { .number = UINT64_MAX },
				[FILTER_LIMIT] = { .number = 1 } } },
		  COLUMNS BY("PRIMARY") "AND id > ? ORDER BY id ASC LIMIT ?",
		  "18446744073709551615|1" },
		{ { .given = GIVEN(KEYS) - 1,
		    .values = { [FILTER_FROM] = { .text = { "ana", 3 } },
				[FILTER_CONTENT] = { .text = { "x", 1 } },
				[FILTER_ID] = { .number = 4 },
				[FILTER_AFTER] = { .number = 3 },
				[FILTER_BEFORE] = { .number = 9 },
				[FILTER_LIMIT] = { .number = 2 } } },
		  COLUMNS BY("PRIMARY") "AND sender = ? " CONTENT
					"AND id = ? AND id > ? AND id < ? "
					"ORDER BY id DESC LIMIT ?",
		  "ana|x|x|4|3|9|2" },
	};
	size_t visits;

	(void)state;
	mysql_fake_set_rows(NULL, 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(store_read(store, &cases[i].filter,
					    count_visit, &visits),
				 ERR_OK);
		assert_string_equal(mysql_fake_sql(), cases[i].sql);
		assert_string_equal(mysql_fake_parameters(),
				    cases[i].parameters);
	}
}

static void each_set_of_filters_has_a_statement_of_its_own(void **state)
{
	size_t visits;

	(void)state;
	mysql_fake_set_rows(NULL, 0);
	for (size_t i = 0; i < 2 * 128; i++) {
		const struct filter filter = {
			.given = i & (GIVEN(LIMIT) - 1),
			.values = { [FILTER_FROM] = { .text = SPAN("ana") },
				    [FILTER_CONTENT] = { .text = SPAN("x") } },
			.ids_only = i & GIVEN(LIMIT),
		};

		assert_int_equal(
			store_read(store, &filter, count_visit, &visits),
			ERR_OK);
		assert_int_equal(mysql_fake_calls(MYSQL_FAKE_PREPARE),
				 i < 128 ? i + 1 : 128);
	}
}

static void a_find_asks_again_for_the_last_to_fill_up(void **state)
{
	static const struct {
		size_t count;
		const char *places, *parameters;
	} cases[] = {
		{ 1, "(?)", "1" },
		{ 2, "(?, ?)", "1|2" },
		{ 3, "(?, ?, ?, ?)", "1|2|3|3" },
		{ 4, "(?, ?, ?, ?)", "1|2|3|4" },
		{ 5, "(?, ?, ?, ?, ?, ?, ?, ?)", "1|2|3|4|5|5|5|5" },
	};
	uint64_t ids[STORE_FIND_MAX];
	size_t visits;

	(void)state;
	for (size_t i = 0; i < STORE_FIND_MAX; i++)
		ids[i] = i + 1;
	mysql_fake_set_rows(NULL, 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(store_find(store, ids, cases[i].count,
					    count_visit, &visits),
				 ERR_OK);
		assert_non_null(strstr(mysql_fake_sql(), cases[i].places));
		assert_string_equal(mysql_fake_parameters(),
				    cases[i].parameters);
	}
	for (size_t count = 1; count <= STORE_FIND_MAX; count++)
		assert_int_equal(
			store_find(store, ids, count, count_visit, &visits),
			ERR_OK);
	assert_int_equal(mysql_fake_calls(MYSQL_FAKE_PREPARE), 7);
}

static void while_it_is_away_only_ping_connects(void **state)
{
	static const enum mysql_fake_call calls[] = { MYSQL_FAKE_INIT,
						      MYSQL_FAKE_CONNECT };
	size_t visits;

	(void)state;
	for (size_t i = 0; i < COUNT(calls); i++) {
		start_again();
		mysql_fake_fail(calls[i], 1, 2, 2002);
		assert_int_equal(append(1), ERR_DATABASE_UNAVAILABLE);
		assert_int_equal(aways, 1);
		assert_int_equal(append(1), ERR_DATABASE_UNAVAILABLE);
		assert_int_equal(find(1, count_visit, &visits), UNAVAILABLE);
		assert_int_equal(mysql_fake_calls(calls[i]), 1);
		assert_int_equal(store_ping(store), ERR_DATABASE_UNAVAILABLE);
		assert_int_equal(mysql_fake_calls(calls[i]), 2);
		assert_int_equal(aways, 1);
		assert_int_equal(mysql_fake_calls(MYSQL_FAKE_PREPARE), 0);
		assert_int_equal(store_ping(store), ERR_OK);
		assert_int_equal(append(1), ERR_OK);
		mysql_fake_fail(calls[i], 1, 1, 2002);
		mysql_fake_hang_up();
		assert_int_equal(append(1), ERR_DATABASE_UNAVAILABLE);
		assert_int_equal(aways, 2);
	}
}

static enum err append_to(struct store *other)
{
	struct store_append row = { .from = SPAN("a"), .content = SPAN("b") };
	struct store_append *rows[] = { &row };

	return store_append(other, rows, 1);
}

/* Tries again after 50 ms, 100 ms and so on; the others serve meanwhile. */
static void a_limit_of_connections_is_one_store_s_matter(void **state)
{
	static const unsigned errors[] = { 1040, 1203, 1226 };
	static const int64_t pauses_ms[] = {
		50, 100, 200, 400, 800, 1000, 1000
	};

	(void)state;
	for (size_t i = 0; i < COUNT(errors); i++) {
		struct store *other;

		start_again();
		other = store_mariadb_open(database);
		assert_int_equal(append_to(other), ERR_OK);
		mysql_fake_fail(MYSQL_FAKE_CONNECT, 1, ALWAYS, errors[i]);
		for (size_t k = 0; k < COUNT(pauses_ms); k++) {
			assert_int_equal(append(1), UNAVAILABLE);
			mysql_fake_pass_ms(pauses_ms[k] - 1);
			assert_int_equal(append(1), UNAVAILABLE);
			assert_int_equal(mysql_fake_calls(MYSQL_FAKE_CONNECT),
					 2 + k);
			assert_int_equal(append_to(other), ERR_OK);
			mysql_fake_pass_ms(1);
		}
		mysql_fake_fail(MYSQL_FAKE_CONNECT, 1, 0, 0);
		assert_int_equal(append(1), ERR_OK);
		assert_int_equal(aways, 0);
		store_close(other);
	}
}

/* Who asks whether it is there may be the one that is refused. */
static void a_ping_that_meets_a_limit_tells_nobody(void **state)
{
	struct store *other = store_mariadb_open(database);

	(void)state;
	assert_int_equal(append_to(other), ERR_OK);
	mysql_fake_fail(MYSQL_FAKE_CONNECT, 1, 1, 1040);
	assert_int_equal(store_ping(store), UNAVAILABLE);
	assert_int_equal(append_to(other), ERR_OK);
	assert_int_equal(aways, 0);
	mysql_fake_pass_ms(50);
	assert_int_equal(store_ping(store), ERR_OK);
	store_close(other);
}

/* An old connection may be cut while the database is well; a new one is not. */
static void a_ping_asks_once_more_over_a_new_connection(void **state)
{
	static const struct {
		bool was_open;
		enum mysql_fake_call call;
		size_t times;
		unsigned error;
		enum err want;
		size_t connects;
		int aways;
	} cases[] = {
		{ true, MYSQL_FAKE_QUERY, 1, 2006, ERR_OK, 2, 0 },
		{ true, MYSQL_FAKE_QUERY, 1, 1047, ERR_OK, 2, 0 },
		{ true, MYSQL_FAKE_QUERY, 1, 1146, REFUSES, 1, 0 },
		{ true, MYSQL_FAKE_STORE_RESULT, 1, 2013, ERR_OK, 2, 0 },
		{ true, MYSQL_FAKE_QUERY, 2, 2013, UNAVAILABLE, 2, 1 },
		{ true, MYSQL_FAKE_QUERY, 1, 1205, UNAVAILABLE, 1, 1 },
		{ false, MYSQL_FAKE_QUERY, 1, 2013, UNAVAILABLE, 1, 1 },
		{ false, MYSQL_FAKE_QUERY, 1, 1146, REFUSES, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		start_again();
		if (cases[i].was_open)
			assert_int_equal(append(1), ERR_OK);
		mysql_fake_fail(cases[i].call, 1, cases[i].times,
				cases[i].error);
		assert_int_equal(store_ping(store), cases[i].want);
		assert_int_equal(mysql_fake_calls(MYSQL_FAKE_CONNECT),
				 cases[i].connects);
		assert_int_equal(aways, cases[i].aways);
		assert_int_equal(store_ping(store), ERR_OK);
		assert_int_equal(aways, cases[i].aways);
	}
}

/* It is there: what it does for readers, it goes on doing. */
static void a_read_only_database_refuses_and_is_here(void **state)
{
	size_t visits = 0;

	(void)state;
	mysql_fake_set_read_only(true);
	assert_int_equal(store_ping(store), REFUSES);
	mysql_fake_set_rows(found, COUNT(found));
	assert_int_equal(find(1, check_visit, &visits), ERR_OK);
	assert_int_equal(aways, 0);
	mysql_fake_set_read_only(false);
	assert_int_equal(store_ping(store), ERR_OK);
	assert_int_equal(mysql_fake_calls(MYSQL_FAKE_CONNECT), 1);
}

static void only_a_silent_database_is_away(void **state)
{
	static const struct {
		enum mysql_fake_call call;
		int64_t ms;
		unsigned error;
		int aways;
	} cases[] = {
		{ MYSQL_FAKE_EXECUTE, TIMEOUT_SECS * 900 - 1, 2013, 0 },
		{ MYSQL_FAKE_EXECUTE, TIMEOUT_SECS * 900, 2013, 1 },
		{ MYSQL_FAKE_FETCH, TIMEOUT_SECS * 900, 2013, 1 },
		{ MYSQL_FAKE_EXECUTE, TIMEOUT_SECS * 900, 1290, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		start_again();
		assert_int_equal(append(1), ERR_OK);
		mysql_fake_take_ms(cases[i].ms);
		mysql_fake_fail(cases[i].call, 1, 1, cases[i].error);
		assert_int_not_equal(append(1), ERR_OK);
		assert_int_equal(aways, cases[i].aways);
		assert_int_equal(append(1), aways ? UNAVAILABLE : ERR_OK);
	}
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, mariadb_set_up, mariadb_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(connection_follows_the_settings),
		TEST(without_all_its_options_there_is_no_connection),
		TEST(without_memory_there_is_no_store),
		TEST(an_append_tells_what_became_of_each_row),
		TEST(an_append_is_one_statement_behind_the_lock),
		TEST(an_append_that_fails_is_repeated_only_where_it_may),
		TEST(a_failed_rollback_ends_the_connection),
		TEST(a_repeated_append_that_is_lost_is_uncertain),
		TEST(another_number_of_rows_than_given_is_uncertain),
		TEST(a_row_that_does_not_fit_is_uncertain),
		TEST(each_append_size_has_a_statement_of_its_own),
		TEST(a_stale_connection_is_replaced_before_anything_is_sent),
		TEST(a_read_visits_each_message),
		TEST(what_was_seen_is_known_as_long_as_its_connection),
		TEST(surrogates_are_read_as_the_replacement_character),
		TEST(a_find_is_tried_again_only_before_the_first_visit),
		TEST(a_visit_ends_the_reading),
		TEST(a_message_too_large_for_the_api_is_not_visited),
		TEST(each_filter_is_a_condition),
		TEST(each_set_of_filters_has_a_statement_of_its_own),
		TEST(a_find_asks_again_for_the_last_to_fill_up),
		TEST(while_it_is_away_only_ping_connects),
		TEST(a_limit_of_connections_is_one_store_s_matter),
		TEST(a_ping_that_meets_a_limit_tells_nobody),
		TEST(a_ping_asks_once_more_over_a_new_connection),
		TEST(a_read_only_database_refuses_and_is_here),
		TEST(only_a_silent_database_is_away),
	};

	return cmocka_run_group_tests_name("store_mariadb", tests, NULL, NULL);
}
