/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/spares.h"
#include "torture.h"

/*
 * The calls to the C library. A macro each where all ways of failing are the
 * same: nothing is done, and errno tells why.
 */
#define FAILING(type, failure, name, parameters, arguments)                    \
	WRAPPED(type, name, parameters)                                        \
	{                                                                      \
		return torture_fails(CALL_##name) ? (failure)                  \
						  : __real_##name arguments;   \
	}

FAILING(int, -1, accept4,
	(int fd, struct sockaddr *address, socklen_t *length, int flags),
	(fd, address, length, flags))
FAILING(int, -1, epoll_create1, (int flags), (flags))
FAILING(int, -1, epoll_wait,
	(int fd, struct epoll_event *events, int count, int patience_ms),
	(fd, events, count, patience_ms))
FAILING(int, -1, eventfd, (unsigned count, int flags), (count, flags))
FAILING(int, -1, ftruncate, (int fd, off_t length), (fd, length))
FAILING(int, -1, gethostname, (char *name, size_t size), (name, size))
FAILING(int, -1, getrlimit, (int resource, struct rlimit *limit),
	(resource, limit))
FAILING(int, -1, getsockopt,
	(int fd, int level, int name, void *value, socklen_t *length),
	(fd, level, name, value, length))
FAILING(off_t, -1, lseek, (int fd, off_t offset, int whence),
	(fd, offset, whence))
FAILING(void *, NULL, malloc, (size_t size), (size))
FAILING(int, -1, memfd_create, (const char *name, unsigned flags),
	(name, flags))
FAILING(void *, (void *)-1, mmap,
	(void *address, size_t length, int protection, int flags, int fd,
	 off_t offset),
	(address, length, protection, flags, fd, offset))
FAILING(int, -1, poll, (struct pollfd * pollers, nfds_t count, int patience_ms),
	(pollers, count, patience_ms))
FAILING(int, errno, pthread_create,
	(pthread_t * thread, const pthread_attr_t *attributes,
	 void *(*start)(void *), void *argument),
	(thread, attributes, start, argument))
/* They wake up without a reason. */
FAILING(int, 0, pthread_cond_timedwait,
	(pthread_cond_t * condition, pthread_mutex_t *mutex,
	 const struct timespec *end),
	(condition, mutex, end))
FAILING(int, 0, pthread_cond_wait,
	(pthread_cond_t * condition, pthread_mutex_t *mutex),
	(condition, mutex))
FAILING(void *, NULL, realloc, (void *memory, size_t size), (memory, size))
FAILING(int, -1, sched_setscheduler,
	(pid_t thread, int policy, const struct sched_param *parameters),
	(thread, policy, parameters))
FAILING(int, -1, setrlimit, (int resource, const struct rlimit *limit),
	(resource, limit))
FAILING(int, -1, setsockopt,
	(int fd, int level, int name, const void *value, socklen_t length),
	(fd, level, name, value, length))
FAILING(int, -1, signalfd, (int fd, const sigset_t *signals, int flags),
	(fd, signals, flags))
FAILING(char *, NULL, strdup, (const char *text), (text))
FAILING(int, -1, vsnprintf,
	(char *out, size_t size, const char *format, va_list arguments),
	(out, size, format, arguments))

WRAPPED(void *, calloc, (size_t count, size_t size))
{
	static const uintptr_t nowhere = 16;
	const struct torture_way *way = torture_strike(CALL_calloc);

	if (way == NULL)
		return __real_calloc(count, size);
	/* Planted: as if nobody looked at what calloc() returned. */
	return way->effect == TORTURE_PLANTED ? (void *)nowhere : NULL;
}

/* Planted: what was to be freed is not. */
WRAPPED(void, free, (void *memory))
{
	if (memory == NULL || !torture_fails(CALL_free))
		__real_free(memory);
}

/* Linux has closed it, whatever it says. */
WRAPPED(int, close, (int fd))
{
	int rc = __real_close(fd);

	return torture_fails(CALL_close) ? -1 : rc;
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, int argument);
int __wrap_fcntl(int fd, int command, int argument)
{
	return torture_fails(CALL_fcntl) ? -1
					 : __real_fcntl(fd, command, argument);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode)
{
	return torture_fails(CALL_open) ? -1 : __real_open(path, flags, mode);
}

/* What of `length` bytes a call that is cut short does; -1 where it fails. */
static ssize_t part(const struct torture_way *way, size_t length)
{
	if (way == NULL)
		return (ssize_t)length;
	return way->effect == TORTURE_SHORT && length > 0 ? 1 : -1;
}

WRAPPED(ssize_t, getrandom, (void *bytes, size_t length, unsigned flags))
{
	ssize_t count = part(torture_strike(CALL_getrandom), length);

	return count < 0 ? -1 : __real_getrandom(bytes, (size_t)count, flags);
}

WRAPPED(ssize_t, read, (int fd, void *bytes, size_t length))
{
	ssize_t count = part(torture_strike(CALL_read), length);

	return count < 0 ? -1 : __real_read(fd, bytes, (size_t)count);
}

WRAPPED(ssize_t, write, (int fd, const void *bytes, size_t length))
{
	const struct torture_way *way = torture_strike(
		fd == STDERR_FILENO ? CALL_write_log : CALL_write);
	ssize_t count = part(way, length);

	if (way != NULL && way->effect == TORTURE_PLANTED)
		return (ssize_t)length;
	return count < 0 ? -1 : __real_write(fd, bytes, (size_t)count);
}

/* What epoll was last told of each descriptor. */
static struct {
	int epoll_fd;
	struct epoll_event event;
} watched[1024];

WRAPPED(int, epoll_ctl,
	(int epoll_fd, int operation, int fd, struct epoll_event *event))
{
	const int watched_max = sizeof(watched) / sizeof(watched[0]);

	if (torture_fails(CALL_epoll_ctl))
		return -1;
	if (fd < watched_max && event != NULL) {
		watched[fd].epoll_fd = epoll_fd;
		watched[fd].event = *event;
	}
	return __real_epoll_ctl(epoll_fd, operation, fd, event);
}

/*
 * After a call that did less than it could have: as the kernel does when more
 * comes, or there is room again, a moment later.
 */
static void tell_again(int fd)
{
	int saved_errno = errno;

	(void)__real_epoll_ctl(watched[fd].epoll_fd, EPOLL_CTL_MOD, fd,
			       &watched[fd].event);
	errno = saved_errno;
}

WRAPPED(ssize_t, recv, (int fd, void *bytes, size_t length, int flags))
{
	const struct torture_way *way = torture_strike(CALL_recv);
	ssize_t count = part(way, length);

	if (count >= 0)
		count = __real_recv(fd, bytes, (size_t)count, flags);
	if (way != NULL && (count > 0 || way->error == EAGAIN))
		tell_again(fd);
	return count;
}

WRAPPED(ssize_t, send, (int fd, const void *bytes, size_t length, int flags))
{
	const struct torture_way *way = torture_strike(CALL_send);
	ssize_t count = part(way, length);

	if (count >= 0)
		count = __real_send(fd, bytes, (size_t)count, flags);
	if (way != NULL && (count > 0 || way->error == EAGAIN))
		tell_again(fd);
	return count;
}

/* Memory that an earlier request left hides what allocations can come to. */
WRAPPED(void, spares_lend, (struct spares * spares, struct buf *buf))
{
	if (!torture_is_cold())
		__real_spares_lend(spares, buf);
}
