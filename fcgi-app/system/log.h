/* SPDX-License-Identifier: MIT */
#ifndef BUZON_SYSTEM_LOG_H
#define BUZON_SYSTEM_LOG_H

#include <stdint.h>

#include "text/span.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG__MAX };

/* Only this level and the more important ones are written from now on. */
void log_set_level(enum log_level level);

const char *log_level_name(enum log_level level);

/*
 * Writes one line of JSON to standard error in one write():
 * {"time":…,"level":…,"event":…,"request_id":…,"detail":…}
 *
 * event: a stable lower_case name. request_id: NULL where no request is
 * concerned. The detail is printf's; bytes in it that are not UTF-8 are
 * replaced. Keeps errno. Any thread.
 */
void log_event(enum log_level level, const char *event, const char *request_id,
	       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* What the request log says of one answer. */
struct log_request {
	const char *request_id;
	struct span method;
	struct span target;
	int status; /* 0: it came to none */
	uint64_t body_bytes;
	int64_t duration_us;
	const char *end; /* "sent", or why it was not */
};

/* Writes a line of the request log, at level info. Any thread. */
void log_request(const struct log_request *request);

#endif
