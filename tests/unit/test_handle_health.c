/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exchange_helper.h"

#define UP "{\"status\":\"ok\",\"database\":\"ok\"}"
#define DOWN "{\"status\":\"unavailable\",\"database\":\"does not answer\"}"
#define REFUSES "{\"status\":\"unavailable\",\"database\":\"refuses to write\"}"

static int set_up(void **state)
{
	struct bench *bench = bench_new();

	/* The probe asks once by itself at its start. */
	if (!store_fake_await_calls(bench->fake, STORE_FAKE_PING, 1))
		return -1;
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	bench_free(&bench);
	return 0;
}

static void assert_health(struct bench *bench, enum store_fake_call held,
			  int status, const char *body)
{
	struct answer answer;

	bench_serve(bench,
		    &(struct ask){ .target = "/api/health",
				   .deadline_when_held = held },
		    &answer);
	assert_int_equal(answer.status, status);
	assert_string_equal(answer_text(&answer), body);
	assert_true(span_equal(answer_header(&answer, "Content-Type"),
			       SPAN("application/json")));
	assert_int_equal(answer_header(&answer, "Retry-After").data != NULL,
			 status == 503);
	/* The contract says 1 s; some of it may be over already. */
	assert_in_range(answer.patience_ms, 1, 1000);
	answer_deinit(&answer);
}

static void it_is_well_when_the_database_answers(void **state)
{
	assert_health(*state, STORE_FAKE_OPEN, 200, UP);
	assert_health(*state, STORE_FAKE_OPEN, 200, UP);
}

static void it_is_unavailable_while_the_database_is(void **state)
{
	struct bench *bench = *state;

	/* For ever: the probe asks again by itself meanwhile. */
	store_fake_fail(bench->fake, STORE_FAKE_PING, 1, 1000000,
			ERR_DATABASE_UNAVAILABLE);
	assert_health(bench, STORE_FAKE_OPEN, 503, DOWN);
	store_fake_fail(bench->fake, STORE_FAKE_PING, 1, 0, ERR_OK);
	assert_health(bench, STORE_FAKE_OPEN, 200, UP);
}

static void it_is_unavailable_while_the_database_refuses_to_write(void **state)
{
	struct bench *bench = *state;

	store_fake_fail(bench->fake, STORE_FAKE_PING, 1, 1,
			ERR_DATABASE_REFUSES);
	assert_health(bench, STORE_FAKE_OPEN, 503, REFUSES);
	/* It is there: nobody asks again before somebody wants to know. */
	assert_health(bench, STORE_FAKE_OPEN, 200, UP);
	assert_int_equal(store_fake_calls(bench->fake, STORE_FAKE_PING), 3);
}

static void it_does_not_wait_longer_than_its_deadline(void **state)
{
	struct bench *bench = *state;

	store_fake_hold(bench->fake, STORE_FAKE_PING);
	/* Asked already: the answer comes too late. */
	assert_health(bench, STORE_FAKE_PING, 503, DOWN);
	/* The one before still hangs: this one was not even asked. */
	assert_health(bench, STORE_FAKE_PING, 503, DOWN);
	store_fake_release(bench->fake, STORE_FAKE_PING);
	assert_health(bench, STORE_FAKE_OPEN, 200, UP);
}

static void an_answer_on_its_way_comes_before_the_deadline(void **state)
{
	struct answer answer;

	bench_serve(*state,
		    &(struct ask){ .target = "/api/health",
				   .deadline_too_late = true },
		    &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer_text(&answer), UP);
	answer_deinit(&answer);
}

static void it_asks_anew_each_time(void **state)
{
	struct bench *bench = *state;
	size_t before = store_fake_calls(bench->fake, STORE_FAKE_PING);

	assert_health(bench, STORE_FAKE_OPEN, 200, UP);
	assert_health(bench, STORE_FAKE_OPEN, 200, UP);
	assert_int_equal(store_fake_calls(bench->fake, STORE_FAKE_PING),
			 before + 2);
	assert_int_equal(store_fake_calls(bench->fake, STORE_FAKE_READ), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_well_when_the_database_answers),
		TEST(it_is_unavailable_while_the_database_is),
		TEST(it_is_unavailable_while_the_database_refuses_to_write),
		TEST(it_does_not_wait_longer_than_its_deadline),
		TEST(an_answer_on_its_way_comes_before_the_deadline),
		TEST(it_asks_anew_each_time),
	};

	return cmocka_run_group_tests_name("handle_health", tests, NULL, NULL);
}
