/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "system/clock.h"
#include "system/log.h"
#include "gate/watcher.h"
#include "inbox/finder.h"
#include "store_fake.h"

enum { LOOKUPS = 20, PATIENCE_MS = 20000 };

/* A lookup and what became of it. */
struct asked {
	struct lookup lookup; /* first: found() and done() cast */
	size_t dones;
	uint64_t id; /* of the message that was found */
};

static struct store_fake *fake;
static struct finder *finder;
static struct watcher watcher;
static struct asked asked[LOOKUPS + 1];
static pthread_t loop;
static int epoll_fd, wake_fd;
static size_t pending;      /* submitted and not done */
static size_t done_outside; /* not by the loop */

static void found(struct lookup *lookup, const struct message *message)
{
	((struct asked *)lookup)->id = message->id;
}

static void done(struct lookup *lookup)
{
	((struct asked *)lookup)->dones++;
	pending--;
	if (pthread_equal(pthread_self(), loop) == 0)
		done_outside++;
}

static void wake(void *context)
{
	const uint64_t one = 1;

	if (write(*(const int *)context, &one, sizeof(one)) < 0)
		print_error("a wake is lost\n");
}

static int set_up(void **state)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET,
				     .data.ptr = &wake_fd };

	(void)state;
	log_set_level(LOG_ERROR);
	loop = pthread_self();
	epoll_fd = epoll_create1(0);
	wake_fd = eventfd(0, 0);
	assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event),
			 0);
	memset(asked, 0, sizeof(asked));
	pending = done_outside = 0;
	fake = store_fake_new();
	for (size_t i = 0; i <= LOOKUPS; i++) {
		(void)store_fake_add(fake, SPAN("ana"), SPAN("hola"));
		asked[i].lookup.id = i + 1;
		asked[i].lookup.found = found;
		asked[i].lookup.done = done;
	}
	finder = finder_new(store_fake_open, fake, LOOKUPS);
	assert_non_null(finder);
	watcher_attach(&watcher, finder, epoll_fd, wake, &wake_fd);
	return 0;
}

static void submit(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		assert_int_equal(finder_submit(finder, &asked[i].lookup),
				 ERR_OK);
		pending++;
	}
}

/* One turn of the loop. False where nothing came within this time. */
static bool turn(int patience_ms)
{
	struct epoll_event event;
	int count = epoll_wait(epoll_fd, &event, 1, patience_ms);

	assert_true(count >= 0);
	if (count == 1 && event.data.ptr == &watcher)
		watcher_handle(&watcher);
	watcher_turn(&watcher, clock_now_ms());
	return count == 1;
}

/* The loop takes turns until all that was submitted is done. */
static void finish(void)
{
	while (pending > 0) {
		if (finder_wait(finder) != NULL)
			store_fake_answer(fake);
		assert_true(turn(PATIENCE_MS));
	}
}

static int tear_down(void **state)
{
	(void)state;
	store_fake_release_all(fake);
	finish();
	finder_free(&finder);
	store_fake_free(&fake);
	close(epoll_fd);
	close(wake_fd);
	return 0;
}

/* Has the loop begin these, without waiting, with a store that is open. */
static void begin_in_loop(size_t from, size_t to)
{
	submit(LOOKUPS, LOOKUPS + 1);
	watcher_turn(&watcher, clock_now_ms());
	finish();
	store_fake_never_wait(fake);
	submit(from, to);
	watcher_turn(&watcher, clock_now_ms());
	assert_true(watcher_next_expiry_ms(&watcher) > clock_now_ms());
}

static void assert_done(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		assert_int_equal(asked[i].dones, 1);
		assert_int_equal(asked[i].lookup.err, ERR_OK);
		assert_int_equal(asked[i].id, i + 1);
	}
	assert_int_equal(done_outside, 0);
}

static void an_answer_is_told_once(void **state)
{
	(void)state;
	begin_in_loop(0, 2);
	for (size_t i = 2; i <= 6; i += 2) {
		assert_int_equal(asked[i - 2].dones, 0);
		store_fake_answer(fake);
		assert_true(turn(PATIENCE_MS));
		assert_done(0, i);
		assert_false(turn(0));
		submit(i, i + 2);
		watcher_turn(&watcher, clock_now_ms());
	}
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_FIND), 1);
}

static void what_gathers_meanwhile_is_begun_with_the_answer(void **state)
{
	(void)state;
	begin_in_loop(0, 1);
	submit(1, 10);
	watcher_turn(&watcher, clock_now_ms());
	store_fake_answer(fake);
	assert_true(turn(PATIENCE_MS));
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_FIND_START), 2);
	assert_int_equal(asked[1].dones, 0);
	store_fake_answer(fake);
	assert_true(turn(PATIENCE_MS));
	assert_done(0, 10);
}

static void what_would_block_is_for_the_helper(void **state)
{
	(void)state;
	store_fake_hold(fake, STORE_FAKE_FIND);
	submit(0, 3);
	watcher_turn(&watcher, clock_now_ms());
	assert_int_equal(watcher_next_expiry_ms(&watcher), -1);
	store_fake_release(fake, STORE_FAKE_FIND);
	assert_true(turn(PATIENCE_MS));
	assert_done(0, 3);
}

/* The gate does not hear a wake that comes before it looks at returns. */
static void what_the_helper_has_done_is_due_without_a_wake(void **state)
{
	struct pollfd poller = { .fd = wake_fd, .events = POLLIN };

	(void)state;
	submit(0, 3);
	watcher_turn(&watcher, clock_now_ms());
	assert_int_equal(poll(&poller, 1, PATIENCE_MS), 1);
	assert_int_equal(watcher_next_expiry_ms(&watcher), 0);
	watcher_turn(&watcher, clock_now_ms());
	assert_done(0, 3);
	assert_int_equal(watcher_next_expiry_ms(&watcher), -1);
}

static void what_is_submitted_is_due(void **state)
{
	(void)state;
	assert_int_equal(watcher_next_expiry_ms(&watcher), -1);
	submit(0, 1);
	assert_int_equal(watcher_next_expiry_ms(&watcher), 0);
	watcher_turn(&watcher, clock_now_ms());
	finish();
}

static void what_takes_too_long_is_for_the_helper(void **state)
{
	int64_t until_ms;

	(void)state;
	begin_in_loop(0, 2);
	store_fake_hold(fake, STORE_FAKE_FIND);
	until_ms = watcher_next_expiry_ms(&watcher);
	watcher_turn(&watcher, until_ms - 1);
	assert_int_equal(watcher_next_expiry_ms(&watcher), until_ms);
	watcher_turn(&watcher, until_ms);
	assert_int_equal(watcher_next_expiry_ms(&watcher), -1);
	store_fake_release(fake, STORE_FAKE_FIND);
	finish();
	assert_done(0, 2);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_FIND), 2);
}

static void an_answer_to_what_has_expired_is_nothing(void **state)
{
	(void)state;
	begin_in_loop(0, 2);
	store_fake_hold(fake, STORE_FAKE_FIND);
	watcher_turn(&watcher, watcher_next_expiry_ms(&watcher));
	store_fake_answer(fake);
	assert_true(turn(PATIENCE_MS));
	assert_int_equal(asked[0].dones, 0);
	store_fake_release(fake, STORE_FAKE_FIND);
	finish();
	assert_done(0, 2);
}

static void what_epoll_does_not_take_is_for_the_helper(void **state)
{
	(void)state;
	begin_in_loop(0, 1);
	store_fake_answer(fake);
	assert_true(turn(PATIENCE_MS));
	watcher.epoll_fd = wake_fd; /* which is none */
	store_fake_hold(fake, STORE_FAKE_FIND);
	submit(1, 3);
	watcher_turn(&watcher, clock_now_ms());
	assert_int_equal(watcher_next_expiry_ms(&watcher), -1);
	store_fake_release(fake, STORE_FAKE_FIND);
	finish();
	assert_done(0, 3);
	assert_int_equal(store_fake_calls(fake, STORE_FAKE_FIND), 2);
}

static void the_helper_wakes_the_loop_for_what_waits(void **state)
{
	(void)state;
	store_fake_hold(fake, STORE_FAKE_FIND);
	submit(0, 1);
	watcher_turn(&watcher, clock_now_ms());
	assert_true(store_fake_await_held(fake, STORE_FAKE_FIND, 1));
	submit(1, 3);
	assert_false(turn(0));
	store_fake_never_wait(fake);
	store_fake_release(fake, STORE_FAKE_FIND);
	assert_true(turn(PATIENCE_MS));
	assert_done(0, 1);
	store_fake_answer(fake);
	assert_true(turn(PATIENCE_MS));
	assert_done(1, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_is_told_once),
		TEST(what_gathers_meanwhile_is_begun_with_the_answer),
		TEST(what_would_block_is_for_the_helper),
		TEST(what_the_helper_has_done_is_due_without_a_wake),
		TEST(what_is_submitted_is_due),
		TEST(what_takes_too_long_is_for_the_helper),
		TEST(an_answer_to_what_has_expired_is_nothing),
		TEST(what_epoll_does_not_take_is_for_the_helper),
		TEST(the_helper_wakes_the_loop_for_what_waits),
	};

	return cmocka_run_group_tests_name("watcher", tests, NULL, NULL);
}
