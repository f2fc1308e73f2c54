/* SPDX-License-Identifier: MIT */
/*
 * The control of the search for leaks: preloaded, each wait for events loses
 * a page of memory and, now and then, a descriptor.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { PAGE_BYTES = 4096, WAITS_A_DESCRIPTOR = 64 };

int epoll_wait(int epfd, struct epoll_event *events, int count, int timeout_ms)
{
	static int waits;
	/* Else the compiler leaves out what nobody reads. */
	static char *volatile lost;

	lost = malloc(PAGE_BYTES);
	if (lost != NULL)
		memset(lost, 1, PAGE_BYTES);
	if (++waits % WAITS_A_DESCRIPTOR == 0)
		(void)!eventfd(0, 0);
	return epoll_pwait(epfd, events, count, timeout_ms, NULL);
}
