/* SPDX-License-Identifier: MIT */
#include "gate/intake.h"

/*
 * For fuzz_stream_weak, which has to be found out: an intake that looks at one
 * byte behind those that have arrived, but only where a request came whole
 * whose connection is not kept. Linked in by -Wl,--wrap=intake_feed.
 */

enum intake_result __real_intake_feed(struct intake *intake, const char *bytes,
				      size_t length, size_t *used_r);
enum intake_result __wrap_intake_feed(struct intake *intake, const char *bytes,
				      size_t length, size_t *used_r);

enum intake_result __wrap_intake_feed(struct intake *intake, const char *bytes,
				      size_t length, size_t *used_r)
{
	enum intake_result result =
		__real_intake_feed(intake, bytes, length, used_r);

	if (result == INTAKE_WHOLE && !intake->keep_connection)
		(void)*(const volatile char *)(bytes + length);
	return result;
}
