/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "inbox/probe.h"
#include "store_fake.h"

enum { QUESTIONS = 5, PATIENCE_SECS = 20, PATIENCE_MS = 20000 };

struct asked {
	struct probe_question question; /* first: done() casts */
	int dones;
};

static struct store_fake *fake;
static struct probe *probe;
static struct asked asked[QUESTIONS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void done(struct probe_question *question)
{
	pthread_mutex_lock(&mutex);
	((struct asked *)question)->dones++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static int set_up(void **state)
{
	(void)state;
	fake = store_fake_new();
	memset(asked, 0, sizeof(asked));
	for (size_t i = 0; i < QUESTIONS; i++) {
		asked[i].question.done = done;
		asked[i].question.answer = ERR_INTERNAL;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_fake_release_all(fake);
	assert_true(probe_free(&probe, PATIENCE_MS));
	store_fake_free(&fake);
	return 0;
}

/* Starts, and waits for the question that it asks by itself. */
static void start(void)
{
	probe = probe_new(store_fake_open, fake);
	assert_non_null(probe);
	assert_true(store_fake_await_calls(fake, STORE_FAKE_PING, 1));
}

static int dones_of(size_t i)
{
	int dones;

	pthread_mutex_lock(&mutex);
	dones = asked[i].dones;
	pthread_mutex_unlock(&mutex);
	return dones;
}

static void assert_answered(size_t i, enum err answer)
{
	struct timespec end;
	bool in_time = true;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE_SECS;
	pthread_mutex_lock(&mutex);
	while (asked[i].dones == 0 && in_time)
		in_time = pthread_cond_timedwait(&changed, &mutex, &end) == 0;
	pthread_mutex_unlock(&mutex);
	assert_int_equal(dones_of(i), 1);
	assert_int_equal(asked[i].question.answer, answer);
}

static void a_question_is_answered(void **state)
{
	(void)state;
	start();
	probe_ask(probe, &asked[0].question);
	assert_answered(0, ERR_OK);
	store_fake_fail(fake, STORE_FAKE_PING, 1, 1, ERR_DATABASE_UNAVAILABLE);
	probe_ask(probe, &asked[1].question);
	assert_answered(1, ERR_DATABASE_UNAVAILABLE);
	probe_ask(probe, &asked[2].question);
	assert_answered(2, ERR_OK);
}

static void all_who_wait_share_the_next_answer(void **state)
{
	(void)state;
	start();
	store_fake_hold(fake, STORE_FAKE_PING);
	probe_ask(probe, &asked[0].question);
	assert_true(store_fake_await_held(fake, STORE_FAKE_PING, 1));
	for (size_t i = 1; i < QUESTIONS; i++)
		probe_ask(probe, &asked[i].question);
	/* An answer to what was asked before says nothing of now. */
	store_fake_fail(fake, STORE_FAKE_PING, 1, 1, ERR_DATABASE_UNAVAILABLE);
	store_fake_release_one(fake, STORE_FAKE_PING);
	assert_answered(0, ERR_OK);
	for (size_t i = 1; i < QUESTIONS; i++)
		assert_int_equal(dones_of(i), 0);
	store_fake_release_one(fake, STORE_FAKE_PING);
	for (size_t i = 1; i < QUESTIONS; i++)
		assert_answered(i, ERR_DATABASE_UNAVAILABLE);
	store_fake_release(fake, STORE_FAKE_PING);
}

static void what_is_forgotten_is_not_answered(void **state)
{
	(void)state;
	start();
	store_fake_hold(fake, STORE_FAKE_PING);
	probe_ask(probe, &asked[0].question);
	probe_ask(probe, &asked[1].question);
	assert_true(store_fake_await_held(fake, STORE_FAKE_PING, 1));
	for (size_t i = 2; i < QUESTIONS; i++)
		probe_ask(probe, &asked[i].question);
	/* One of those that are asked, one of those that wait. */
	assert_true(probe_forget(probe, &asked[0].question));
	assert_true(probe_forget(probe, &asked[3].question));
	assert_false(probe_forget(probe, &asked[0].question));
	store_fake_release(fake, STORE_FAKE_PING);
	assert_answered(1, ERR_OK);
	assert_answered(2, ERR_OK);
	assert_answered(4, ERR_OK);
	assert_true(probe_free(&probe, PATIENCE_MS));
	assert_int_equal(dones_of(0), 0);
	assert_int_equal(dones_of(3), 0);
}

static void what_was_answered_cannot_be_forgotten(void **state)
{
	(void)state;
	start();
	probe_ask(probe, &asked[0].question);
	assert_answered(0, ERR_OK);
	assert_false(probe_forget(probe, &asked[0].question));
}

static void after_a_no_it_asks_until_the_database_is_back(void **state)
{
	(void)state;
	store_fake_fail(fake, STORE_FAKE_PING, 1, 3, ERR_DATABASE_UNAVAILABLE);
	start();
	/* Three that fail and the one that does not, nobody asking. */
	assert_true(store_fake_await_calls(fake, STORE_FAKE_PING, 4));
	/* And then no more by itself: only this one. */
	probe_ask(probe, &asked[0].question);
	assert_answered(0, ERR_OK);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_PING), 5);
}

static void a_question_does_not_wait_for_the_end_of_a_pause(void **state)
{
	(void)state;
	store_fake_fail(fake, STORE_FAKE_PING, 1, 1000000,
			ERR_DATABASE_UNAVAILABLE);
	start();
	for (size_t i = 0; i < QUESTIONS; i++) {
		probe_ask(probe, &asked[i].question);
		assert_answered(i, ERR_DATABASE_UNAVAILABLE);
	}
}

static void an_alarm_makes_it_ask(void **state)
{
	(void)state;
	start();
	store_fake_hold(fake, STORE_FAKE_PING);
	probe_wake(probe);
	assert_true(store_fake_await_held(fake, STORE_FAKE_PING, 1));
	/* An alarm while it asks is not lost. */
	probe_wake(probe);
	store_fake_release_one(fake, STORE_FAKE_PING);
	assert_true(store_fake_await_calls(fake, STORE_FAKE_PING, 3));
	store_fake_release(fake, STORE_FAKE_PING);
}

static void *end(void *argument)
{
	assert_true(probe_free(&probe, PATIENCE_MS));
	return argument;
}

static void its_end_answers_what_waits(void **state)
{
	pthread_t ender;

	(void)state;
	start();
	store_fake_hold(fake, STORE_FAKE_PING);
	probe_ask(probe, &asked[0].question);
	assert_true(store_fake_await_held(fake, STORE_FAKE_PING, 1));
	probe_ask(probe, &asked[1].question);
	/* probe_free() waits for the store, so it runs beside this. */
	assert_int_equal(pthread_create(&ender, NULL, end, NULL), 0);
	store_fake_release(fake, STORE_FAKE_PING);
	assert_int_equal(pthread_join(ender, NULL), 0);
	assert_null(probe);
	assert_answered(0, ERR_OK);
	/* Asked before the end or not, an answer came. */
	assert_int_equal(dones_of(1), 1);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_CLOSE), 1);
}

static void its_end_does_not_wait_for_a_database_that_hangs(void **state)
{
	(void)state;
	start();
	store_fake_hold(fake, STORE_FAKE_PING);
	probe_ask(probe, &asked[0].question);
	assert_true(store_fake_await_held(fake, STORE_FAKE_PING, 1));
	assert_false(probe_free(&probe, 10));
	assert_non_null(probe);
	assert_int_equal(dones_of(0), 0);
	store_fake_release(fake, STORE_FAKE_PING);
	assert_answered(0, ERR_OK);
	assert_true(probe_free(&probe, PATIENCE_MS));
	assert_null(probe);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_PING), 2);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_CLOSE), 1);
}

static void without_a_store_the_database_is_unavailable(void **state)
{
	(void)state;
	store_fake_fail(fake, STORE_FAKE_OPEN, 1, 1000000, ERR_OUT_OF_MEMORY);
	probe = probe_new(store_fake_open, fake);
	assert_non_null(probe);
	probe_ask(probe, &asked[0].question);
	assert_answered(0, ERR_DATABASE_UNAVAILABLE);
	/* It tries again by itself. */
	store_fake_fail(fake, STORE_FAKE_OPEN, 1, 0, ERR_OK);
	assert_true(store_fake_await_calls(fake, STORE_FAKE_PING, 1));
	probe_ask(probe, &asked[1].question);
	assert_answered(1, ERR_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_question_is_answered),
		TEST(all_who_wait_share_the_next_answer),
		TEST(what_is_forgotten_is_not_answered),
		TEST(what_was_answered_cannot_be_forgotten),
		TEST(after_a_no_it_asks_until_the_database_is_back),
		TEST(a_question_does_not_wait_for_the_end_of_a_pause),
		TEST(an_alarm_makes_it_ask),
		TEST(its_end_answers_what_waits),
		TEST(its_end_does_not_wait_for_a_database_that_hangs),
		TEST(without_a_store_the_database_is_unavailable),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
