/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gate/spares.h"

enum { CEILING = 100 * 1024 };

static struct spares spares;

static int set_up(void **state)
{
	(void)state;
	memset(&spares, 0, sizeof(spares));
	return 0;
}

/* What is still kept then is a leak, which the sanitizer tells. */
static int tear_down(void **state)
{
	(void)state;
	spares_deinit(&spares);
	return 0;
}

/* A buffer with this many bytes in it. */
static struct buf filled(size_t bytes)
{
	struct buf buf;

	buf_init(&buf, CEILING);
	assert_non_null(buf_reserve(&buf, bytes));
	memset(buf.data, 'x', bytes);
	buf.length = bytes;
	return buf;
}

static void assert_without_memory(const struct buf *buf)
{
	assert_null(buf->data);
	assert_int_equal(buf->length, 0);
	assert_int_equal(buf->capacity, 0);
	assert_int_equal(buf_error(buf), ERR_OK);
	assert_int_equal(buf->ceiling, CEILING);
}

static void what_was_taken_last_is_lent_first(void **state)
{
	struct buf one = filled(10), two = filled(300), next = filled(0);
	const char *data_of_one = one.data, *data_of_two = two.data;

	(void)state;
	buf_deinit(&next);
	spares_take(&spares, &one);
	spares_take(&spares, &two);
	assert_without_memory(&one);
	assert_without_memory(&two);

	spares_lend(&spares, &next);
	assert_ptr_equal(next.data, data_of_two);
	assert_int_equal(next.length, 0);
	assert_true(next.capacity >= 300);
	assert_int_equal(next.ceiling, CEILING);
	spares_lend(&spares, &one);
	assert_ptr_equal(one.data, data_of_one);
	buf_deinit(&next);
	buf_deinit(&one);
}

static void who_gets_none_goes_without(void **state)
{
	struct buf none, full = filled(10);
	const char *data = full.data;

	(void)state;
	buf_init(&none, CEILING);
	spares_lend(&spares, &none);
	assert_without_memory(&none);
	spares_take(&spares, &none);
	assert_int_equal(spares.count, 0);

	spares_take(&spares, &full);
	full = filled(20);
	spares_lend(&spares, &full);
	assert_ptr_not_equal(full.data, data);
	assert_int_equal(full.length, 20);
	buf_deinit(&full);
}

static void a_fault_is_not_passed_on(void **state)
{
	struct buf failed = filled(CEILING);

	(void)state;
	buf_deinit(&failed);
	buf_append_char(&failed, 'x');
	assert_null(buf_reserve(&failed, CEILING));
	assert_int_equal(buf_error(&failed), ERR_FULL);
	spares_take(&spares, &failed);
	assert_without_memory(&failed);
	spares_lend(&spares, &failed);
	assert_int_equal(buf_error(&failed), ERR_OK);
	buf_deinit(&failed);
}

static void large_memory_is_not_kept(void **state)
{
	static const struct {
		size_t bytes, kept;
	} rows[] = {
		{ 1, 1 },
		{ SPARE_BYTES_MAX, 1 },
		{ SPARE_BYTES_MAX + 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf buf = filled(rows[i].bytes);

		spares_take(&spares, &buf);
		assert_without_memory(&buf);
		assert_int_equal(spares.count, rows[i].kept);
		spares_deinit(&spares);
	}
}

static void no_more_is_kept_than_there_is_room_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < SPARES_MAX + 3; i++) {
		struct buf buf = filled(1);

		spares_take(&spares, &buf);
		assert_without_memory(&buf);
	}
	assert_int_equal(spares.count, SPARES_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_taken_last_is_lent_first),
		TEST(who_gets_none_goes_without),
		TEST(a_fault_is_not_passed_on),
		TEST(large_memory_is_not_kept),
		TEST(no_more_is_kept_than_there_is_room_for),
	};

	return cmocka_run_group_tests_name("spares", tests, NULL, NULL);
}
