/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text/buf.h"

static void assert_content(const struct buf *buf, const char *want)
{
	struct span content = buf_span(buf);

	assert_int_equal(content.length, strlen(want));
	assert_memory_equal(content.data, want, content.length);
}

static void starts_empty_and_allocates_nothing(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 10);
	assert_null(buf.data);
	assert_int_equal(buf.capacity, 0);
	assert_int_equal(buf_error(&buf), ERR_OK);
	assert_content(&buf, "");
	/* Empty, which is not the same as no text at all. */
	assert_non_null(buf_span(&buf).data);
	buf_deinit(&buf);
}

static void appends_in_order(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000);
	buf_append(&buf, "abc", 2);
	buf_append_span(&buf, SPAN("cd"));
	buf_append_text(&buf, "ef");
	buf_append_char(&buf, 'g');
	buf_append_u64(&buf, 42);
	buf_appendf(&buf, "%s%03d", "h", 7);
	assert_int_equal(buf_error(&buf), ERR_OK);
	assert_content(&buf, "abcdefg42h007");
	buf_deinit(&buf);
}

static void appends_nothing_without_touching_memory(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 0);
	buf_append(&buf, NULL, 0);
	buf_append_span(&buf, (struct span){ NULL, 0 });
	buf_append_text(&buf, "");
	buf_appendf(&buf, "%s", "");
	assert_int_equal(buf_error(&buf), ERR_OK);
	assert_content(&buf, "");
	buf_deinit(&buf);
}

static void writes_numbers_in_decimal(void **state)
{
	static const struct {
		uint64_t number;
		const char *want;
	} rows[] = {
		{ 0, "0" },
		{ 9, "9" },
		{ 10, "10" },
		/* beyond 32 bits */
		{ UINT64_C(4294967296), "4294967296" },
		/* beyond what a signed number holds */
		{ UINT64_MAX, "18446744073709551615" },
	};
	struct buf buf;
	size_t i;

	(void)state;
	buf_init(&buf, 100);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&buf);
		buf_append_u64(&buf, rows[i].number);
		assert_content(&buf, rows[i].want);
	}
	buf_deinit(&buf);
}

static void grows_by_doubling_up_to_the_ceiling(void **state)
{
	static const struct {
		size_t ceiling;
		size_t length;
		size_t want_capacity;
	} rows[] = {
		/* the first step */
		{ 10000, 1, 256 },
		{ 10000, 256, 256 },
		/* doubled once, and several times at once */
		{ 10000, 257, 512 },
		{ 10000, 4097, 8192 },
		/* the next doubling would be beyond the ceiling */
		{ 10000, 8193, 10000 },
		{ 10000, 10000, 10000 },
		/* a ceiling below the first step */
		{ 100, 1, 100 },
		/* a ceiling that is nobody's concern */
		{ SIZE_MAX, 300, 512 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf buf;
		char *room;

		buf_init(&buf, rows[i].ceiling);
		room = buf_reserve(&buf, rows[i].length);
		assert_non_null(room);
		assert_int_equal(buf.capacity, rows[i].want_capacity);
		memset(room, 'x', rows[i].length);
		buf.length += rows[i].length;
		assert_int_equal(buf_span(&buf).length, rows[i].length);
		buf_deinit(&buf);
	}
}

static void keeps_its_content_while_it_grows(void **state)
{
	struct buf buf;
	size_t i;

	(void)state;
	buf_init(&buf, 5000);
	for (i = 0; i < 5000; i++)
		buf_append_char(&buf, (char)('a' + i % 26));
	assert_int_equal(buf_error(&buf), ERR_OK);
	for (i = 0; i < 5000; i++)
		assert_int_equal(buf.data[i], 'a' + i % 26);
	buf_deinit(&buf);
}

static void fills_exactly_to_the_ceiling_and_no_further(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 5);
	buf_append_text(&buf, "abcde");
	assert_int_equal(buf_error(&buf), ERR_OK);
	buf_append_char(&buf, 'f');
	assert_int_equal(buf_error(&buf), ERR_FULL);
	assert_content(&buf, "abcde");
	buf_deinit(&buf);
}

/* vsnprintf() wants a byte for its NUL, which is no content. */
static void formats_exactly_to_the_ceiling(void **state)
{
	static const struct {
		const char *text;
		enum err want_error;
		const char *want;
	} rows[] = {
		{ "bcd", ERR_OK, "abcd" },
		{ "bcde", ERR_OK, "abcde" },
		{ "bcdef", ERR_FULL, "a" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf buf;

		buf_init(&buf, 5);
		buf_append_char(&buf, 'a');
		buf_appendf(&buf, "%s", rows[i].text);
		assert_int_equal(buf_error(&buf), rows[i].want_error);
		assert_content(&buf, rows[i].want);
		buf_deinit(&buf);
	}
}

static void formats_what_is_longer_than_what_is_free(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 2000);
	buf_append_text(&buf, "x");
	/* 255 bytes are free: one too few, and far too few */
	buf_appendf(&buf, "%0256d", 1);
	buf_appendf(&buf, "%01000d", 2);
	assert_int_equal(buf_error(&buf), ERR_OK);
	assert_int_equal(buf.length, 1257);
	assert_int_equal(buf.data[0], 'x');
	assert_int_equal(buf.data[256], '1');
	assert_int_equal(buf.data[1256], '2');
	buf_deinit(&buf);
}

static void drops_everything_after_the_first_failure(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 3);
	buf_append_text(&buf, "ab");
	buf_append_text(&buf, "cd");
	/* This one would fit. */
	buf_append_char(&buf, 'e');
	buf_append_u64(&buf, 7);
	buf_appendf(&buf, "%s", "f");
	assert_null(buf_reserve(&buf, 1));
	assert_int_equal(buf_error(&buf), ERR_FULL);
	assert_content(&buf, "ab");
	buf_deinit(&buf);
}

static void clearing_forgets_content_and_error_but_keeps_memory(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 300);
	buf_append_text(&buf, "abc");
	assert_null(buf_reserve(&buf, 298));
	buf_clear(&buf);
	assert_int_equal(buf_error(&buf), ERR_OK);
	assert_int_equal(buf.capacity, 256);
	assert_content(&buf, "");
	buf_append_text(&buf, "de");
	assert_content(&buf, "de");
	buf_deinit(&buf);
}

static void can_be_used_again_after_deinit(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 4);
	buf_append_text(&buf, "abcd");
	buf_deinit(&buf);
	assert_null(buf.data);
	buf_append_text(&buf, "efgh");
	assert_content(&buf, "efgh");
	/* The ceiling is still the same. */
	buf_append_char(&buf, 'i');
	assert_int_equal(buf_error(&buf), ERR_FULL);
	buf_deinit(&buf);
}

static void refuses_lengths_whose_sum_would_overflow(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, SIZE_MAX);
	buf_append_text(&buf, "abc");
	assert_null(buf_reserve(&buf, SIZE_MAX));
	assert_int_equal(buf_error(&buf), ERR_FULL);
	assert_content(&buf, "abc");
	buf_deinit(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_empty_and_allocates_nothing),
		cmocka_unit_test(appends_in_order),
		cmocka_unit_test(appends_nothing_without_touching_memory),
		cmocka_unit_test(writes_numbers_in_decimal),
		cmocka_unit_test(grows_by_doubling_up_to_the_ceiling),
		cmocka_unit_test(keeps_its_content_while_it_grows),
		cmocka_unit_test(fills_exactly_to_the_ceiling_and_no_further),
		cmocka_unit_test(formats_exactly_to_the_ceiling),
		cmocka_unit_test(formats_what_is_longer_than_what_is_free),
		cmocka_unit_test(drops_everything_after_the_first_failure),
		cmocka_unit_test(
			clearing_forgets_content_and_error_but_keeps_memory),
		cmocka_unit_test(can_be_used_again_after_deinit),
		cmocka_unit_test(refuses_lengths_whose_sum_would_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
