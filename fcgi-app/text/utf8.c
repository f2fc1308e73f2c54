/* SPDX-License-Identifier: MIT */
#include "text/utf8.h"

#include <assert.h>
#include <stdint.h>
#include <unistr.h>

static const uint8_t *units(struct span text)
{
	return (const uint8_t *)text.data;
}

size_t utf8_first_bad(struct span text)
{
	const uint8_t *bad;

	/* Nothing at all may have no address, which libunistring expects. */
	if (text.length == 0)
		return 0;
	bad = u8_check(units(text), text.length);
	return bad == NULL ? text.length : (size_t)(bad - units(text));
}

bool utf8_valid(struct span text)
{
	return utf8_first_bad(text) == text.length;
}

size_t utf8_count(struct span text)
{
	return text.length == 0 ? 0 : u8_mbsnlen(units(text), text.length);
}

size_t utf8_next(struct span text, uint32_t *code_point_r)
{
	ucs4_t code_point;
	int length;

	length = u8_mbtouc(&code_point, units(text), text.length);
	*code_point_r = code_point;
	return (size_t)length;
}

void utf8_append(struct buf *out, uint32_t code_point)
{
	uint8_t bytes[4];
	int length = u8_uctomb(bytes, code_point, sizeof(bytes));

	assert(length > 0);
	buf_append(out, bytes, (size_t)length);
}

bool utf8_is_control(uint32_t code_point)
{
	return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
}
