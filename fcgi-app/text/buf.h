/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TEXT_BUF_H
#define BUZON_TEXT_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "text/err.h"
#include "text/span.h"

/*
 * A growing buffer with a ceiling that is set once. Appending never fails
 * loudly: the first failure (the ceiling, or no memory) is kept in `error`,
 * everything appended after it is dropped, and whoever uses the content asks
 * buf_error() first. Not for use by two threads at once.
 */
struct buf {
	char *data;
	size_t length;
	size_t capacity;
	size_t ceiling;
	enum err error;
};

/* An empty buffer that will hold at most ceiling_bytes. Allocates nothing. */
void buf_init(struct buf *buf, size_t ceiling_bytes);

/* Frees the content; the buffer is then as after buf_init(). */
void buf_deinit(struct buf *buf);

/* Forgets content and error, keeps the memory for what comes next. */
void buf_clear(struct buf *buf);

/*
 * ERR_OK, ERR_FULL where the ceiling was met, ERR_OUT_OF_MEMORY. What a full
 * buffer means to a client is for its owner to say.
 */
enum err buf_error(const struct buf *buf) MUST_CHECK;

/* Appends bytes; they may not point into the buffer itself. */
void buf_append(struct buf *buf, const void *bytes, size_t length);
void buf_append_span(struct buf *buf, struct span text);
void buf_append_u64(struct buf *buf, uint64_t number);
void buf_appendf(struct buf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void buf_appendv(struct buf *buf, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

/*
 * Makes room for length more bytes and returns where they go, or NULL (the
 * error is then kept). The caller writes them and adds to buf->length.
 */
char *buf_reserve(struct buf *buf, size_t length);

/* Inline, so that the length of a literal is known where it is compiled. */
static inline void buf_append_text(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

static inline void buf_append_char(struct buf *buf, char c)
{
	if (buf->error == ERR_OK && buf->length < buf->capacity)
		buf->data[buf->length++] = c;
	else
		buf_append(buf, &c, 1);
}

/* The content, borrowed until the next call on the buffer. */
struct span buf_span(const struct buf *buf);

#endif
