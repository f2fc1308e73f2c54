/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "system/clock.h"
#include "inbox/finder.h"
#include "store_fake.h"

enum { LOOKUPS = 200 };

/* A lookup and what became of it. */
struct asked {
	struct lookup lookup; /* first: found() and done() cast */
	atomic_int founds;
	atomic_int dones;
	uint64_t id; /* of the message */
	char content[16];
};

static struct store_fake *fake;
static struct batcher *finder;
static struct asked asked[LOOKUPS + 1];
static int wake_fd; /* an eventfd that counts the wakes of a loop */

static void found(struct lookup *lookup, const struct message *message)
{
	struct asked *self = (struct asked *)lookup;

	atomic_fetch_add(&self->founds, 1);
	self->id = message->id;
	memcpy(self->content, message->content.data, message->content.length);
}

static void done(struct lookup *lookup)
{
	atomic_fetch_add(&((struct asked *)lookup)->dones, 1);
}

/* Messages 1 to LOOKUPS, with their IDs as content; lookup i asks for i + 1. */
static int set_up(void **state)
{
	(void)state;
	fake = store_fake_new();
	wake_fd = eventfd(0, 0);
	assert_true(wake_fd >= 0);
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

static int tear_down(void **state)
{
	(void)state;
	store_fake_release_all(fake);
	batcher_free(&finder);
	store_fake_free(&fake);
	close(wake_fd);
	return 0;
}

static void submit(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		assert_int_equal(finder_submit(finder, &asked[i].lookup),
				 ERR_OK);
}

/* Starts, and sends the first of all, which is held up at the store. */
static void hold_one(size_t queue_max)
{
	finder = finder_new(store_fake_open, fake, queue_max);
	assert_non_null(finder);
	store_fake_hold(fake, STORE_FAKE_FIND);
	submit(0, 1);
	assert_true(store_fake_await_held(fake, STORE_FAKE_FIND, 1));
}

static void finish(void)
{
	store_fake_release(fake, STORE_FAKE_FIND);
	batcher_free(&finder);
}

static void assert_found(const struct asked *one, uint64_t id)
{
	struct buf content;

	buf_init(&content, 100);
	buf_append_u64(&content, id);
	buf_append_char(&content, '\0');
	assert_int_equal(atomic_load(&one->founds), 1);
	assert_int_equal(atomic_load(&one->dones), 1);
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
	assert_int_equal(atomic_load(&asked[LOOKUPS].founds), 0);
	assert_int_equal(atomic_load(&asked[LOOKUPS].dones), 1);
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
		assert_int_equal(atomic_load(&asked[i].dones), 1);
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
	assert_int_equal(atomic_load(&asked[4].dones), 0);
}

static void without_a_store_there_is_no_memory(void **state)
{
	(void)state;
	store_fake_fail(fake, STORE_FAKE_OPEN, 1, 1000000, ERR_OUT_OF_MEMORY);
	finder = finder_new(store_fake_open, fake, LOOKUPS);
	assert_non_null(finder);
	submit(0, 10);
	finish();
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(atomic_load(&asked[i].dones), 1);
		assert_int_equal(asked[i].lookup.err, ERR_OUT_OF_MEMORY);
	}
}

static void wake(void *context)
{
	const uint64_t one = 1;

	if (write(*(const int *)context, &one, sizeof(one)) < 0)
		print_error("a wake is lost\n");
}

/* What a loop does that was woken. False where it is not within this time. */
static bool turn_when_woken(int patience_ms)
{
	struct pollfd poller = { .fd = wake_fd, .events = POLLIN };
	uint64_t wakes;

	if (poll(&poller, 1, patience_ms) != 1)
		return false;
	assert_int_equal(read(wake_fd, &wakes, sizeof(wakes)), sizeof(wakes));
	batcher_turn(finder);
	return true;
}

static void attach_new(void)
{
	finder = finder_new(store_fake_open, fake, LOOKUPS);
	assert_non_null(finder);
	batcher_attach(finder, wake, &wake_fd);
}

/* Its thread opens the store first; the loop can't do anything till then. */
static void turn_until_called(enum store_fake_call call, size_t times)
{
	int64_t end_ms = clock_now_ms() + 20000;

	while (store_fake_calls(fake, call) < times) {
		assert_true(clock_now_ms() < end_ms);
		batcher_turn(finder);
		sched_yield();
	}
}

static void begin_in_loop(size_t from, size_t to)
{
	store_fake_never_wait(fake);
	attach_new();
	submit(from, to);
	turn_until_called(STORE_FAKE_FIND_START, 1);
	assert_non_null(batcher_wait(finder));
}

static void answer(void)
{
	store_fake_answer(fake);
	batcher_continue(finder, false);
}

static void a_loop_asks_without_the_thread(void **state)
{
	(void)state;
	begin_in_loop(0, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(atomic_load(&asked[i].dones), 0);
	answer();
	for (size_t i = 0; i < 3; i++)
		assert_found(&asked[i], i + 1);
	assert_null(batcher_wait(finder));
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_FIND), 0);
}

static void lookups_gather_while_the_loop_waits_for_an_answer(void **state)
{
	(void)state;
	begin_in_loop(0, 1);
	submit(1, 4);
	batcher_turn(finder);
	submit(4, 5);
	batcher_turn(finder);
	answer();
	assert_found(&asked[0], 1);
	assert_null(batcher_wait(finder));
	batcher_turn(finder);
	answer();
	for (size_t i = 1; i < 5; i++)
		assert_found(&asked[i], i + 1);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_FIND_START), 2);
}

static void what_would_block_a_loop_is_for_the_thread(void **state)
{
	(void)state;
	attach_new();
	store_fake_hold(fake, STORE_FAKE_FIND);
	submit(0, 1);
	turn_until_called(STORE_FAKE_FIND_START, 1);
	assert_true(store_fake_await_held(fake, STORE_FAKE_FIND, 1));
	(void)turn_when_woken(0); /* of before it had opened the store */
	submit(1, 3);
	batcher_turn(finder); /* leaves the thread alone */
	assert_null(batcher_wait(finder));
	store_fake_release(fake, STORE_FAKE_FIND);
	assert_true(turn_when_woken(20000));
	assert_true(store_fake_await_calls(fake, STORE_FAKE_FIND, 2));
	batcher_free(&finder);
	for (size_t i = 0; i < 3; i++)
		assert_found(&asked[i], i + 1);
}

static void what_takes_too_long_is_for_the_thread(void **state)
{
	(void)state;
	begin_in_loop(0, 2);
	batcher_continue(finder, true);
	assert_null(batcher_wait(finder));
	batcher_free(&finder);
	assert_found(&asked[0], 1);
	assert_found(&asked[1], 2);
	assert_int_equal(store_fake_batch(fake, STORE_FAKE_FIND, 0), 2);
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
		batcher_turn(finder);
		if (batcher_wait(finder) != NULL)
			answer();
	}
	for (size_t i = 1; i < 5; i++) {
		assert_int_equal(atomic_load(&asked[i].dones), 1);
		assert_int_equal(asked[i].lookup.err, ERR_DATABASE_UNAVAILABLE);
	}
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_FIND), 0);
}

static void without_a_store_a_loop_leaves_it_to_the_thread(void **state)
{
	(void)state;
	store_fake_never_wait(fake);
	store_fake_fail(fake, STORE_FAKE_OPEN, 1, 1, ERR_OUT_OF_MEMORY);
	attach_new();
	submit(0, 1);
	turn_until_called(STORE_FAKE_OPEN, 2);
	batcher_free(&finder);
	assert_found(&asked[0], 1);
}

static void an_end_waits_for_what_a_loop_has_begun(void **state)
{
	(void)state;
	begin_in_loop(0, 1);
	submit(1, 3);
	store_fake_answer(fake);
	batcher_free(&finder);
	for (size_t i = 0; i < 3; i++)
		assert_found(&asked[i], i + 1);
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
		TEST(without_a_store_there_is_no_memory),
		TEST(a_loop_asks_without_the_thread),
		TEST(lookups_gather_while_the_loop_waits_for_an_answer),
		TEST(what_would_block_a_loop_is_for_the_thread),
		TEST(what_takes_too_long_is_for_the_thread),
		TEST(an_error_in_a_loop_reaches_each_of_its_batch),
		TEST(without_a_store_a_loop_leaves_it_to_the_thread),
		TEST(an_end_waits_for_what_a_loop_has_begun),
	};

	return cmocka_run_group_tests_name("finder", tests, NULL, NULL);
}
