/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_SESSIONS_H
#define BUZON_GATE_SESSIONS_H

#include "gate/session.h"

/*
 * All sessions of the gate: what came back to them, whose time is over, and who
 * makes room for others. For the gate's thread.
 */

/*
 * False, with errno, when there is no memory or descriptor; sessions_deinit()
 * is to be called in either case. The caller sets the rest of what is shared
 * before the first session, and keeps epoll_fd open until the last is closed.
 */
bool sessions_init(struct session_host *host, int epoll_fd) MUST_CHECK;

/* Closes what is left; no exchange may be out of the gate's hands. */
void sessions_deinit(struct session_host *host);

/* A turn of the gate begins, in which the next four follow, in this order. */
void sessions_begin_turn(struct session_host *host);

/* Goes on with those that had more to do than one turn is for. */
void sessions_drive_ready(struct session_host *host);

/*
 * Closes what has stalled, sooner while it holds too much memory, and ends the
 * waits whose deadline has come. seen_ms (CLOCK_MONOTONIC): all events up to
 * then have been handled; what has come later may be bytes of one that is due.
 */
void sessions_expire(struct session_host *host, int64_t seen_ms);

/* Goes on with the exchanges that were given back by now. */
void sessions_continue_returned(struct session_host *host);

/* Frees what was closed during this turn. */
void sessions_sweep(struct session_host *host);

/* When sessions_expire() is next of use (CLOCK_MONOTONIC, ms), or -1. */
int64_t sessions_next_expiry_ms(const struct session_host *host);

/*
 * Closes the session that has been idle for the longest, after a last look for
 * a request. False where none is idle.
 */
bool sessions_make_room(struct session_host *host) MUST_CHECK;

/* When sessions_make_room() is next of use (CLOCK_MONOTONIC, ms), or -1. */
int64_t sessions_room_ms(const struct session_host *host);

/* The program is to end: answers are the last on their connections. */
void sessions_begin_drain(struct session_host *host);

/* Closes those that are idle, after a last look for a request. */
void sessions_close_idle(struct session_host *host);

/* Closes those whose request is not whole; returns how many there were. */
size_t sessions_drop_partial(struct session_host *host);

/* Logs every request that is not answered to its end; returns how many. */
size_t sessions_log_cut(const struct session_host *host);

#endif
