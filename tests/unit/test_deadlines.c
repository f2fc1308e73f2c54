/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate/deadlines.h"

enum { DEADLINES = 4 };

static void assert_order(const struct deadlines *list, const int *indices,
			 const struct deadline *some)
{
	const struct deadline *deadline = deadlines_first(list);

	for (; *indices >= 0; indices++) {
		assert_ptr_equal(deadline, &some[*indices]);
		deadline = deadline_next(deadline);
	}
	assert_null(deadline);
}

static void the_nearest_comes_first_however_they_were_set(void **state)
{
	static const int64_t at_ms[DEADLINES] = { 30, 10, 30, 20 };
	struct deadline some[DEADLINES] = { 0 };
	struct deadlines list;

	(void)state;
	deadlines_init(&list);
	assert_null(deadlines_first(&list));
	for (int i = 0; i < DEADLINES; i++)
		deadline_set(&some[i], &list, at_ms[i]);
	/* Equal ones keep the order in which they came. */
	assert_order(&list, (int[]){ 1, 3, 0, 2, -1 }, some);
	deadline_set(&some[1], &list, 40);
	assert_order(&list, (int[]){ 3, 0, 2, 1, -1 }, some);
	deadline_set(&some[0], &list, 30); /* as it is */
	assert_order(&list, (int[]){ 3, 0, 2, 1, -1 }, some);
}

static void one_is_in_one_list_or_in_none(void **state)
{
	struct deadline one = { 0 };
	struct deadlines first, second;

	(void)state;
	deadlines_init(&first);
	deadlines_init(&second);
	deadline_clear(&one);
	deadline_set(&one, &first, 5);
	deadline_set(&one, &second, 5);
	assert_null(deadlines_first(&first));
	assert_ptr_equal(deadlines_first(&second), &one);
	deadline_clear(&one);
	assert_null(deadlines_first(&second));
	deadline_clear(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nearest_comes_first_however_they_were_set),
		cmocka_unit_test(one_is_in_one_list_or_in_none),
	};

	return cmocka_run_group_tests_name("deadlines", tests, NULL, NULL);
}
