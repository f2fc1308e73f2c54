/* SPDX-License-Identifier: MIT */
#include "http/http.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { RANDOM_ID_BYTES = 16, RANDOM_BLOCK_BYTES = 16 * RANDOM_ID_BYTES };

static const struct {
	const char *name;
	enum http_method method;
} methods[] = {
	{ "GET", HTTP_GET },
	{ "HEAD", HTTP_HEAD },
	{ "POST", HTTP_POST },
	{ "OPTIONS", HTTP_OPTIONS },
};

enum http_method http_method_of(struct span name)
{
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (span_equal(name, span_of(methods[i].name)))
			return methods[i].method;
	}
	return HTTP_OTHER;
}

const char *http_method_name(enum http_method method)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (methods[i].method == method)
			return methods[i].name;
	}
	return NULL;
}

bool http_visible_ascii(struct span text, size_t max)
{
	size_t i;

	if (text.length == 0 || text.length > max)
		return false;
	for (i = 0; i < text.length; i++) {
		if (text.data[i] < '!' || text.data[i] > '~')
			return false;
	}
	return true;
}

/*
 * For a kernel without random bytes to give: time, thread and a counter. An ID
 * has to be unique, not secret, so a request need not fail for it.
 */
static void fill_without_random(unsigned char id[RANDOM_ID_BYTES])
{
	static _Thread_local uint32_t counter;
	struct timespec now = { 0 };
	uint64_t time_ns;
	uint32_t thread = (uint32_t)gettid();

	/* Cannot fail on Linux; were it to, thread and counter remain. */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	counter++;
	memcpy(id, &time_ns, sizeof(time_ns));
	memcpy(id + 8, &thread, sizeof(thread));
	memcpy(id + 12, &counter, sizeof(counter));
}

static void fill_random(unsigned char id[RANDOM_ID_BYTES])
{
	/* A block for many IDs: one system call for each would show. */
	static _Thread_local unsigned char block[RANDOM_BLOCK_BYTES];
	static _Thread_local size_t left;
	ssize_t filled;

	if (left == 0) {
		/* Up to 256 bytes come whole; GRND_NONBLOCK for early boot. */
		do {
			filled = getrandom(block, sizeof(block), GRND_NONBLOCK);
		} while (filled < 0 && errno == EINTR);
		if (filled != (ssize_t)sizeof(block)) {
			fill_without_random(id);
			return;
		}
		left = sizeof(block);
	}
	left -= RANDOM_ID_BYTES;
	memcpy(id, block + left, RANDOM_ID_BYTES);
}

void http_request_id(char out[HTTP_REQUEST_ID_MAX + 1], struct span sent)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char id[RANDOM_ID_BYTES];
	size_t i;

	if (http_visible_ascii(sent, HTTP_REQUEST_ID_MAX)) {
		memcpy(out, sent.data, sent.length);
		out[sent.length] = '\0';
		return;
	}
	fill_random(id);
	for (i = 0; i < sizeof(id); i++) {
		out[2 * i] = digits[id[i] >> 4];
		out[2 * i + 1] = digits[id[i] & 0x0f];
	}
	out[2 * sizeof(id)] = '\0';
}

/* ASCII alone: what tolower() does depends on the locale. */
static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool http_equal_ignoring_case(struct span a, struct span b)
{
	size_t i;

	if (a.length != b.length)
		return false;
	for (i = 0; i < a.length; i++) {
		if (lower(a.data[i]) != lower(b.data[i]))
			return false;
	}
	return true;
}

static struct span trim(struct span text)
{
	while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = span_from(text, 1);
	while (text.length > 0 && (text.data[text.length - 1] == ' ' ||
				   text.data[text.length - 1] == '\t'))
		text.length--;
	return text;
}

/*
 * Cuts the part before the next separator that is not inside quotes off *rest.
 * False where nothing is left.
 */
static bool next_part(struct span *rest, char separator, struct span *part_r)
{
	bool quoted = false;
	size_t i;

	if (rest->length == 0)
		return false;
	for (i = 0; i < rest->length; i++) {
		if (quoted && rest->data[i] == '\\')
			i++;
		else if (rest->data[i] == '"')
			quoted = !quoted;
		else if (!quoted && rest->data[i] == separator)
			break;
	}
	/* A backslash at the very end has stepped over it. */
	if (i > rest->length)
		i = rest->length;
	*part_r = trim((struct span){ rest->data, i });
	*rest = span_from(*rest, i < rest->length ? i + 1 : i);
	return true;
}

struct span http_media_type(struct span header)
{
	struct span type = header;

	(void)next_part(&header, ';', &type);
	return type;
}

/* Without the quotes around it; where the closing one is missing, the rest. */
static struct span unquote(struct span value)
{
	size_t i = 1;

	if (value.length == 0 || value.data[0] != '"')
		return value;
	while (i < value.length && value.data[i] != '"')
		i += value.data[i] == '\\' ? 2 : 1;
	if (i > value.length)
		i = value.length;
	return (struct span){ value.data + 1, i - 1 };
}

bool http_header_parameter(struct span header, struct span name,
			   struct span *value_r)
{
	struct span part;
	const char *equals;
	size_t name_length;

	/* The first part is the media type or the disposition itself. */
	if (!next_part(&header, ';', &part))
		return false;
	while (next_part(&header, ';', &part)) {
		if (part.length == 0)
			continue;
		equals = memchr(part.data, '=', part.length);
		if (equals == NULL)
			continue;
		name_length = (size_t)(equals - part.data);
		if (!http_equal_ignoring_case(
			    trim((struct span){ part.data, name_length }),
			    name))
			continue;
		*value_r = unquote(trim(span_from(part, name_length + 1)));
		return true;
	}
	return false;
}

/* "0", "0." and "0.000", but not "0.1". */
static bool is_zero_weight(struct span weight)
{
	size_t i;

	if (weight.length == 0 || weight.data[0] != '0')
		return false;
	if (weight.length > 1 && weight.data[1] != '.')
		return false;
	for (i = 2; i < weight.length; i++) {
		if (weight.data[i] != '0')
			return false;
	}
	return true;
}

bool http_accepts(struct span accept, struct span media_type)
{
	struct span part;
	struct span weight;

	while (next_part(&accept, ',', &part)) {
		if (!http_equal_ignoring_case(http_media_type(part),
					      media_type))
			continue;
		if (!http_header_parameter(part, SPAN("q"), &weight) ||
		    !is_zero_weight(weight))
			return true;
	}
	return false;
}
