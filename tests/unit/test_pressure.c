/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate/pressure.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void pieces_get_smaller_the_more_is_held(void **state)
{
	static const struct {
		size_t held;
		size_t piece;
	} rows[] = {
		{ .held = 0, .piece = 256 * KIB },
		{ .held = 1 * KIB, .piece = 255 * KIB + 512 },
		{ .held = 256 * KIB, .piece = 128 * KIB },
		{ .held = 384 * KIB, .piece = 64 * KIB },
		{ .held = 512 * KIB, .piece = 64 * KIB },
		{ .held = SIZE_MAX, .piece = 64 * KIB },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pressure pressure = { .answer_bytes = rows[i].held };

		assert_int_equal(pressure_piece_bytes(&pressure),
				 rows[i].piece);
	}
}

static void the_sum_follows_what_each_one_holds(void **state)
{
	struct pressure pressure = { 0 };
	size_t one = 0, other = 0;

	(void)state;
	pressure_hold_answer(&pressure, &one, 3 * MIB);
	pressure_hold_answer(&pressure, &other, 2 * MIB);
	assert_true(pressure_hurries_answers(&pressure));
	pressure_hold_answer(&pressure, &one, 0);
	assert_false(pressure_hurries_answers(&pressure));
	assert_true(pressure_paces_answers(&pressure));
	pressure_hold_answer(&pressure, &other, 0);
	assert_false(pressure_paces_answers(&pressure));
	assert_int_equal(pressure.answer_bytes, 0);
}

/* What is small comes in all the same, so that health can be asked for. */
static void above_the_bound_only_small_requests_come_in(void **state)
{
	const size_t bound = PRESSURE_REQUESTS_MAX_BYTES;
	const size_t small = PRESSURE_REQUEST_SMALL_BYTES;
	const struct {
		size_t held;
		size_t bytes;
		bool refused;
		bool hurried;
	} rows[] = {
		{ 0, bound, false, false },
		{ bound / 2, small + 1, false, false },
		{ bound / 2 + 1, small + 1, false, true },
		{ bound, small + 1, false, true },
		{ bound + 1, small + 1, true, true },
		{ bound + 1, small, false, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pressure pressure = { 0 };
		size_t held = 0;

		pressure_hold_request(&pressure, &held, rows[i].held);
		assert_int_equal(held, rows[i].held);
		assert_int_equal(pressure_refuses(&pressure, rows[i].bytes),
				 rows[i].refused);
		assert_int_equal(pressure_hurries_requests(&pressure),
				 rows[i].hurried);
		pressure_hold_request(&pressure, &held, 0);
		assert_int_equal(pressure.request_bytes, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_get_smaller_the_more_is_held),
		cmocka_unit_test(the_sum_follows_what_each_one_holds),
		cmocka_unit_test(above_the_bound_only_small_requests_come_in),
	};

	return cmocka_run_group_tests_name("pressure", tests, NULL, NULL);
}
