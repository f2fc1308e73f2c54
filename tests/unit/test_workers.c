/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "gate/workers.h"
#include "store_fake.h"

enum { EXCHANGES_MAX = 2000 };

/* What a test sees of its exchanges; done() has no context of its own. */
static struct store_fake *fake;
static struct workers *workers;
static struct exchange exchanges[EXCHANGES_MAX];
static atomic_int steps[EXCHANGES_MAX];
static atomic_int dones[EXCHANGES_MAX];
static atomic_int outcomes[EXCHANGES_MAX];
static atomic_int places[EXCHANGES_MAX]; /* in the order of the steps */
static atomic_int stepped;
static atomic_int without_store;

static void done(struct exchange *exchange, enum exchange_outcome outcome)
{
	ptrdiff_t i = exchange - exchanges;

	atomic_store(&outcomes[i], (int)outcome);
	atomic_fetch_add(&dones[i], 1);
}

/* Pings, so that a test can count it and hold it up. */
static enum exchange_outcome step(struct exchange *exchange,
				  struct store *store)
{
	ptrdiff_t i = exchange - exchanges;

	atomic_fetch_add(&steps[i], 1);
	atomic_store(&places[i], atomic_fetch_add(&stepped, 1));
	if (store == NULL)
		atomic_fetch_add(&without_store, 1);
	else if (store_ping(store) != ERR_OK)
		return EXCHANGE_BROKEN;
	return i % 2 == 0 ? EXCHANGE_DONE : EXCHANGE_MORE;
}

static int set_up(void **state)
{
	(void)state;
	fake = store_fake_new();
	for (size_t i = 0; i < EXCHANGES_MAX; i++) {
		exchanges[i] = (struct exchange){
			.step = step,
			.place = EXCHANGE_IN_WORKER,
		};
		atomic_store(&steps[i], 0);
		atomic_store(&dones[i], 0);
		atomic_store(&outcomes[i], -1);
	}
	atomic_store(&without_store, 0);
	atomic_store(&stepped, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_fake_release_all(fake);
	workers_free(&workers);
	store_fake_free(&fake);
	return 0;
}

static void assert_all_done(size_t count)
{
	for (size_t i = 0; i < EXCHANGES_MAX; i++) {
		int times = i < count ? 1 : 0;

		assert_int_equal(atomic_load(&steps[i]), times);
		assert_int_equal(atomic_load(&dones[i]), times);
		if (i < count)
			assert_int_equal(atomic_load(&outcomes[i]),
					 i % 2 == 0 ? EXCHANGE_DONE
						    : EXCHANGE_MORE);
	}
}

static void each_exchange_gets_its_step_once_before_the_end(void **state)
{
	static const size_t counts[] = { 1, 2, 8 };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		assert_int_equal(set_up(state), 0);
		workers = workers_new(counts[i], EXCHANGES_MAX, store_fake_open,
				      fake, done);
		assert_non_null(workers);
		for (size_t j = 0; j < EXCHANGES_MAX; j++)
			assert_int_equal(workers_submit(workers, &exchanges[j]),
					 ERR_OK);
		workers_free(&workers);
		assert_null(workers);
		assert_all_done(EXCHANGES_MAX);
		assert_int_equal(store_fake_calls(fake, STORE_FAKE_OPEN),
				 counts[i]);
		assert_int_equal(store_fake_calls(fake, STORE_FAKE_CLOSE),
				 counts[i]);
		store_fake_free(&fake);
	}
	fake = store_fake_new(); /* for tear_down() */
}

static void one_that_was_begun_is_queued_whatever_waits(void **state)
{
	enum { QUEUE_MAX = 1 };

	(void)state;
	workers = workers_new(1, QUEUE_MAX, store_fake_open, fake, done);
	assert_non_null(workers);
	store_fake_hold(fake, STORE_FAKE_PING);
	assert_int_equal(workers_submit(workers, &exchanges[0]), ERR_OK);
	assert_true(store_fake_await_held(fake, STORE_FAKE_PING, 1));
	assert_int_equal(workers_submit(workers, &exchanges[1]), ERR_OK);
	assert_int_equal(workers_submit(workers, &exchanges[2]),
			 ERR_OVERLOADED);
	workers_continue(workers, &exchanges[2]);
	workers_continue(workers, &exchanges[3]);

	store_fake_release(fake, STORE_FAKE_PING);
	workers_free(&workers);
	assert_all_done(4);
}

static void new_ones_go_ahead_of_long_answers_but_not_for_ever(void **state)
{
	/* 0 is what holds the worker up; 1 to 4 have begun. */
	static const int order[] = { 0, 5, 6, 7, 1, 8, 9, 2, 3, 4 };
	enum { COUNT = sizeof(order) / sizeof(order[0]) };

	(void)state;
	workers = workers_new(1, EXCHANGES_MAX, store_fake_open, fake, done);
	assert_non_null(workers);
	store_fake_hold(fake, STORE_FAKE_PING);
	assert_int_equal(workers_submit(workers, &exchanges[0]), ERR_OK);
	assert_true(store_fake_await_held(fake, STORE_FAKE_PING, 1));
	for (size_t i = 1; i < 5; i++)
		workers_continue(workers, &exchanges[i]);
	for (size_t i = 5; i < COUNT; i++)
		assert_int_equal(workers_submit(workers, &exchanges[i]),
				 ERR_OK);
	store_fake_release(fake, STORE_FAKE_PING);
	workers_free(&workers);
	assert_all_done(COUNT);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(atomic_load(&places[order[i]]), i);
}

static void one_more_than_the_queue_holds_is_overloaded(void **state)
{
	enum { WORKERS = 2, QUEUE_MAX = 5 };
	size_t submitted = 0;

	(void)state;
	workers = workers_new(WORKERS, QUEUE_MAX, store_fake_open, fake, done);
	assert_non_null(workers);
	store_fake_hold(fake, STORE_FAKE_PING);
	for (; submitted < WORKERS; submitted++)
		assert_int_equal(workers_submit(workers, &exchanges[submitted]),
				 ERR_OK);
	assert_true(store_fake_await_held(fake, STORE_FAKE_PING, WORKERS));
	for (; submitted < WORKERS + QUEUE_MAX; submitted++)
		assert_int_equal(workers_submit(workers, &exchanges[submitted]),
				 ERR_OK);
	assert_int_equal(workers_submit(workers, &exchanges[submitted]),
			 ERR_OVERLOADED);
	assert_int_equal(workers_submit(workers, &exchanges[submitted]),
			 ERR_OVERLOADED);

	/* One is done: there is a place again. */
	store_fake_release_one(fake, STORE_FAKE_PING);
	assert_true(store_fake_await_calls(fake, STORE_FAKE_PING, WORKERS + 1));
	assert_int_equal(workers_submit(workers, &exchanges[submitted++]),
			 ERR_OK);
	assert_int_equal(workers_submit(workers, &exchanges[submitted]),
			 ERR_OVERLOADED);
	store_fake_release(fake, STORE_FAKE_PING);
	workers_free(&workers);
	assert_all_done(submitted);
}

static void as_many_steps_run_at_once_as_there_are_workers(void **state)
{
	enum { WORKERS = 6 };

	(void)state;
	workers = workers_new(WORKERS, EXCHANGES_MAX, store_fake_open, fake,
			      done);
	assert_non_null(workers);
	store_fake_hold(fake, STORE_FAKE_PING);
	for (size_t i = 0; i < 2 * WORKERS; i++)
		assert_int_equal(workers_submit(workers, &exchanges[i]),
				 ERR_OK);
	assert_true(store_fake_await_held(fake, STORE_FAKE_PING, WORKERS));
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_PING), WORKERS);
	store_fake_release(fake, STORE_FAKE_PING);
	workers_free(&workers);
	assert_all_done(2 * WORKERS);
}

static void a_worker_without_a_store_tries_again_for_each_step(void **state)
{
	(void)state;
	/* At its start and for the first step; not for the second. */
	store_fake_fail(fake, STORE_FAKE_OPEN, 1, 2, ERR_OUT_OF_MEMORY);
	workers = workers_new(1, 4, store_fake_open, fake, done);
	assert_non_null(workers);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(workers_submit(workers, &exchanges[i]),
				 ERR_OK);
	workers_free(&workers);
	assert_all_done(3);
	assert_int_equal(atomic_load(&without_store), 1);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_OPEN), 3);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_CLOSE), 1);
}

static void workers_that_had_nothing_to_do_end(void **state)
{
	(void)state;
	workers = workers_new(4, 1, store_fake_open, fake, done);
	assert_non_null(workers);
	workers_free(&workers);
	assert_null(workers);
	workers_free(&workers);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_CLOSE),
			 store_fake_calls(fake, STORE_FAKE_OPEN));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			each_exchange_gets_its_step_once_before_the_end,
			tear_down),
		TEST(one_more_than_the_queue_holds_is_overloaded),
		TEST(one_that_was_begun_is_queued_whatever_waits),
		TEST(new_ones_go_ahead_of_long_answers_but_not_for_ever),
		TEST(as_many_steps_run_at_once_as_there_are_workers),
		TEST(a_worker_without_a_store_tries_again_for_each_step),
		TEST(workers_that_had_nothing_to_do_end),
	};

	return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
