/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gate/connections.h"

enum { CONNECTIONS = 3 };

static struct connections set;
static struct connection some[CONNECTIONS];
static struct exchange *stepped[CONNECTIONS];
static size_t steps;
static size_t wakes;
static size_t interruptions; /* of the next calls */

ssize_t __real_write(int fd, const void *bytes, size_t length);
ssize_t __wrap_write(int fd, const void *bytes, size_t length);

/*
 * Who gives an exchange back holds the lock until the gate is woken: without
 * it, the gate may have answered, ended and closed the descriptor by now.
 */
ssize_t __wrap_write(int fd, const void *bytes, size_t length)
{
	if (fd == set.wake_fd) {
		assert_int_equal(pthread_mutex_trylock(&set.returned_mutex),
				 EBUSY);
		if (interruptions > 0) {
			interruptions--;
			errno = EINTR;
			return -1;
		}
		wakes++;
	}
	return __real_write(fd, bytes, length);
}

static enum exchange_outcome take_note(struct exchange *exchange,
				       struct store *store)
{
	assert_null(store);
	stepped[steps++] = exchange;
	return EXCHANGE_WAIT;
}

static int set_up(void **state)
{
	(void)state;
	steps = wakes = interruptions = 0;
	if (!connections_init(&set))
		return -1;
	set.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (size_t i = 0; i < CONNECTIONS; i++)
		some[i] = (struct connection){
			.owner = &set,
			.state = CONNECTION_BUSY,
			.exchange = { .step = take_note,
				      .place = EXCHANGE_AT_GATE },
		};
	return set.wake_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)close(set.wake_fd);
	connections_deinit(&set);
	return 0;
}

static void the_gate_is_woken_before_it_can_take_what_came_back(void **state)
{
	(void)state;
	connections_resume(&some[0].exchange);
	assert_int_equal(wakes, 1);
}

/* Nothing else would wake the gate: the answer would stay where it is. */
static void a_wake_that_is_interrupted_is_tried_again(void **state)
{
	(void)state;
	interruptions = 2;
	connections_resume(&some[0].exchange);
	assert_int_equal(wakes, 1);
}

static void one_wake_serves_all_and_they_go_on_in_their_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < CONNECTIONS; i++)
		connections_resume(&some[i].exchange);
	assert_int_equal(wakes, 1);

	connections_take_returned(&set);
	assert_int_equal(steps, CONNECTIONS);
	for (size_t i = 0; i < CONNECTIONS; i++)
		assert_ptr_equal(stepped[i], &some[i].exchange);

	/* What comes back after the gate has looked wakes it again. */
	steps = 0;
	connections_resume(&some[1].exchange);
	assert_int_equal(wakes, 2);
	connections_take_returned(&set);
	assert_int_equal(steps, 1);
	connections_take_returned(&set);
	assert_int_equal(steps, 1);
}

static void pieces_get_smaller_the_more_is_held(void **state)
{
	static const struct {
		size_t held;
		size_t piece;
	} rows[] = {
		{ .held = 0, .piece = 256 * 1024 },
		{ .held = 1024, .piece = 255 * 1024 + 512 },
		{ .held = 256 * 1024, .piece = 128 * 1024 },
		{ .held = 384 * 1024, .piece = 64 * 1024 },
		{ .held = 512 * 1024, .piece = 64 * 1024 },
		{ .held = SIZE_MAX, .piece = 64 * 1024 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		atomic_store(&set.held_bytes, rows[i].held);
		assert_int_equal(connections_piece_bytes(&some[0].exchange),
				 rows[i].piece);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_gate_is_woken_before_it_can_take_what_came_back,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_wake_that_is_interrupted_is_tried_again, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			one_wake_serves_all_and_they_go_on_in_their_order,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			pieces_get_smaller_the_more_is_held, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("connections", tests, NULL, NULL);
}
