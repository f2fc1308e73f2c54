/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/answer.h"
#include "api/router.h"
#include "fcgi_records.h"
#include "gate/sessions.h"
#include "system/log.h"

enum {
	STALL_MS = 10000,
	REQUEST_MS = 60000,
	BODY_MAX_BYTES = 16 * 1024 * 1024,
	OUT_BYTES = 64 * 1024,
	PEERS = 4,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How the exchanges of a test go: what their first step comes to. */
static enum {
	ANSWERS,
	WAITS,        /* until resume(), or until it is taken back */
	WAITS_SURELY, /* until resume() alone */
	ANSWERS_AND_STORES,
} script;

static struct session_host host;
static struct service service;
static int epoll_fd;
static int peers[PEERS];
static int64_t now_ms; /* what the clock says */
static struct exchange *waiting;
static int interruptions; /* of waits that were asked to end */
static enum exchange_interruption why;
static bool states_freed;
static size_t fails_at;         /* this call of realloc() fails; 0: none */
static size_t fails_after_step; /* the same, counted from the answer on */
static size_t fails_at_size;    /* the call for so many bytes fails; 0: none */
static const char *logged_end;
static int logged_status;
static size_t logged;

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
int64_t __wrap_clock_now_ms(void);
void __wrap_router_dispatch(struct exchange *exchange);
void __wrap_log_request(const struct log_request *request);

void *__wrap_realloc(void *memory, size_t size)
{
	if (fails_at > 0 && --fails_at == 0)
		return NULL;
	if (memory == NULL && size == fails_at_size)
		return NULL;
	return __real_realloc(memory, size);
}

int64_t __wrap_clock_now_ms(void)
{
	return now_ms;
}

void __wrap_log_request(const struct log_request *request)
{
	logged_end = request->end;
	logged_status = request->status;
	logged++;
}

static bool take_back(struct exchange *exchange,
		      enum exchange_interruption reason)
{
	(void)exchange;
	interruptions++;
	why = reason;
	return true;
}

static bool keep(struct exchange *exchange, enum exchange_interruption reason)
{
	(void)take_back(exchange, reason);
	return false;
}

static void note_free(void *state)
{
	(void)state;
	states_freed = true;
}

static enum exchange_outcome answer(struct exchange *exchange,
				    struct store *store)
{
	(void)store;
	exchange->response.status = 201;
	exchange->response.content_type = "text/plain";
	buf_append_span(&exchange->response.body, exchange->request.body);
	fails_at = fails_after_step;
	return EXCHANGE_DONE;
}

static enum exchange_outcome first_step(struct exchange *exchange,
					struct store *store)
{
	exchange->free_state = note_free;
	exchange->step = answer;
	if (script == ANSWERS_AND_STORES)
		exchange->stored = true;
	if (script == ANSWERS || script == ANSWERS_AND_STORES)
		return answer(exchange, store);
	waiting = exchange;
	exchange->wait = (struct exchange_wait){
		.deadline_ms = now_ms + 900,
		.take_back = script == WAITS ? take_back : keep,
	};
	return EXCHANGE_WAIT;
}

void __wrap_router_dispatch(struct exchange *exchange)
{
	exchange->step = first_step;
	exchange->place = EXCHANGE_AT_GATE;
}

static int set_up(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR);
	script = ANSWERS;
	now_ms = 1000000;
	waiting = NULL;
	interruptions = 0;
	states_freed = false;
	fails_at = fails_after_step = fails_at_size = logged = 0;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || !sessions_init(&host, epoll_fd))
		return -1;
	host.serving.codec = codec_new();
	host.serving.service = &service;
	host.serving.log_requests = true;
	host.transport.body_max_bytes = BODY_MAX_BYTES;
	host.stall_timeout_ms = STALL_MS;
	host.request_timeout_ms = REQUEST_MS;
	sessions_begin_turn(&host);
	for (int i = 0; i < PEERS; i++)
		peers[i] = -1;
	return host.serving.codec == NULL ? -1 : 0;
}

static void hang_up(int peer)
{
	if (peers[peer] >= 0)
		close(peers[peer]);
	peers[peer] = -1;
}

/* Turns, as the gate's, until nothing happens any more. */
static void turn(void)
{
	struct epoll_event event;
	bool moved = true;

	while (moved) {
		int count = epoll_wait(epoll_fd, &event, 1, 0);

		sessions_begin_turn(&host);
		moved = count > 0 || !TAILQ_EMPTY(&host.ready) ||
			host.serving.returns.first != NULL;
		if (count > 0)
			session_handle(event.data.ptr, event.events);
		sessions_continue_returned(&host);
		sessions_drive_ready(&host);
		sessions_expire(&host, now_ms);
		sessions_sweep(&host);
	}
}

static void pass_ms(int64_t ms)
{
	now_ms += ms;
	turn();
}

static int tear_down(void **state)
{
	struct session *session;

	(void)state;
	fails_at = fails_at_size = 0;

	for (int i = 0; i < PEERS; i++)
		hang_up(i);
	/* Where a test has failed, it may have left some. */
	for (session = TAILQ_FIRST(&host.all); session != NULL;
	     session = TAILQ_NEXT(session, all_link)) {
		if (session->phase == PHASE_PARKED)
			waiting->resume(&session->serving.exchange);
	}
	turn();
	sessions_deinit(&host);
	codec_free(&host.serving.codec);
	close(epoll_fd);
	return 0;
}

static void connect_peer(int peer)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX,
				    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				    0, fds),
			 0);
	assert_true(session_open(&host, fds[0]));
	peers[peer] = fds[1];
}

static void send_bytes(int peer, struct span bytes)
{
	while (bytes.length > 0) {
		ssize_t sent = send(peers[peer], bytes.data, bytes.length,
				    MSG_NOSIGNAL);

		assert_true(sent > 0 || errno == EAGAIN);
		if (sent > 0)
			bytes = span_from(bytes, (size_t)sent);
		turn();
	}
	turn();
}

/* A POST that is kept alive, with a body of so many bytes. */
static void make_post(struct buf *out, size_t body_bytes)
{
	struct buf pairs, body;

	buf_init(&pairs, 1000);
	buf_init(&body, BODY_MAX_BYTES);
	fcgi_append_pair(&pairs, SPAN("REQUEST_METHOD"), SPAN("POST"));
	fcgi_append_pair(&pairs, SPAN("REQUEST_URI"), SPAN("/api/message"));
	for (size_t i = 0; i < body_bytes; i++)
		buf_append_char(&body, 'y');
	fcgi_append_request(out, 1, buf_span(&pairs), buf_span(&body));
	buf_deinit(&pairs);
	buf_deinit(&body);
}

static void send_post(int peer)
{
	struct buf request;

	buf_init(&request, OUT_BYTES);
	make_post(&request, 10);
	send_bytes(peer, buf_span(&request));
	buf_deinit(&request);
}

static size_t count_text(struct span text, const char *wanted)
{
	size_t length = strlen(wanted);
	size_t count = 0;

	for (; text.length >= length; text = span_from(text, 1))
		count += memcmp(text.data, wanted, length) == 0;
	return count;
}

/* Reads what there is; *ended_r: the gate has closed the connection. */
static void read_all(int peer, struct buf *out, bool *ended_r)
{
	char bytes[16 * 1024];
	ssize_t count;

	do {
		count = recv(peers[peer], bytes, sizeof(bytes), 0);
		if (count > 0)
			buf_append(out, bytes, (size_t)count);
		turn();
	} while (count > 0);
	*ended_r = count == 0;
}

/* How many answers with this status have come; ended: and then the end. */
static void assert_answers(int peer, const char *status, size_t wanted,
			   bool ended)
{
	struct buf out;
	bool has_ended;

	buf_init(&out, 4 * BODY_MAX_BYTES);
	read_all(peer, &out, &has_ended);
	assert_int_equal(count_text(buf_span(&out), status), wanted);
	assert_int_equal(count_text(buf_span(&out), "Status: "), wanted);
	assert_int_equal(has_ended, ended);
	buf_deinit(&out);
}

static void requests_on_one_connection_are_answered_in_turn(void **state)
{
	struct buf requests;

	(void)state;
	connect_peer(0);
	buf_init(&requests, OUT_BYTES);
	for (int i = 0; i < 3; i++)
		make_post(&requests, 10);
	send_bytes(0, buf_span(&requests));
	buf_deinit(&requests);
	assert_answers(0, "Status: 201", 3, false);
	assert_int_equal(logged, 3);
	assert_string_equal(logged_end, "sent");
}

/*
 * What came behind a request and finds no memory: this one is answered, and the
 * next one never was.
 */
static void a_next_request_without_memory_leaves_this_one_be(void **state)
{
	struct buf requests;
	size_t first;

	(void)state;
	script = WAITS_SURELY;
	connect_peer(0);
	buf_init(&requests, OUT_BYTES);
	make_post(&requests, 10);
	first = requests.length;
	make_post(&requests, 5000);
	fails_at_size = 8193; /* for the 5,000 bytes behind the first */
	send_bytes(0, (struct span){ requests.data, first + 5000 });
	buf_deinit(&requests);
	assert_int_equal(host.count, 1);
	assert_non_null(waiting);
	waiting->resume(waiting);
	turn();
	assert_answers(0, "Status: 201", 1, true);
	assert_true(states_freed);
	assert_int_equal(host.count, 0);
}

static void a_wait_ends_when_nobody_is_there_any_more(void **state)
{
	(void)state;
	script = WAITS;
	connect_peer(0);
	send_post(0);
	assert_int_equal(host.count, 1);
	hang_up(0);
	turn();
	assert_int_equal(interruptions, 1);
	assert_int_equal(why, EXCHANGE_ABANDONED);
	assert_int_equal(host.count, 0);
	assert_true(states_freed);
	assert_string_equal(logged_end, "abandoned");
	assert_int_equal(logged_status, 0);
}

/* As an append does, which is under way: it was stored, and the log says so. */
static void what_no_room_lets_go_of_is_waited_for_and_logged(void **state)
{
	(void)state;
	script = WAITS_SURELY;
	connect_peer(0);
	send_post(0);
	hang_up(0);
	turn();
	assert_int_equal(interruptions, 1);
	assert_int_equal(host.count, 1);
	assert_false(states_freed);
	waiting->resume(waiting);
	turn();
	assert_int_equal(host.count, 0);
	assert_true(states_freed);
	assert_int_equal(logged, 1);
	assert_string_equal(logged_end, "abandoned");
	assert_int_equal(logged_status, 201);
}

static void a_wait_ends_at_its_deadline(void **state)
{
	(void)state;
	script = WAITS;
	connect_peer(0);
	send_post(0);
	assert_int_equal(sessions_next_expiry_ms(&host), now_ms + 900);
	pass_ms(899);
	assert_int_equal(interruptions, 0);
	pass_ms(1);
	assert_int_equal(why, EXCHANGE_EXPIRED);
	assert_answers(0, "Status: 201", 1, false);
}

static void a_deadline_that_comes_too_late_is_asked_once(void **state)
{
	(void)state;
	script = WAITS_SURELY;
	connect_peer(0);
	send_post(0);
	pass_ms(900);
	pass_ms(100);
	assert_int_equal(interruptions, 1);
	assert_int_equal(sessions_next_expiry_ms(&host), -1);
	waiting->resume(waiting);
	turn();
	assert_answers(0, "Status: 201", 1, false);
}

static void a_drain_ends_waits_at_once(void **state)
{
	(void)state;
	script = WAITS;
	connect_peer(0);
	send_post(0);
	sessions_begin_drain(&host);
	assert_int_equal(why, EXCHANGE_DRAINING);
	turn();
	assert_answers(0, "Status: 201", 1, true);
	/* And so it does those that begin after it. */
	connect_peer(1);
	send_post(1);
	assert_int_equal(interruptions, 2);
	assert_answers(1, "Status: 201", 1, true);
	assert_int_equal(host.count, 0);
}

/* A byte now and then, each within the time that it may stall. */
static void a_request_has_to_come_in_within_a_time(void **state)
{
	struct buf request;
	size_t at = 0;
	int64_t passed_ms = 0;

	(void)state;
	connect_peer(0);
	buf_init(&request, OUT_BYTES);
	make_post(&request, 1000);
	while (host.count > 0 && at < request.length) {
		send_bytes(0, (struct span){ request.data + at++, 1 });
		pass_ms(1000);
		passed_ms += 1000;
		turn();
	}
	buf_deinit(&request);
	assert_int_equal(host.count, 0);
	assert_in_range(passed_ms, REQUEST_MS, REQUEST_MS + 2000);
}

static void what_stands_still_is_closed_and_what_idles_is_not(void **state)
{
	(void)state;
	connect_peer(0);
	connect_peer(1);
	send_bytes(0, SPAN("\1\1"));
	pass_ms(STALL_MS - 1);
	assert_int_equal(host.count, 2);
	pass_ms(1);
	assert_int_equal(host.count, 1);
	pass_ms(3600 * 1000);
	send_post(1);
	assert_answers(1, "Status: 201", 1, false);
}

static void the_longest_idle_makes_room(void **state)
{
	(void)state;
	connect_peer(0);
	pass_ms(10);
	connect_peer(1);
	script = WAITS_SURELY;
	send_post(1);
	pass_ms(10);
	connect_peer(2);
	/* Whoever has just connected is about to send. */
	assert_false(sessions_make_room(&host));
	assert_int_equal(sessions_room_ms(&host), now_ms + 80);
	now_ms += 80;
	sessions_begin_turn(&host);
	assert_true(sessions_make_room(&host));
	assert_answers(0, "Status: ", 0, true);
	now_ms += 1000;
	sessions_begin_turn(&host);
	/* What has come by then is served, and no longer idle. */
	script = WAITS_SURELY;
	connect_peer(3);
	hang_up(3);
	send_post(2);
	assert_false(sessions_make_room(&host));
	assert_int_equal(host.count, 2);
	waiting->resume(waiting);
	turn();
	assert_answers(2, "Status: 201", 1, false);
}

/* Requests that come in slowly hold no more than one bound, all together. */
static void above_the_bound_requests_are_answered_with_503(void **state)
{
	struct buf request;
	size_t others = PRESSURE_REQUESTS_MAX_BYTES + 1, held = 0;

	(void)state;
	pressure_hold_request(&host.transport.pressure, &held, others);
	connect_peer(0);
	connect_peer(1);
	buf_init(&request, BODY_MAX_BYTES);
	make_post(&request, 1000000);
	send_bytes(0, buf_span(&request));
	buf_deinit(&request);
	assert_answers(0, "Status: 503", 1, false);
	/* A small one finds its place, on the same connection too. */
	send_post(1);
	assert_answers(1, "Status: 201", 1, false);
	send_post(0);
	assert_answers(0, "Status: 201", 1, false);
	assert_int_equal(host.transport.pressure.request_bytes, others);
}

static void while_much_is_held_requests_get_less_time(void **state)
{
	size_t held = 0;

	(void)state;
	connect_peer(0);
	send_bytes(0, SPAN("\1\1"));
	pressure_hold_request(&host.transport.pressure, &held,
			      PRESSURE_REQUESTS_MAX_BYTES / 2 + 1);
	assert_in_range(sessions_next_expiry_ms(&host), now_ms, now_ms + 100);
	pass_ms(1000);
	assert_int_equal(host.count, 0);
}

static void what_a_request_held_is_given_back(void **state)
{
	static const size_t bodies[] = { 0, 10, 5000, 1000000 };

	(void)state;
	connect_peer(0);
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct buf request;

		buf_init(&request, BODY_MAX_BYTES);
		make_post(&request, bodies[i]);
		send_bytes(0, buf_span(&request));
		buf_deinit(&request);
		assert_answers(0, "Status: 201", 1, false);
		assert_int_equal(host.transport.pressure.request_bytes, 0);
		assert_int_equal(host.transport.pressure.answer_bytes, 0);
	}
}

/* Sends a POST and reads what comes; how often `wanted` is in it. */
static size_t post_and_count(const char *wanted, bool *ended_r)
{
	struct buf out;
	size_t count;

	buf_init(&out, OUT_BYTES);
	send_post(0);
	fails_at = fails_after_step = 0;
	read_all(0, &out, ended_r);
	assert_true(count_text(buf_span(&out), "Status: ") <= 1);
	count = count_text(buf_span(&out), wanted);
	buf_deinit(&out);
	return count;
}

/*
 * Lets the nth allocation of an answer fail, for each there is: another answer
 * goes out in its place, whole, and the next request is served.
 */
static void check_answer_without_memory(const char *want)
{
	size_t failed = 1;
	bool ended;

	connect_peer(0);
	for (size_t nth = 1; failed > 0; nth++) {
		spares_deinit(&host.transport.spares);
		fails_after_step = nth;
		failed = post_and_count(want, &ended);
		assert_false(ended);
		assert_int_equal(logged_status, failed > 0 ? 503 : 201);
		assert_int_equal(post_and_count("Status: 201", &ended), 1);
		assert_true(nth < 100);
	}
}

static void an_answer_without_memory_is_an_error_and_whole(void **state)
{
	(void)state;
	check_answer_without_memory("Nothing was stored");
}

static void no_error_denies_what_was_stored(void **state)
{
	(void)state;
	script = ANSWERS_AND_STORES;
	check_answer_without_memory("write_uncertain");
}

static void without_memory_for_a_request_it_is_answered_or_closed(void **state)
{
	size_t good = 0;
	bool ended;

	(void)state;
	for (size_t nth = 1; good == 0; nth++) {
		connect_peer(0);
		spares_deinit(&host.transport.spares);
		fails_at = nth;
		good = post_and_count("Status: 201", &ended);
		hang_up(0);
		turn();
		assert_int_equal(host.count, 0);
		assert_int_equal(host.transport.pressure.request_bytes, 0);
		assert_int_equal(host.transport.pressure.answer_bytes, 0);
		assert_true(nth < 100);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(requests_on_one_connection_are_answered_in_turn),
		TEST(a_next_request_without_memory_leaves_this_one_be),
		TEST(a_wait_ends_when_nobody_is_there_any_more),
		TEST(what_no_room_lets_go_of_is_waited_for_and_logged),
		TEST(a_wait_ends_at_its_deadline),
		TEST(a_deadline_that_comes_too_late_is_asked_once),
		TEST(a_drain_ends_waits_at_once),
		TEST(a_request_has_to_come_in_within_a_time),
		TEST(what_stands_still_is_closed_and_what_idles_is_not),
		TEST(the_longest_idle_makes_room),
		TEST(above_the_bound_requests_are_answered_with_503),
		TEST(while_much_is_held_requests_get_less_time),
		TEST(what_a_request_held_is_given_back),
		TEST(an_answer_without_memory_is_an_error_and_whole),
		TEST(no_error_denies_what_was_stored),
		TEST(without_memory_for_a_request_it_is_answered_or_closed),
	};

	return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}
