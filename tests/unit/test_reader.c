/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inbox/reader.h"
#include "store_fake.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Of ten messages the store has seen those up to SEEN when a test begins. */
enum { MESSAGES = 10, SEEN = 6, HIDDEN = 5, LARGE = 100000 };

static struct store_fake *fake;
static struct store *store;
static struct reader reader;
static struct buf out;
static struct buf all; /* of all pieces */

static void add(size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)store_fake_add(fake, SPAN("ana"), SPAN("hola"));
}

static bool pass(const struct message *message, void *context)
{
	(void)message;
	(void)context;
	return true;
}

static int set_up(void **state)
{
	const struct filter everything = { .given = 0 };

	(void)state;
	fake = store_fake_new();
	store = store_fake_open(fake);
	buf_init(&out, 1000);
	buf_init(&all, 1000);
	add(SEEN);
	assert_int_equal(store_read(store, &everything, pass, NULL), ERR_OK);
	add(MESSAGES - SEEN);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buf_deinit(&out);
	buf_deinit(&all);
	store_close(store);
	store_fake_free(&fake);
	return 0;
}

/* Between others a blank. */
static void write_id(struct buf *to, const struct message *message, bool first)
{
	if (!first)
		buf_append_char(to, ' ');
	buf_append_u64(to, message->id);
}

static void begin(bool descending, uint64_t left, size_t piece_bytes)
{
	struct filter filter = { .given = 0 };

	if (descending)
		filter_set_number(&filter, FILTER_ORDER, FILTER_DESCENDING);
	buf_clear(&out);
	buf_clear(&all);
	reader_init(&reader, &filter, left, write_id, &out);
	reader.piece_bytes = piece_bytes;
}

static void keep_piece(void)
{
	buf_append_span(&all, buf_span(&out));
	buf_clear(&out);
}

/* Returns how many pieces there were. */
static size_t read_pieces(void)
{
	size_t pieces = 0;
	bool more = true;

	while (more) {
		assert_int_equal(reader_read_piece(&reader, store, &more),
				 ERR_OK);
		keep_piece();
		assert_in_range(++pieces, 1, MESSAGES);
	}
	return pieces;
}

static void assert_all(const char *comment, const char *want)
{
	if (!span_equal(buf_span(&all), span_of(want)))
		fail_msg("%s: %.*s", comment, (int)all.length, all.data);
}

static void all_pieces_together_have_no_gap(void **state)
{
	static const struct {
		const char *comment;
		bool descending;
		uint64_t left;
		size_t piece_bytes, pieces;
		const char *want;
	} rows[] = {
		{ "in one", false, READER_ALL, LARGE, 1,
		  "1 2 3 4 5 6 7 8 9 10" },
		{ "in many", false, READER_ALL, 4, 5, "1 2 3 4 5 6 7 8 9 10" },
		{ "downwards", true, READER_ALL, 4, 4, "10 9 8 7 6 5 4 3 2 1" },
		{ "so many", false, 6, 4, 3, "1 2 3 4 5 6" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		bool none;

		begin(rows[i].descending, rows[i].left, rows[i].piece_bytes);
		store_fake_hide_once(fake, HIDDEN);
		assert_int_equal(reader_find_end(&reader, store, &none),
				 ERR_OK);
		assert_false(none);
		if (read_pieces() < rows[i].pieces)
			fail_msg("%s: too few pieces", rows[i].comment);
		assert_all(rows[i].comment, rows[i].want);
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
	}
}

static void what_comes_after_the_end_was_found_is_not_read(void **state)
{
	bool none;

	(void)state;
	begin(false, READER_ALL, 4);
	assert_int_equal(reader_find_end(&reader, store, &none), ERR_OK);
	add(3);
	(void)read_pieces();
	assert_all("those before", "1 2 3 4 5 6 7 8 9 10");
}

static void a_page_has_no_gap_and_tells_its_end(void **state)
{
	static const struct {
		const char *comment;
		bool descending;
		uint64_t left;
		size_t piece_bytes;
		uint64_t hidden; /* from the first read */
		size_t reads;    /* 0: as many as it takes */
		const char *want;
		uint64_t last_id;
		bool full, has_next;
	} rows[] = {
		{ "had been seen", false, 6, LARGE, 0, 1, "1 2 3 4 5 6", 6,
		  false, true },
		{ "new at its end", false, 7, LARGE, HIDDEN, 2, "1 2 3 4 5 6 7",
		  7, false, true },
		{ "the last one", false, 10, LARGE, HIDDEN, 2,
		  "1 2 3 4 5 6 7 8 9 10", 10, false, false },
		{ "downwards", true, 3, LARGE, 9, 2, "10 9 8", 8, false, true },
		{ "in pieces", false, 8, 4, HIDDEN, 0, "1 2 3 4 5 6 7 8", 8,
		  true, true },
		{ "in pieces, downwards", true, 10, 4, HIDDEN, 0,
		  "10 9 8 7 6 5 4 3 2 1", 1, true, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t reads = store_fake_calls(fake, STORE_FAKE_READ);

		begin(rows[i].descending, rows[i].left, rows[i].piece_bytes);
		store_fake_hide_once(fake, rows[i].hidden);
		assert_int_equal(reader_read_page(&reader, store), ERR_OK);
		reads = store_fake_calls(fake, STORE_FAKE_READ) - reads;
		if ((rows[i].reads > 0 && reads != rows[i].reads) ||
		    reader.full != rows[i].full ||
		    reader.has_next != rows[i].has_next ||
		    reader.last_id != rows[i].last_id)
			fail_msg("%s: %zu reads, to %d", rows[i].comment, reads,
				 (int)reader.last_id);
		keep_piece();
		if (reader.full)
			(void)read_pieces();
		assert_all(rows[i].comment, rows[i].want);
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
	}
}

static void where_nothing_matches_there_is_no_end(void **state)
{
	struct filter filter = { .given = 0 };
	bool none = false;

	(void)state;
	filter_set_text(&filter, FILTER_FROM, SPAN("bea"));
	reader_init(&reader, &filter, READER_ALL, write_id, &out);
	assert_int_equal(reader_find_end(&reader, store, &none), ERR_OK);
	assert_true(none);
}

static void without_a_store_there_is_no_memory(void **state)
{
	bool answer;

	(void)state;
	begin(false, 3, LARGE);
	assert_int_equal(reader_read_page(&reader, NULL), ERR_OUT_OF_MEMORY);
	assert_int_equal(reader_find_end(&reader, NULL, &answer),
			 ERR_OUT_OF_MEMORY);
	assert_int_equal(reader_read_piece(&reader, NULL, &answer),
			 ERR_OUT_OF_MEMORY);
	assert_int_equal(out.length, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_pieces_together_have_no_gap),
		TEST(what_comes_after_the_end_was_found_is_not_read),
		TEST(a_page_has_no_gap_and_tells_its_end),
		TEST(where_nothing_matches_there_is_no_end),
		TEST(without_a_store_there_is_no_memory),
	};

	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
