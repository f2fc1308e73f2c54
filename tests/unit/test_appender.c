/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inbox/appender.h"
#include "store_fake.h"

enum { QUEUE_MAX = 3000, ROWS_MAX = 100, PATIENCE_SECS = 20 };

/* An append and what became of it. */
struct sent {
	struct append append; /* first: done() casts */
	atomic_int dones;
	int place; /* in the order of done() */
	char from[16];
};

static struct store_fake *fake;
static struct appender *appender;
static struct sent sents[QUEUE_MAX + ROWS_MAX + 1];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int places; /* how often done() was called */

static void done(struct append *append)
{
	struct sent *sent = (struct sent *)append;

	pthread_mutex_lock(&mutex);
	sent->place = places++;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&mutex);
	atomic_fetch_add(&sent->dones, 1);
}

static void await_dones(int count)
{
	struct timespec end;
	bool came;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE_SECS;
	pthread_mutex_lock(&mutex);
	while (places < count &&
	       pthread_cond_timedwait(&changed, &mutex, &end) == 0)
		;
	came = places >= count;
	pthread_mutex_unlock(&mutex);
	assert_true(came);
}

static int set_up(void **state)
{
	(void)state;
	fake = store_fake_new();
	memset(sents, 0, sizeof(sents));
	places = 0;
	for (size_t i = 0; i < sizeof(sents) / sizeof(sents[0]); i++) {
		struct buf from;

		buf_init(&from, sizeof(sents[i].from) - 1);
		buf_appendf(&from, "from %zu", i);
		memcpy(sents[i].from, from.data, from.length);
		buf_deinit(&from);
		sents[i].append.done = done;
		sents[i].append.row.from = span_of(sents[i].from);
		sents[i].append.row.content = SPAN("content");
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_fake_release_all(fake);
	appender_free(&appender);
	store_fake_free(&fake);
	return 0;
}

static void start(size_t queue_max, size_t rows_max)
{
	appender = appender_new(store_fake_open, fake, queue_max, rows_max);
	assert_non_null(appender);
}

static void submit(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		assert_int_equal(appender_submit(appender, &sents[i].append),
				 ERR_OK);
}

/* Sends the first of all and waits until its commit is held up. */
static void hold_one(void)
{
	store_fake_hold(fake, STORE_FAKE_APPEND);
	submit(0, 1);
	assert_true(store_fake_await_held(fake, STORE_FAKE_APPEND, 1));
}

/* Lets all be committed, and ends the thread, which makes them visible. */
static void finish(void)
{
	store_fake_release(fake, STORE_FAKE_APPEND);
	appender_free(&appender);
	assert_null(appender);
}

static void assert_done(size_t count, enum err err)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(atomic_load(&sents[i].dones), 1);
		assert_int_equal(sents[i].append.err, err);
		assert_int_equal(sents[i].place, i);
		if (err != ERR_OK)
			continue;
		assert_int_equal(sents[i].append.row.result, ERR_OK);
		assert_int_equal(sents[i].append.row.id, i + 1);
		assert_false(sents[i].append.row.replayed);
		assert_int_equal(strlen(sents[i].append.row.date), 27);
	}
}

static void assert_batches(const size_t *sizes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(store_fake_batch(fake, STORE_FAKE_APPEND, i),
				 sizes[i]);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_APPEND), count);
}

static void one_that_is_alone_is_committed_at_once(void **state)
{
	(void)state;
	start(QUEUE_MAX, ROWS_MAX);
	submit(0, 1);
	assert_true(store_fake_await_calls(fake, STORE_FAKE_APPEND, 1));
	finish();
	assert_done(1, ERR_OK);
	assert_batches((size_t[]){ 1 }, 1);
}

static void those_that_come_during_a_commit_go_together_in_order(void **state)
{
	(void)state;
	start(QUEUE_MAX, ROWS_MAX);
	hold_one();
	submit(1, 51);
	finish();
	assert_done(51, ERR_OK);
	assert_batches((size_t[]){ 1, 50 }, 2);
	assert_int_equal(store_fake_count(fake), 51);
}

static void a_batch_has_its_most_rows(void **state)
{
	(void)state;
	start(QUEUE_MAX, ROWS_MAX);
	hold_one();
	submit(1, 1 + 2 * ROWS_MAX + 1);
	finish();
	assert_done(1 + 2 * ROWS_MAX + 1, ERR_OK);
	assert_batches((size_t[]){ 1, ROWS_MAX, ROWS_MAX, 1 }, 4);
}

static void the_store_may_want_fewer_rows(void **state)
{
	(void)state;
	store_fake_prefer_powers_of_two(fake);
	start(QUEUE_MAX, ROWS_MAX);
	hold_one();
	submit(1, 1 + 77);
	finish();
	assert_done(1 + 77, ERR_OK);
	assert_batches((size_t[]){ 1, 64, 8, 4, 1 }, 5);
}

static void a_batch_has_its_most_bytes(void **state)
{
	enum { MIB = 1024 * 1024 };
	/* How much the content of each append is. */
	static const size_t contents[] = {
		10,           /* 0: the one that is held */
		MIB,          /* 1 to 4: 4 MiB with what else is in them … */
		MIB,          /* … is too much for one batch */
		MIB,     MIB, /* 4 alone with 5 */
		10,           /* 5 */
		5 * MIB,      /* 6: alone, however large */
		10,      10,  /* 7, 8 */
	};
	enum { APPENDS = sizeof(contents) / sizeof(contents[0]) };
	char *content = malloc(5 * MIB);

	(void)state;
	assert_non_null(content);
	memset(content, 'c', 5 * MIB);
	start(QUEUE_MAX, ROWS_MAX);
	for (size_t i = 0; i < APPENDS; i++)
		sents[i].append.row.content =
			(struct span){ content, contents[i] };
	hold_one();
	submit(1, APPENDS);
	finish();
	free(content);
	for (size_t i = 0; i < APPENDS; i++)
		assert_int_equal(sents[i].append.err, ERR_OK);
	assert_batches((size_t[]){ 1, 3, 2, 1, 2 }, 5);
}

static void one_more_than_the_queue_holds_is_overloaded(void **state)
{
	(void)state;
	start(5, 2);
	hold_one();
	submit(1, 6);
	assert_int_equal(appender_submit(appender, &sents[6].append),
			 ERR_OVERLOADED);
	/* A batch of two is taken: two places are free. */
	store_fake_release_one(fake, STORE_FAKE_APPEND);
	assert_true(store_fake_await_calls(fake, STORE_FAKE_APPEND, 2));
	submit(6, 8);
	assert_int_equal(appender_submit(appender, &sents[8].append),
			 ERR_OVERLOADED);
	finish();
	assert_done(8, ERR_OK);
	assert_int_equal(atomic_load(&sents[8].dones), 0);
}

static void an_error_reaches_each_of_its_batch_alone(void **state)
{
	static const enum err errors[] = {
		ERR_DATABASE_UNAVAILABLE,
		ERR_WRITE_UNCERTAIN,
		ERR_OUT_OF_MEMORY,
		ERR_INTERNAL,
	};

	(void)state;
	start(QUEUE_MAX, 10);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		size_t first = i * 31;

		store_fake_hold(fake, STORE_FAKE_APPEND);
		submit(first, first + 1);
		assert_true(store_fake_await_held(fake, STORE_FAKE_APPEND, 1));
		/* Of 10, 10 and 10 the second ones fail. */
		store_fake_fail(fake, STORE_FAKE_APPEND, 2, 1, errors[i]);
		submit(first + 1, first + 31);
		store_fake_release(fake, STORE_FAKE_APPEND);
		assert_true(store_fake_await_calls(fake, STORE_FAKE_APPEND,
						   4 * (i + 1)));
	}
	finish();
	for (size_t i = 0; i < 31 * 4; i++) {
		bool failed = i % 31 > 10 && i % 31 <= 20;

		assert_int_equal(atomic_load(&sents[i].dones), 1);
		assert_int_equal(sents[i].append.err,
				 failed ? errors[i / 31] : ERR_OK);
	}
	assert_int_equal(store_fake_count(fake), 21 * 4);
}

static void each_row_gets_its_own_result(void **state)
{
	(void)state;
	start(QUEUE_MAX, ROWS_MAX);
	hold_one();
	for (size_t i = 1; i < 4; i++)
		sents[i].append.row.idempotency_key = SPAN("key");
	sents[2].append.row.from = sents[1].append.row.from;
	submit(1, 5);
	finish();
	assert_int_equal(sents[1].append.row.result, ERR_OK);
	assert_false(sents[1].append.row.replayed);
	assert_int_equal(sents[1].append.row.id, 2);
	assert_int_equal(sents[2].append.row.result, ERR_OK);
	assert_true(sents[2].append.row.replayed);
	assert_int_equal(sents[2].append.row.id, 2);
	assert_string_equal(sents[2].append.row.date, sents[1].append.row.date);
	assert_int_equal(sents[3].append.row.result, ERR_KEY_REUSED);
	assert_int_equal(sents[4].append.row.id, 3);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(sents[i].append.err, ERR_OK);
}

static void what_waits_at_the_end_is_committed(void **state)
{
	(void)state;
	start(QUEUE_MAX, ROWS_MAX);
	submit(0, QUEUE_MAX);
	finish();
	assert_done(QUEUE_MAX, ERR_OK);
	assert_int_equal(store_fake_count(fake), QUEUE_MAX);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_CLOSE), 1);
}

static void an_appender_that_had_nothing_to_do_ends(void **state)
{
	(void)state;
	start(1, 1);
	finish();
	appender_free(&appender);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_APPEND), 0);
}

static void without_a_store_appends_fail_until_there_is_one(void **state)
{
	(void)state;
	store_fake_fail(fake, STORE_FAKE_OPEN, 1, 1000000, ERR_OUT_OF_MEMORY);
	start(QUEUE_MAX, ROWS_MAX);
	submit(0, 20);
	await_dones(20);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_APPEND), 0);

	/* There is memory again; a thread that waits tries with the next. */
	store_fake_fail(fake, STORE_FAKE_OPEN, 1, 0, ERR_OK);
	submit(20, 21);
	await_dones(21);
	submit(21, 40);
	finish();
	for (size_t i = 0; i < 40; i++)
		assert_int_equal(atomic_load(&sents[i].dones), 1);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(sents[i].append.err, ERR_OUT_OF_MEMORY);
	for (size_t i = 21; i < 40; i++)
		assert_int_equal(sents[i].append.err, ERR_OK);
}

static void what_gathers_without_a_store_has_the_rows_it_wants(void **state)
{
	(void)state;
	store_fake_prefer_powers_of_two(fake);
	store_fake_hold(fake, STORE_FAKE_OPEN);
	store_fake_fail(fake, STORE_FAKE_OPEN, 1, 1, ERR_OUT_OF_MEMORY);
	start(QUEUE_MAX, ROWS_MAX);
	submit(0, 77);
	assert_true(store_fake_await_held(fake, STORE_FAKE_OPEN, 1));
	store_fake_release(fake, STORE_FAKE_OPEN);
	finish();
	for (size_t i = 0; i < store_fake_calls(fake, STORE_FAKE_APPEND); i++) {
		size_t rows = store_fake_batch(fake, STORE_FAKE_APPEND, i);

		if (rows == 0 || (rows & (rows - 1)) != 0)
			fail_msg("append %zu has %zu rows", i, rows);
	}
	assert_true(store_fake_count(fake) >= 76);
}

struct sender {
	pthread_t thread;
	size_t from, to;
};

static void *send_all(void *argument)
{
	const struct sender *sender = argument;

	submit(sender->from, sender->to);
	return NULL;
}

static void many_threads_may_submit(void **state)
{
	enum { SENDERS = 6, EACH = QUEUE_MAX / SENDERS };
	struct sender senders[SENDERS];

	(void)state;
	start(QUEUE_MAX, ROWS_MAX);
	for (size_t i = 0; i < SENDERS; i++) {
		senders[i].from = i * EACH;
		senders[i].to = (i + 1) * EACH;
		assert_int_equal(pthread_create(&senders[i].thread, NULL,
						send_all, &senders[i]),
				 0);
	}
	for (size_t i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
	finish();
	assert_int_equal(store_fake_count(fake), SENDERS * EACH);
	for (size_t i = 0; i < SENDERS * EACH; i++) {
		assert_int_equal(atomic_load(&sents[i].dones), 1);
		/* Each thread's own stay in their order. */
		if (i % EACH > 0)
			assert_true(sents[i].append.row.id >
				    sents[i - 1].append.row.id);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_is_alone_is_committed_at_once),
		TEST(those_that_come_during_a_commit_go_together_in_order),
		TEST(a_batch_has_its_most_rows),
		TEST(the_store_may_want_fewer_rows),
		TEST(a_batch_has_its_most_bytes),
		TEST(one_more_than_the_queue_holds_is_overloaded),
		TEST(an_error_reaches_each_of_its_batch_alone),
		TEST(each_row_gets_its_own_result),
		TEST(what_waits_at_the_end_is_committed),
		TEST(an_appender_that_had_nothing_to_do_ends),
		TEST(without_a_store_appends_fail_until_there_is_one),
		TEST(what_gathers_without_a_store_has_the_rows_it_wants),
		TEST(many_threads_may_submit),
	};

	return cmocka_run_group_tests_name("appender", tests, NULL, NULL);
}
