/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdbool.h>

#include "gate/scheduling.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct sched_param no_priority = { 0 };
static bool refuse;
static int calls;

int __real_sched_setscheduler(pid_t pid, int policy,
			      const struct sched_param *parameters);
int __wrap_sched_setscheduler(pid_t pid, int policy,
			      const struct sched_param *parameters);

int __wrap_sched_setscheduler(pid_t pid, int policy,
			      const struct sched_param *parameters)
{
	calls++;
	if (refuse) {
		errno = EPERM;
		return -1;
	}
	return __real_sched_setscheduler(pid, policy, parameters);
}

static int as_usual(void **state)
{
	(void)state;
	refuse = false;
	return sched_setscheduler(0, SCHED_OTHER, &no_priority);
}

static void many_connections_are_served_without_interrupting(void **state)
{
	/* One after the other. */
	static const struct {
		size_t connections;
		int policy;
	} steps[] = {
		{ 0, SCHED_OTHER },  { 1, SCHED_OTHER },  { 15, SCHED_OTHER },
		{ 16, SCHED_BATCH }, { 64, SCHED_BATCH }, { 15, SCHED_BATCH },
		{ 8, SCHED_BATCH },  { 7, SCHED_OTHER },  { 8, SCHED_OTHER },
		{ 15, SCHED_OTHER }, { 16, SCHED_BATCH }, { 0, SCHED_OTHER },
	};
	struct scheduling scheduling;

	(void)state;
	scheduling_init(&scheduling);
	for (size_t i = 0; i < COUNT(steps); i++) {
		scheduling_adapt(&scheduling, steps[i].connections);
		if (sched_getscheduler(0) != steps[i].policy)
			fail_msg("step %zu, %zu connections: policy %d; it "
				 "must be %d",
				 i, steps[i].connections, sched_getscheduler(0),
				 steps[i].policy);
	}
}

static void a_policy_given_at_the_start_stays(void **state)
{
	static const size_t connections[] = { 0, 100, 0 };
	struct scheduling scheduling;

	(void)state;
	assert_int_equal(sched_setscheduler(0, SCHED_BATCH, &no_priority), 0);
	scheduling_init(&scheduling);
	for (size_t i = 0; i < COUNT(connections); i++) {
		scheduling_adapt(&scheduling, connections[i]);
		assert_int_equal(sched_getscheduler(0), SCHED_BATCH);
	}
}

static void what_the_kernel_refuses_is_not_asked_for_again(void **state)
{
	struct scheduling scheduling;

	(void)state;
	scheduling_init(&scheduling);
	refuse = true;
	calls = 0;
	scheduling_adapt(&scheduling, 100);
	assert_int_equal(calls, 1);
	refuse = false;
	scheduling_adapt(&scheduling, 0);
	scheduling_adapt(&scheduling, 100);
	assert_int_equal(calls, 1);
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, as_usual, as_usual)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(many_connections_are_served_without_interrupting),
		TEST(a_policy_given_at_the_start_stays),
		TEST(what_the_kernel_refuses_is_not_asked_for_again),
	};

	return cmocka_run_group_tests_name("scheduling", tests, NULL, NULL);
}
