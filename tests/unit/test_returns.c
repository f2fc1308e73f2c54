/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "gate/returns.h"

enum { RETURNED = 3 };

static struct returns returns;
static struct returned some[RETURNED];
static size_t wakes;
static size_t interruptions; /* of the next calls */

ssize_t __real_write(int fd, const void *bytes, size_t length);
ssize_t __wrap_write(int fd, const void *bytes, size_t length);

/*
 * Who gives something back holds the lock until the gate is woken: without it,
 * the gate may have answered, ended and closed the descriptor by now.
 */
ssize_t __wrap_write(int fd, const void *bytes, size_t length)
{
	if (fd == returns.wake_fd) {
		assert_int_equal(pthread_mutex_trylock(&returns.mutex), EBUSY);
		if (interruptions > 0) {
			interruptions--;
			errno = EINTR;
			return -1;
		}
		wakes++;
	}
	return __real_write(fd, bytes, length);
}

static int set_up(void **state)
{
	(void)state;
	wakes = interruptions = 0;
	return returns_init(&returns) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	returns_deinit(&returns);
	return 0;
}

static void the_gate_is_woken_before_it_can_take_what_came_back(void **state)
{
	(void)state;
	returns_add(&returns, &some[0]);
	assert_int_equal(wakes, 1);
}

/* Nothing else would wake the gate: the answer would stay where it is. */
static void a_wake_that_is_interrupted_is_tried_again(void **state)
{
	(void)state;
	interruptions = 2;
	returns_add(&returns, &some[0]);
	assert_int_equal(wakes, 1);
}

static void one_wake_serves_all_and_they_keep_their_order(void **state)
{
	struct returned *first;

	(void)state;
	for (size_t i = 0; i < RETURNED; i++)
		returns_add(&returns, &some[i]);
	assert_int_equal(wakes, 1);
	first = returns_collect(&returns);
	for (size_t i = 0; i < RETURNED; i++, first = first->next)
		assert_ptr_equal(first, &some[i]);
	assert_null(first);

	/* What comes back after the gate has looked wakes it again. */
	assert_null(returns_collect(&returns));
	returns_add(&returns, &some[1]);
	assert_int_equal(wakes, 2);
	assert_ptr_equal(returns_collect(&returns), &some[1]);
	assert_null(returns_collect(&returns));
}

static void within_a_turn_nobody_wakes_the_gate(void **state)
{
	(void)state;
	returns_begin_turn(&returns);
	returns_add(&returns, &some[0]);
	assert_int_equal(wakes, 0);
	assert_ptr_equal(returns_collect(&returns), &some[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_gate_is_woken_before_it_can_take_what_came_back),
		TEST(a_wake_that_is_interrupted_is_tried_again),
		TEST(one_wake_serves_all_and_they_keep_their_order),
		TEST(within_a_turn_nobody_wakes_the_gate),
	};

	return cmocka_run_group_tests_name("returns", tests, NULL, NULL);
}
