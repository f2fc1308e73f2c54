/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TEXT_UTF8_H
#define BUZON_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/buf.h"
#include "text/span.h"

/* What stands in place of bytes that are not UTF-8. */
enum { UTF8_REPLACEMENT = 0xfffd };
#define UTF8_REPLACEMENT_TEXT "\xef\xbf\xbd"

/*
 * Where text stops being UTF-8 as RFC 3629 defines it (no overlong forms, no
 * surrogates, nothing above U+10FFFF): the offset of the first bad byte, or
 * text.length where all of it is good. NUL is a good character here.
 */
size_t utf8_first_bad(struct span text);

bool utf8_valid(struct span text);

/*
 * C0, DEL and C1: what could drive the terminal of whoever reads a log or an
 * error message.
 */
bool utf8_is_control(uint32_t code_point);

/* How many code points text has; text must be valid UTF-8. */
size_t utf8_count(struct span text);

/*
 * Reads the first character of text, which must not be empty: the code point,
 * or UTF8_REPLACEMENT for bytes that are not UTF-8. Returns how many bytes of
 * text it took, at least 1.
 */
size_t utf8_next(struct span text, uint32_t *code_point_r);

/* Appends a code point that is no surrogate, at most U+10FFFF, as UTF-8. */
void utf8_append(struct buf *out, uint32_t code_point);

#endif
