/* SPDX-License-Identifier: MIT */
#include "store_fake.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "system/clock.h"

enum { BATCHES_KEPT = 4096, PATIENCE_SECS = 20 };

struct fake_message {
	struct message message;
	struct span key; /* no data: none */
};

/* What a test wants of the calls of one kind. */
struct script {
	size_t begun;
	size_t fail_from; /* by the number of the call, from 1; 0: never */
	size_t fail_to;
	enum err err;
	bool hold;
	size_t held;
	size_t passes; /* how many that are held may go on */
};

struct store_fake {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct script scripts[STORE_FAKE_CALLS];
	size_t fail_after_visits;
	uint64_t hidden_id; /* 0: none */
	struct fake_message *messages;
	size_t count;
	size_t capacity;
	size_t batches[BATCHES_KEPT];
	size_t find_batches[BATCHES_KEPT];
	bool powers_of_two;
	bool never_waits;
	int answer_fd; /* an eventfd that can be read once there is an answer */
};

struct fake_store {
	struct store store; /* first: the operations cast */
	struct store_fake *fake;
	/* What a find wants that was begun. */
	uint64_t ids[STORE_FIND_MAX];
	size_t id_count;
	store_visit_fn *visit;
	void *context;
};

/* A test without memory has nothing to tell: it crashes here at once. */
static void *must(void *memory)
{
	if (memory == NULL) {
		fprintf(stderr, "store_fake: out of memory\n");
		_Exit(1);
	}
	return memory;
}

static struct span copy(struct span text)
{
	char *bytes;

	if (text.data == NULL)
		return text;
	bytes = must(malloc(text.length + 1));
	memcpy(bytes, text.data, text.length);
	return (struct span){ bytes, text.length };
}

static void free_span(struct span text)
{
	free((void *)(uintptr_t)text.data);
}

struct store_fake *store_fake_new(void)
{
	struct store_fake *fake = must(calloc(1, sizeof(*fake)));
	pthread_condattr_t attributes;

	fake->answer_fd = eventfd(0, EFD_NONBLOCK);
	assert(fake->answer_fd >= 0);
	pthread_mutex_init(&fake->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&fake->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	return fake;
}

void store_fake_free(struct store_fake **fake)
{
	struct store_fake *self = *fake;

	if (self == NULL)
		return;
	for (size_t i = 0; i < self->count; i++) {
		free_span(self->messages[i].message.from);
		free_span(self->messages[i].message.content);
		free_span(self->messages[i].key);
	}
	free(self->messages);
	close(self->answer_fd);
	pthread_cond_destroy(&self->changed);
	pthread_mutex_destroy(&self->mutex);
	free(self);
	*fake = NULL;
}

static struct store_fake *fake_of(struct store *store)
{
	return ((struct fake_store *)store)->fake;
}

/* With the mutex held: counts a call, holds it up, says how it will end. */
static enum err begin(struct store_fake *fake, enum store_fake_call call)
{
	struct script *script = &fake->scripts[call];
	size_t number = ++script->begun;
	enum err err = ERR_OK;

	if (script->fail_from > 0 && number >= script->fail_from &&
	    number <= script->fail_to)
		err = script->err;
	script->held++;
	pthread_cond_broadcast(&fake->changed);
	while (script->hold && script->passes == 0)
		pthread_cond_wait(&fake->changed, &fake->mutex);
	if (script->hold)
		script->passes--;
	script->held--;
	return err;
}

/* With the mutex held. */
static struct fake_message *add(struct store_fake *fake, struct span key,
				struct span from, struct span content)
{
	struct fake_message *added;
	uint64_t id = fake->count + 1;

	if (fake->count == fake->capacity) {
		fake->capacity = fake->capacity > 0 ? 2 * fake->capacity : 64;
		fake->messages = must(realloc(fake->messages,
					      fake->capacity * sizeof(*added)));
	}
	added = &fake->messages[fake->count++];
	*added = (struct fake_message){
		.message = { .id = id,
			     .from = copy(from),
			     .content = copy(content) },
		.key = copy(key),
	};
	snprintf(added->message.date, sizeof(added->message.date),
		 "2026-11-21T17:15:39.%06uZ", (unsigned)(id % 1000000));
	return added;
}

static const struct fake_message *find_key(const struct store_fake *fake,
					   struct span key)
{
	if (key.data == NULL)
		return NULL;
	for (size_t i = 0; i < fake->count; i++) {
		if (fake->messages[i].key.data != NULL &&
		    span_equal(fake->messages[i].key, key))
			return &fake->messages[i];
	}
	return NULL;
}

static void append_row(struct store_fake *fake, struct store_append *row)
{
	const struct fake_message *stored =
		find_key(fake, row->idempotency_key);

	row->result = ERR_OK;
	row->replayed = stored != NULL;
	if (stored == NULL)
		stored = add(fake, row->idempotency_key, row->from,
			     row->content);
	if (!span_equal(stored->message.from, row->from) ||
	    !span_equal(stored->message.content, row->content)) {
		row->result = ERR_KEY_REUSED;
		row->replayed = false;
		return;
	}
	row->id = stored->message.id;
	memcpy(row->date, stored->message.date, sizeof(row->date));
}

static size_t fake_append_all(size_t waiting)
{
	return waiting;
}

static size_t fake_append_power(size_t waiting)
{
	size_t size = 1;

	while (2 * size <= waiting)
		size *= 2;
	return size;
}

static enum err fake_append(struct store *store, struct store_append **rows,
			    size_t count)
{
	struct store_fake *fake = fake_of(store);
	size_t number;
	enum err err;

	pthread_mutex_lock(&fake->mutex);
	number = fake->scripts[STORE_FAKE_APPEND].begun;
	if (number < BATCHES_KEPT)
		fake->batches[number] = count;
	err = begin(fake, STORE_FAKE_APPEND);
	for (size_t i = 0; err == ERR_OK && i < count; i++)
		append_row(fake, rows[i]);
	pthread_mutex_unlock(&fake->mutex);
	return err;
}

static bool meets(const struct message *message, enum filter_key key,
		  const union filter_value *value)
{
	switch (key) {
	case FILTER_FROM:
		return span_equal(message->from, value->text);
	case FILTER_CONTENT:
		return span_equal(message->content, value->text);
	case FILTER_ID:
		return message->id == value->number;
	case FILTER_AFTER:
		return message->id > value->number;
	case FILTER_BEFORE:
		return message->id < value->number;
	default: /* of the result */
		return true;
	}
}

static bool matches(const struct message *message, const struct filter *filter)
{
	for (enum filter_key key = 0; key < FILTER_KEYS; key++) {
		if (filter_has(filter, key) &&
		    !meets(message, key, &filter->values[key]))
			return false;
	}
	return true;
}

/* visits_max: how many messages to visit at most. */
static void visit_all(struct store *store, const struct filter *filter,
		      uint64_t visits_max, store_visit_fn *visit, void *context)
{
	const struct store_fake *fake = fake_of(store);
	uint64_t visited = 0;

	for (size_t i = 0; i < fake->count && visited < visits_max; i++) {
		size_t at = filter_has(filter, FILTER_ORDER)
				    ? fake->count - 1 - i
				    : i;
		const struct message *message = &fake->messages[at].message;
		struct message only_id = { .id = message->id };

		if (!matches(message, filter) || message->id == fake->hidden_id)
			continue;
		visited++;
		if (message->id > store->seen_id)
			store->seen_id = message->id;
		if (!visit(filter->ids_only ? &only_id : message, context))
			return;
	}
}

static enum err fake_read(struct store *store, const struct filter *filter,
			  store_visit_fn *visit, void *context)
{
	struct store_fake *fake = fake_of(store);
	uint64_t visits_max = filter_has(filter, FILTER_LIMIT)
				      ? filter->values[FILTER_LIMIT].number
				      : UINT64_MAX;
	enum err err;

	pthread_mutex_lock(&fake->mutex);
	err = begin(fake, STORE_FAKE_READ);
	if (err != ERR_OK && visits_max > fake->fail_after_visits)
		visits_max = fake->fail_after_visits;
	visit_all(store, filter, visits_max, visit, context);
	fake->hidden_id = 0;
	pthread_mutex_unlock(&fake->mutex);
	return err;
}

/* In no order that one could rely on: the last first. */
static void visit_found(const struct store_fake *fake, const uint64_t *ids,
			size_t count, size_t visits_max, store_visit_fn *visit,
			void *context)
{
	for (size_t i = fake->count; i-- > 0 && visits_max > 0;) {
		bool wanted = false;

		for (size_t j = 0; j < count && !wanted; j++)
			wanted = ids[j] == fake->messages[i].message.id;
		if (!wanted)
			continue;
		visits_max--;
		if (!visit(&fake->messages[i].message, context))
			break;
	}
}

static enum err fake_find(struct store *store, const uint64_t *ids,
			  size_t count, store_visit_fn *visit, void *context)
{
	struct store_fake *fake = fake_of(store);
	size_t visits_max = count;
	size_t number;
	enum err err;

	pthread_mutex_lock(&fake->mutex);
	number = fake->scripts[STORE_FAKE_FIND].begun;
	if (number < BATCHES_KEPT)
		fake->find_batches[number] = count;
	err = begin(fake, STORE_FAKE_FIND);
	if (err != ERR_OK)
		visits_max = fake->fail_after_visits;
	visit_found(fake, ids, count, visits_max, visit, context);
	pthread_mutex_unlock(&fake->mutex);
	return err;
}

static enum store_progress fake_find_start(struct store *store,
					   const uint64_t *ids, size_t count,
					   store_visit_fn *visit, void *context,
					   enum err *err_r)
{
	struct store_fake *fake = fake_of(store);
	struct fake_store *self = (struct fake_store *)store;
	enum store_progress progress = STORE_WOULD_BLOCK;

	pthread_mutex_lock(&fake->mutex);
	*err_r = begin(fake, STORE_FAKE_FIND_START);
	if (*err_r != ERR_OK) {
		progress = STORE_DONE;
	} else if (fake->never_waits) {
		memcpy(self->ids, ids, count * sizeof(*ids));
		self->id_count = count;
		self->visit = visit;
		self->context = context;
		store->wait = (struct store_wait){
			.fd = fake->answer_fd,
			.until_ms = clock_now_ms() + PATIENCE_SECS * 1000,
		};
		progress = STORE_WAITING;
	}
	pthread_mutex_unlock(&fake->mutex);
	return progress;
}

static enum store_progress fake_find_continue(struct store *store, bool expired,
					      enum err *err_r)
{
	struct store_fake *fake = fake_of(store);
	const struct fake_store *self = (const struct fake_store *)store;
	uint64_t answers;

	if (expired)
		return STORE_WOULD_BLOCK;
	pthread_mutex_lock(&fake->mutex);
	*err_r = begin(fake, STORE_FAKE_FIND_CONTINUE);
	if (read(fake->answer_fd, &answers, sizeof(answers)) < 0)
		assert(!"continued without an answer");
	if (*err_r == ERR_OK)
		visit_found(fake, self->ids, self->id_count, SIZE_MAX,
			    self->visit, self->context);
	pthread_mutex_unlock(&fake->mutex);
	return STORE_DONE;
}

static enum err fake_ping(struct store *store)
{
	struct store_fake *fake = fake_of(store);
	enum err err;

	pthread_mutex_lock(&fake->mutex);
	err = begin(fake, STORE_FAKE_PING);
	pthread_mutex_unlock(&fake->mutex);
	return err;
}

static void fake_close(struct store *store)
{
	struct store_fake *fake = fake_of(store);

	pthread_mutex_lock(&fake->mutex);
	(void)begin(fake, STORE_FAKE_CLOSE);
	pthread_mutex_unlock(&fake->mutex);
	free(store);
}

static const struct store_operations operations_all = {
	.append_size = fake_append_all,
	.append_rows = fake_append,
	.read = fake_read,
	.find = fake_find,
	.find_start = fake_find_start,
	.find_continue = fake_find_continue,
	.ping = fake_ping,
	.close = fake_close,
};

static const struct store_operations operations_power = {
	.append_size = fake_append_power,
	.append_rows = fake_append,
	.read = fake_read,
	.find = fake_find,
	.find_start = fake_find_start,
	.find_continue = fake_find_continue,
	.ping = fake_ping,
	.close = fake_close,
};

struct store *store_fake_open(void *context)
{
	struct store_fake *fake = context;
	struct fake_store *store = NULL;

	pthread_mutex_lock(&fake->mutex);
	if (begin(fake, STORE_FAKE_OPEN) == ERR_OK) {
		store = must(calloc(1, sizeof(*store)));
		store->store.operations = fake->powers_of_two
						  ? &operations_power
						  : &operations_all;
		store->fake = fake;
	}
	pthread_mutex_unlock(&fake->mutex);
	return store != NULL ? &store->store : NULL;
}

uint64_t store_fake_add(struct store_fake *fake, struct span from,
			struct span content)
{
	uint64_t id;

	pthread_mutex_lock(&fake->mutex);
	id = add(fake, (struct span){ NULL, 0 }, from, content)->message.id;
	pthread_mutex_unlock(&fake->mutex);
	return id;
}

size_t store_fake_count(struct store_fake *fake)
{
	size_t count;

	pthread_mutex_lock(&fake->mutex);
	count = fake->count;
	pthread_mutex_unlock(&fake->mutex);
	return count;
}

void store_fake_fail(struct store_fake *fake, enum store_fake_call call,
		     size_t nth, size_t times, enum err err)
{
	struct script *script = &fake->scripts[call];

	pthread_mutex_lock(&fake->mutex);
	script->fail_from = script->begun + nth;
	script->fail_to = script->fail_from + times - 1;
	script->err = err;
	pthread_mutex_unlock(&fake->mutex);
}

void store_fake_fail_after(struct store_fake *fake, size_t visits)
{
	pthread_mutex_lock(&fake->mutex);
	fake->fail_after_visits = visits;
	pthread_mutex_unlock(&fake->mutex);
}

void store_fake_hide_once(struct store_fake *fake, uint64_t id)
{
	pthread_mutex_lock(&fake->mutex);
	fake->hidden_id = id;
	pthread_mutex_unlock(&fake->mutex);
}

void store_fake_never_wait(struct store_fake *fake)
{
	pthread_mutex_lock(&fake->mutex);
	fake->never_waits = true;
	pthread_mutex_unlock(&fake->mutex);
}

void store_fake_answer(struct store_fake *fake)
{
	const uint64_t one = 1;

	if (write(fake->answer_fd, &one, sizeof(one)) < 0)
		assert(!"no answer could be given");
}

void store_fake_hold(struct store_fake *fake, enum store_fake_call call)
{
	pthread_mutex_lock(&fake->mutex);
	fake->scripts[call].hold = true;
	fake->scripts[call].passes = 0;
	pthread_mutex_unlock(&fake->mutex);
}

void store_fake_release(struct store_fake *fake, enum store_fake_call call)
{
	pthread_mutex_lock(&fake->mutex);
	fake->scripts[call].hold = false;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->mutex);
}

void store_fake_release_all(struct store_fake *fake)
{
	for (int call = 0; call < STORE_FAKE_CALLS; call++)
		store_fake_release(fake, (enum store_fake_call)call);
}

void store_fake_release_one(struct store_fake *fake, enum store_fake_call call)
{
	pthread_mutex_lock(&fake->mutex);
	fake->scripts[call].passes++;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->mutex);
}

/* With the mutex held: until *value is count or more. */
static bool await(struct store_fake *fake, const size_t *value, size_t count)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += PATIENCE_SECS;
	while (*value < count) {
		if (pthread_cond_timedwait(&fake->changed, &fake->mutex,
					   &end) != 0)
			return *value >= count;
	}
	return true;
}

bool store_fake_await_calls(struct store_fake *fake, enum store_fake_call call,
			    size_t count)
{
	bool came;

	pthread_mutex_lock(&fake->mutex);
	came = await(fake, &fake->scripts[call].begun, count);
	pthread_mutex_unlock(&fake->mutex);
	return came;
}

bool store_fake_await_held(struct store_fake *fake, enum store_fake_call call,
			   size_t count)
{
	bool came;

	pthread_mutex_lock(&fake->mutex);
	came = await(fake, &fake->scripts[call].held, count);
	pthread_mutex_unlock(&fake->mutex);
	return came;
}

size_t store_fake_calls(struct store_fake *fake, enum store_fake_call call)
{
	size_t begun;

	pthread_mutex_lock(&fake->mutex);
	begun = fake->scripts[call].begun;
	pthread_mutex_unlock(&fake->mutex);
	return begun;
}

size_t store_fake_batch(struct store_fake *fake, enum store_fake_call call,
			size_t nth)
{
	size_t size = 0;

	pthread_mutex_lock(&fake->mutex);
	if (nth < BATCHES_KEPT)
		size = call == STORE_FAKE_FIND ? fake->find_batches[nth]
					       : fake->batches[nth];
	pthread_mutex_unlock(&fake->mutex);
	return size;
}

void store_fake_prefer_powers_of_two(struct store_fake *fake)
{
	pthread_mutex_lock(&fake->mutex);
	fake->powers_of_two = true;
	pthread_mutex_unlock(&fake->mutex);
}
