/* SPDX-License-Identifier: MIT */
#include "text/utf8.h"

/*
 * For fuzz_text_weak, which has to be found out: a check of UTF-8 that is right
 * but for overlong forms of three bytes. Linked in by
 * -Wl,--wrap=utf8_first_bad.
 */

size_t __real_utf8_first_bad(struct span text);
size_t __wrap_utf8_first_bad(struct span text);

static bool is_overlong(struct span text)
{
	const unsigned char *bytes = (const unsigned char *)text.data;

	return text.length >= 3 && bytes[0] == 0xe0 && bytes[1] >= 0x80 &&
	       bytes[1] < 0xa0 && bytes[2] >= 0x80 && bytes[2] < 0xc0;
}

size_t __wrap_utf8_first_bad(struct span text)
{
	size_t bad = __real_utf8_first_bad(text);

	while (is_overlong(span_from(text, bad)))
		bad += 3 + __real_utf8_first_bad(span_from(text, bad + 3));
	return bad;
}
