/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_LISTENER_H
#define BUZON_GATE_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gate/sessions.h"

/*
 * The listening socket: takes the connections of web servers as long as there
 * is room for them. For the gate's thread.
 */
struct listener {
	struct session_host *host;
	int fd; /* -1: closed */
	size_t sessions_max;
	bool accepting;
	int64_t again_ms; /* when to accept again; 0: when one has closed */
};

/*
 * Takes over fd; epoll's events for it come with the listener's address. False,
 * with errno, where the kernel refuses; listener_close() is to be called then
 * as well.
 */
bool listener_open(struct listener *listener, int fd, size_t sessions_max,
		   struct session_host *host) MUST_CHECK;

/* Accepts all that wait. Where there is no room, idle sessions make some. */
void listener_accept(struct listener *listener);

/* Accepts again where it had paused and need not any more. Once a turn. */
void listener_resume(struct listener *listener);

/* When listener_resume() is next of use (CLOCK_MONOTONIC, ms), or -1. */
int64_t listener_next_ms(const struct listener *listener);

/*
 * Accepts all that the kernel has let in, whatever room there is, for they
 * would be reset, and closes the socket. Somebody else may still hold it, as
 * systemd does: those who come later are for the next program.
 */
void listener_close(struct listener *listener);

#endif
