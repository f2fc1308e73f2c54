/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TEXT_HEX_H
#define BUZON_TEXT_HEX_H

/* What a hexadecimal digit stands for, 0 to 15; -1 where c is none. */
static inline int hex_value(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

#endif
