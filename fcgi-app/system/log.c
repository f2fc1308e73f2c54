/* SPDX-License-Identifier: MIT */
#include "system/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "text/utf8.h"

/*
 * A line is built on the stack, so that one can be written when there is no
 * memory left. 4096 bytes are what a pipe takes as a whole (PIPE_BUF), so that
 * lines of several replicas on one pipe are never mixed.
 */
enum {
	LINE_BYTES = 4096,
	/* Where a string must have ended, for what follows it to fit. */
	SHORT_STRING_BYTES = 320,
	TARGET_END = LINE_BYTES - 192,
	DETAIL_END = LINE_BYTES - 2, /* "}" and the newline */
	ESCAPED_BYTES = sizeof("\\u0000"),
};

#define CUT_MARK "\u2026"

struct line {
	char bytes[LINE_BYTES];
	size_t length;
};

static const char *const level_names[LOG__MAX] = {
	[LOG_ERROR] = "error",
	[LOG_WARNING] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static atomic_int current_level = LOG_INFO;

/* Guards the lines from each other, and lost_lines. */
static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long lost_lines;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

const char *log_level_name(enum log_level level)
{
	assert((unsigned int)level < LOG__MAX);
	return level_names[level];
}

static bool is_written(enum log_level level)
{
	return (int)level <=
	       atomic_load_explicit(&current_level, memory_order_relaxed);
}

static void append(struct line *line, const char *bytes, size_t length)
{
	assert(length <= sizeof(line->bytes) - line->length);
	memcpy(line->bytes + line->length, bytes, length);
	line->length += length;
}

static void append_text(struct line *line, const char *text)
{
	append(line, text, strlen(text));
}

static void append_number(struct line *line, const char *name, int64_t number)
{
	char text[64];

	(void)snprintf(text, sizeof(text), ",\"%s\":%" PRId64, name, number);
	append_text(line, text);
}

/*
 * Makes of text's first character what may stand in a JSON string, and takes
 * the character off text. The span returned is for use before the next call.
 */
static struct span take_character(struct span *text,
				  char escaped[ESCAPED_BYTES])
{
	uint32_t code_point;
	size_t length = utf8_next(*text, &code_point);
	struct span as_sent = { text->data, length };

	*text = span_from(*text, length);
	if (code_point == UTF8_REPLACEMENT)
		return SPAN(UTF8_REPLACEMENT_TEXT);
	if (code_point == '"' || code_point == '\\') {
		escaped[0] = '\\';
		escaped[1] = (char)code_point;
		return (struct span){ escaped, 2 };
	}
	if (utf8_is_control(code_point)) {
		(void)snprintf(escaped, ESCAPED_BYTES, "\\u%04" PRIx32,
			       code_point & 0xff);
		return span_of(escaped);
	}
	return as_sent;
}

/* Appends a JSON string; it is cut where the line would grow beyond end. */
static void append_string(struct line *line, struct span text, size_t end)
{
	char escaped[ESCAPED_BYTES];
	struct span piece;

	end -= strlen(CUT_MARK "\"");
	append_text(line, "\"");
	while (text.length > 0) {
		piece = take_character(&text, escaped);
		if (line->length + piece.length > end) {
			append_text(line, CUT_MARK);
			break;
		}
		append(line, piece.data, piece.length);
	}
	append_text(line, "\"");
}

static void append_member(struct line *line, const char *name,
			  struct span value, size_t end)
{
	append_text(line, ",\"");
	append_text(line, name);
	append_text(line, "\":");
	append_string(line, value, end);
}

static void append_short_member(struct line *line, const char *name,
				struct span value)
{
	append_member(line, name, value, line->length + SHORT_STRING_BYTES);
}

static void begin_line(struct line *line, enum log_level level,
		       const char *event, const char *request_id)
{
	struct timespec now = { 0 };
	struct tm utc = { 0 };
	char text[64] = "";

	line->length = 0;
	/* Neither fails before the year 2,147,485,547. */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &utc);
	append_text(line, "{\"time\":\"");
	append(line, text, strftime(text, sizeof(text), "%FT%T", &utc));
	(void)snprintf(text, sizeof(text), ".%06ldZ\"", now.tv_nsec / 1000);
	append_text(line, text);

	append_short_member(line, "level", span_of(log_level_name(level)));
	append_short_member(line, "event", span_of(event));
	if (request_id != NULL)
		append_short_member(line, "request_id", span_of(request_id));
}

/*
 * One write() for the whole line, and only where it will not wait: when nobody
 * reads standard error, the line is lost and the service goes on. Asking
 * poll() first also keeps SIGPIPE away when the reader has gone.
 */
static bool write_line(const struct line *line)
{
	struct pollfd error_output = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t written;
	int ready;

	do {
		ready = poll(&error_output, 1, 0);
	} while (ready < 0 && errno == EINTR);
	if (ready != 1 || error_output.revents != POLLOUT)
		return false;
	do {
		written = write(STDERR_FILENO, line->bytes, line->length);
	} while (written < 0 && errno == EINTR);
	return written == (ssize_t)line->length;
}

static void write_lost_lines(void)
{
	struct line line;
	char count[64];

	(void)snprintf(count, sizeof(count),
		       "%lu lines before this one could not be written",
		       lost_lines);
	begin_line(&line, LOG_WARNING, "log_lines_lost", NULL);
	append_short_member(&line, "detail", span_of(count));
	append_text(&line, "}\n");
	if (write_line(&line))
		lost_lines = 0;
}

static void end_line(struct line *line)
{
	append_text(line, "}\n");

	(void)pthread_mutex_lock(&write_lock);
	if (lost_lines > 0)
		write_lost_lines();
	if (!write_line(line))
		lost_lines++;
	(void)pthread_mutex_unlock(&write_lock);
}

void log_event(enum log_level level, const char *event, const char *request_id,
	       const char *format, ...)
{
	int saved_errno = errno;
	char detail[LINE_BYTES];
	struct line line;
	va_list arguments;

	if (!is_written(level))
		return;

	/* First of all, because a "%m" wants errno as it was. */
	va_start(arguments, format);
	if (vsnprintf(detail, sizeof(detail), format, arguments) < 0)
		(void)snprintf(detail, sizeof(detail), "%s", format);
	va_end(arguments);

	begin_line(&line, level, event, request_id);
	append_member(&line, "detail", span_of(detail), DETAIL_END);
	end_line(&line);
	errno = saved_errno;
}

void log_request(const struct log_request *request)
{
	int saved_errno = errno;
	struct line line;

	if (!is_written(LOG_INFO))
		return;

	begin_line(&line, LOG_INFO, "request", request->request_id);
	append_short_member(&line, "method", request->method);
	append_member(&line, "target", request->target, TARGET_END);
	append_number(&line, "status", request->status);
	append_number(&line, "body_bytes", (int64_t)request->body_bytes);
	append_number(&line, "duration_us", request->duration_us);
	append_short_member(&line, "end", span_of(request->end));
	end_line(&line);
	errno = saved_errno;
}
