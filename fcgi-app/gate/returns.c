/* SPDX-License-Identifier: MIT */
#include "gate/returns.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "system/log.h"

bool returns_init(struct returns *returns)
{
	*returns = (struct returns){
		.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	pthread_mutex_init(&returns->mutex, NULL);
	return returns->wake_fd >= 0;
}

void returns_deinit(struct returns *returns)
{
	if (returns->wake_fd >= 0)
		close(returns->wake_fd);
	returns->wake_fd = -1;
	pthread_mutex_destroy(&returns->mutex);
}

void returns_begin_turn(struct returns *returns)
{
	atomic_store(&returns->wake_pending, true);
}

void returns_wake(void *returns)
{
	struct returns *self = returns;
	const uint64_t one = 1;
	ssize_t written;

	if (atomic_exchange(&self->wake_pending, true))
		return;
	do {
		written = write(self->wake_fd, &one, sizeof(one));
	} while (written < 0 && errno == EINTR);
	if (written < 0)
		log_event(LOG_ERROR, "internal", NULL,
			  "the gate could not be woken: %s",
			  strerrordesc_np(errno));
}

void returns_add(struct returns *returns, struct returned *returned)
{
	returned->next = NULL;
	pthread_mutex_lock(&returns->mutex);
	if (returns->first == NULL)
		returns->first = returned;
	else
		returns->last->next = returned;
	returns->last = returned;
	/*
	 * Under the lock: once the gate has this one it may end, and close
	 * the descriptor. One wake serves all that come before it looks.
	 */
	returns_wake(returns);
	pthread_mutex_unlock(&returns->mutex);
}

struct returned *returns_collect(struct returns *returns)
{
	struct returned *first;

	if (!atomic_exchange(&returns->wake_pending, false))
		return NULL;
	pthread_mutex_lock(&returns->mutex);
	first = returns->first;
	returns->first = NULL;
	pthread_mutex_unlock(&returns->mutex);
	return first;
}
