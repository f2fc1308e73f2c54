/* SPDX-License-Identifier: MIT */
#ifndef BUZON_SYSTEM_CLOCK_H
#define BUZON_SYSTEM_CLOCK_H

#include <stdint.h>

/*
 * The monotonic clock, which nobody sets: for durations and deadlines. Any
 * thread.
 */
int64_t clock_now_us(void);
int64_t clock_now_ms(void);

#endif
