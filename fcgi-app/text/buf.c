/* SPDX-License-Identifier: MIT */
#include "text/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY_BYTES = 256, U64_DIGITS_MAX = 20 };

void buf_init(struct buf *buf, size_t ceiling_bytes)
{
	/* No object may be larger, and this leaves room for sums. */
	if (ceiling_bytes > PTRDIFF_MAX - 1)
		ceiling_bytes = PTRDIFF_MAX - 1;
	*buf = (struct buf){ .ceiling = ceiling_bytes, .error = ERR_OK };
}

void buf_deinit(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->ceiling);
}

void buf_clear(struct buf *buf)
{
	buf->length = 0;
	buf->error = ERR_OK;
}

enum err buf_error(const struct buf *buf)
{
	return buf->error;
}

/* The capacity to grow to; needed does not exceed the ceiling. */
static size_t next_capacity(const struct buf *buf, size_t needed)
{
	size_t capacity = buf->capacity;

	if (capacity < FIRST_CAPACITY_BYTES)
		capacity = FIRST_CAPACITY_BYTES;
	while (capacity < needed && capacity <= buf->ceiling / 2)
		capacity *= 2;
	if (capacity < needed || capacity > buf->ceiling)
		capacity = buf->ceiling;
	return capacity;
}

char *buf_reserve(struct buf *buf, size_t length)
{
	size_t capacity;
	char *data;

	if (buf->error != ERR_OK)
		return NULL;
	if (length > buf->ceiling - buf->length) {
		buf->error = ERR_FULL;
		return NULL;
	}
	if (buf->data != NULL && length <= buf->capacity - buf->length)
		return buf->data + buf->length;

	capacity = next_capacity(buf, buf->length + length);
	/* One byte more than we count, for the NUL that vsnprintf() adds. */
	data = realloc(buf->data, capacity + 1);
	if (data == NULL) {
		buf->error = ERR_OUT_OF_MEMORY;
		return NULL;
	}
	buf->data = data;
	buf->capacity = capacity;
	return data + buf->length;
}

void buf_append(struct buf *buf, const void *bytes, size_t length)
{
	char *room;

	/* memcpy() may not be given NULL, which an empty span may hold. */
	if (length == 0)
		return;
	room = buf_reserve(buf, length);
	if (room == NULL)
		return;
	memcpy(room, bytes, length);
	buf->length += length;
}

void buf_append_span(struct buf *buf, struct span text)
{
	buf_append(buf, text.data, text.length);
}

void buf_append_u64(struct buf *buf, uint64_t number)
{
	char digits[U64_DIGITS_MAX];
	size_t start = sizeof(digits);

	do {
		digits[--start] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	buf_append(buf, digits + start, sizeof(digits) - start);
}

void buf_appendf(struct buf *buf, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	buf_appendv(buf, format, arguments);
	va_end(arguments);
}

void buf_appendv(struct buf *buf, const char *format, va_list arguments)
{
	va_list again;
	size_t free_bytes;
	char *room;
	int length;

	room = buf_reserve(buf, 0);
	if (room == NULL)
		return;

	/* What is free is nearly always enough: then one pass will do. */
	va_copy(again, arguments);
	free_bytes = buf->capacity - buf->length;
	length = vsnprintf(room, free_bytes + 1, format, arguments);
	if (length < 0) {
		/* No memory, or a text of more than INT_MAX bytes. */
		buf->error = ERR_OUT_OF_MEMORY;
	} else if ((size_t)length > free_bytes) {
		room = buf_reserve(buf, (size_t)length);
		if (room != NULL) {
			length = vsnprintf(room, (size_t)length + 1, format,
					   again);
			assert(length >= 0);
			buf->length += (size_t)length;
		}
	} else {
		buf->length += (size_t)length;
	}
	va_end(again);
}

struct span buf_span(const struct buf *buf)
{
	/* Empty is not "no text at all", so data is never NULL. */
	return (struct span){ buf->data == NULL ? "" : buf->data, buf->length };
}
