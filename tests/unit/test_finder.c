/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "inbox/finder.h"
#include "store_fake.h"

/*
 * The tests are the finder's loop. Nothing here is atomic: what the helper does
 * is over when the loop is told of it.
 */

enum { LOOKUPS = 200, PATIENCE_MS = 20000 };

/* A lookup and what became of it. */
struct asked {
	struct lookup lookup; /* first: found() and done() cast */
	size_t founds;
	size_t dones;
	uint64_t id; /* of the message */
	char content[16];
};

static struct store_fake *fake;
static struct finder *finder;
static struct asked asked[LOOKUPS + 1];
static size_t pending;      /* submitted and not done */
static size_t done_outside; /* not by the loop */
static size_t again;        /* which one done() submits; 0: none */
static pthread_t loop;
static int wake_fd; /* an eventfd that the helper writes to */

static void submit(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		assert_int_equal(finder_submit(finder, &asked[i].lookup),
				 ERR_OK);
		pending++;
	}
}

static void found(struct lookup *lookup, const struct message *message)
{
	struct asked *self = (struct asked *)lookup;

	self->founds++;
	self->id = message->id;
	memcpy(self->content, message->content.data, message->content.length);
}

static void done(struct lookup *lookup)
{
	size_t next = again;

	((struct asked *)lookup)->dones++;
	pending--;
	if (pthread_equal(pthread_self(), loop) == 0)
		done_outside++;
	again = 0;
	if (next > 0)
		submit(next, next + 1);
}

static void wake(void *context)
{
	const uint64_t one = 1;

	if (write(*(const int *)context, &one, sizeof(one)) < 0)
		print_error("a wake is lost\n");
}

static void start(size_t queue_max)
{
	finder = finder_new(store_fake_open, fake, queue_max);
	assert_non_null(finder);
	finder_attach(finder, wake, &wake_fd);
}

/* Messages 1 to LOOKUPS, with their IDs as content; lookup i asks for i + 1. */
static int set_up(void **state)
{
	(void)state;
	fake = store_fake_new();
	loop = pthread_self();
	wake_fd = eventfd(0, 0);
	assert_true(wake_fd >= 0);
	pending = done_outside = again = 0;
	memset(asked, 0, sizeof(asked));
	for (size_t i = 0; i <= LOOKUPS; i++) {
		struct buf content;

		buf_init(&content, 100);
		buf_append_u64(&content, i + 1);
		if (i < LOOKUPS)
			(void)store_fake_add(fake, SPAN("ana"),
					     buf_span(&content));
		buf_deinit(&content);
		asked[i].lookup.id = i + 1;
		asked[i].lookup.found = found;
		asked[i].lookup.done = done;
	}
	return 0;
}

/* What a loop does that was woken. False where it is not within this time. */
static bool turn_when_woken(int patience_ms)
{
	struct pollfd poller = { .fd = wake_fd, .events = POLLIN };
	uint64_t wakes;

	if (poll(&poller, 1, patience_ms) != 1)
		return false;
	assert_int_equal(read(wake_fd, &wakes, sizeof(wakes)), sizeof(wakes));
	finder_turn(finder);
	return true;
}

/* The answer to what is under way in the loop comes. */
static void answer(void)
{
	assert_non_null(finder_wait(finder));
	store_fake_answer(fake);
	finder_continue(finder, false);
}

/* The loop goes on until all that was submitted is done. */
static void finish(void)
{
	store_fake_release(fake, STORE_FAKE_FIND);
	finder_turn(finder);
	while (pending > 0) {
		if (finder_wait(finder) == NULL) {
			assert_true(turn_when_woken(PATIENCE_MS));
		} else {
			answer();
			finder_turn(finder);
		}
	}
	assert_int_equal(done_outside, 0);
}

static int tear_down(void **state)
{
	(void)state;
	store_fake_release_all(fake);
	if (finder != NULL)
		finish();
	finder_free(&finder);
	store_fake_free(&fake);
	close(wake_fd);
	return 0;
}

/* Starts, and sends the first of all, with which the helper is held up. */
static void hold_one(size_t queue_max)
{
	start(queue_max);
	store_fake_hold(fake, STORE_FAKE_FIND);
	submit(0, 1);
	finder_turn(finder);
	assert_true(store_fake_await_held(fake, STORE_FAKE_FIND, 1));
}

/* Starts, and has the loop begin these, with a store that is open. */
static void begin_in_loop(size_t from, size_t to)
{
	start(LOOKUPS);
	submit(LOOKUPS, LOOKUPS + 1);
	finish();
	store_fake_never_wait(fake);
	submit(from, to);
	finder_turn(finder);
	assert_non_null(finder_wait(finder));
}

static void assert_found(const struct asked *one, uint64_t id)
{
	struct buf content;

	buf_init(&content, 100);
	buf_append_u64(&content, id);
	buf_append_char(&content, '\0');
	assert_int_equal(one->founds, 1);
	assert_int_equal(one->dones, 1);
	assert_int_equal(one->lookup.err, ERR_OK);
	assert_int_equal(one->id, id);
	assert_string_equal(one->content, content.data);
	buf_deinit(&content);
}

static void lookups_gather_while_one_is_at_the_store(void **state)
{
	(void)state;
	hold_one(LOOKUPS);
	submit(1, LOOKUPS);
	finder_turn(finder);
	finish();
	for (size_t i = 0; i < LOOKUPS; i++)
		assert_found(&asked[i], i + 1);
	assert_int_equal(store_fake_batch(fake, STORE_FAKE_FIND, 0), 1);
	assert_int_equal(store_fake_batch(fake, STORE_FAKE_FIND, 1),
			 FINDER_LOOKUPS_MAX);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_FIND),
			 1 + (LOOKUPS - 1 + FINDER_LOOKUPS_MAX - 1) /
					 FINDER_LOOKUPS_MAX);
}

static void each_that_wants_the_same_message_gets_it(void **state)
{
	(void)state;
	hold_one(LOOKUPS);
	for (size_t i = 1; i < 20; i++)
		asked[i].lookup.id = i % 2 == 0 ? 7 : 8;
	submit(1, 20);
	finish();
	for (size_t i = 1; i < 20; i++)
		assert_found(&asked[i], i % 2 == 0 ? 7 : 8);
}

static void what_is_not_there_is_not_found(void **state)
{
	(void)state;
	hold_one(LOOKUPS);
	submit(LOOKUPS - 1, LOOKUPS + 1);
	finish();
	assert_found(&asked[LOOKUPS - 1], LOOKUPS);
	assert_int_equal(asked[LOOKUPS].founds, 0);
	assert_int_equal(asked[LOOKUPS].dones, 1);
	assert_int_equal(asked[LOOKUPS].lookup.err, ERR_OK);
}

static void an_error_reaches_each_of_its_batch_alone(void **state)
{
	(void)state;
	hold_one(LOOKUPS);
	store_fake_fail(fake, STORE_FAKE_FIND, 1, 1, ERR_DATABASE_UNAVAILABLE);
	submit(1, 1 + FINDER_LOOKUPS_MAX + 1);
	finish();
	assert_found(&asked[0], 1);
	for (size_t i = 1; i <= FINDER_LOOKUPS_MAX; i++) {
		assert_int_equal(asked[i].dones, 1);
		assert_int_equal(asked[i].lookup.err, ERR_DATABASE_UNAVAILABLE);
	}
	assert_found(&asked[FINDER_LOOKUPS_MAX + 1], FINDER_LOOKUPS_MAX + 2);
}

static void one_more_than_the_queue_holds_is_overloaded(void **state)
{
	(void)state;
	hold_one(3);
	submit(1, 4);
	assert_int_equal(finder_submit(finder, &asked[4].lookup),
			 ERR_OVERLOADED);
	finish();
	for (size_t i = 0; i < 4; i++)
		assert_found(&asked[i], i + 1);
	assert_int_equal(asked[4].dones, 0);
}

static void without_a_store_there_is_no_memory_until_there_is(void **state)
{
	(void)state;
	store_fake_fail(fake, STORE_FAKE_OPEN, 1, 1, ERR_OUT_OF_MEMORY);
	start(LOOKUPS);
	submit(0, 10);
	finish();
	submit(10, 12);
	finish();
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(asked[i].dones, 1);
		assert_int_equal(asked[i].lookup.err, ERR_OUT_OF_MEMORY);
	}
	assert_found(&asked[10], 11);
	assert_found(&asked[11], 12);
}

static void a_loop_asks_without_the_helper(void **state)
{
	(void)state;
	begin_in_loop(0, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(asked[i].dones, 0);
	answer();
	for (size_t i = 0; i < 3; i++)
		assert_found(&asked[i], i + 1);
	assert_null(finder_wait(finder));
	/* The helper has opened the store, with one that is not counted. */
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_FIND), 1);
	assert_false(turn_when_woken(0));
}

static void lookups_gather_while_the_loop_waits_for_an_answer(void **state)
{
	(void)state;
	begin_in_loop(0, 1);
	submit(1, 4);
	finder_turn(finder);
	submit(4, 5);
	finder_turn(finder);
	answer();
	assert_found(&asked[0], 1);
	assert_null(finder_wait(finder));
	finder_turn(finder);
	answer();
	for (size_t i = 1; i < 5; i++)
		assert_found(&asked[i], i + 1);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_FIND_START), 2);
}

static void what_would_block_is_for_the_helper(void **state)
{
	(void)state;
	hold_one(LOOKUPS); /* no store yet */
	submit(1, 3);
	finder_turn(finder); /* leaves the helper alone */
	assert_null(finder_wait(finder));
	assert_int_equal(asked[0].dones, 0);
	store_fake_release_one(fake, STORE_FAKE_FIND);
	assert_true(turn_when_woken(PATIENCE_MS));
	assert_found(&asked[0], 1);
	/* A store, and what would block. */
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_FIND_START), 1);
	assert_true(store_fake_await_held(fake, STORE_FAKE_FIND, 1));
	assert_int_equal(asked[1].dones, 0);
	finish();
	for (size_t i = 0; i < 3; i++)
		assert_found(&asked[i], i + 1);
}

static void what_takes_too_long_is_for_the_helper(void **state)
{
	(void)state;
	begin_in_loop(0, 2);
	finder_continue(finder, true);
	assert_null(finder_wait(finder));
	finish();
	assert_found(&asked[0], 1);
	assert_found(&asked[1], 2);
	assert_int_equal(store_fake_batch(fake, STORE_FAKE_FIND, 1), 2);
}

static void an_error_in_a_loop_reaches_each_of_its_batch(void **state)
{
	static const enum store_fake_call calls[] = {
		STORE_FAKE_FIND_START,
		STORE_FAKE_FIND_CONTINUE,
	};

	(void)state;
	begin_in_loop(0, 1);
	answer();
	for (size_t i = 0; i < 2; i++) {
		store_fake_fail(fake, calls[i], 1, 1, ERR_DATABASE_UNAVAILABLE);
		submit(1 + 2 * i, 3 + 2 * i);
		finder_turn(finder);
		if (finder_wait(finder) != NULL)
			answer();
	}
	for (size_t i = 1; i < 5; i++) {
		assert_int_equal(asked[i].dones, 1);
		assert_int_equal(asked[i].lookup.err, ERR_DATABASE_UNAVAILABLE);
	}
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_FIND), 1);
}

static void done_may_submit(void **state)
{
	(void)state;
	hold_one(LOOKUPS);
	again = 1;
	finish(); /* by the helper */
	assert_found(&asked[0], 1);
	assert_found(&asked[1], 2);
	store_fake_never_wait(fake);
	submit(2, 3);
	again = 3;
	finish(); /* by the loop */
	assert_found(&asked[2], 3);
	assert_found(&asked[3], 4);
	store_fake_fail(fake, STORE_FAKE_FIND_START, 1, 1, ERR_INTERNAL);
	submit(4, 5);
	again = 5;
	finder_turn(finder); /* at once */
	assert_int_equal(asked[4].lookup.err, ERR_INTERNAL);
	answer();
	assert_found(&asked[5], 6);
}

static void a_finder_that_had_nothing_to_do_ends(void **state)
{
	(void)state;
	start(1);
	finder_free(&finder);
	assert_null(finder);
	finder_free(&finder);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_OPEN), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lookups_gather_while_one_is_at_the_store),
		TEST(each_that_wants_the_same_message_gets_it),
		TEST(what_is_not_there_is_not_found),
		TEST(an_error_reaches_each_of_its_batch_alone),
		TEST(one_more_than_the_queue_holds_is_overloaded),
		TEST(without_a_store_there_is_no_memory_until_there_is),
		TEST(a_loop_asks_without_the_helper),
		TEST(lookups_gather_while_the_loop_waits_for_an_answer),
		TEST(what_would_block_is_for_the_helper),
		TEST(what_takes_too_long_is_for_the_helper),
		TEST(an_error_in_a_loop_reaches_each_of_its_batch),
		TEST(done_may_submit),
		TEST(a_finder_that_had_nothing_to_do_ends),
	};

	return cmocka_run_group_tests_name("finder", tests, NULL, NULL);
}
