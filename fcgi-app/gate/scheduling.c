/* SPDX-License-Identifier: MIT */
#include "gate/scheduling.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "system/log.h"

/* Apart, so that a few that come and go change nothing. */
enum { BATCH_FROM = 16, BATCH_TO = 8 };

void scheduling_init(struct scheduling *scheduling)
{
	scheduling->batch = false;
	scheduling->fixed = sched_getscheduler(0) != SCHED_OTHER;
}

void scheduling_adapt(struct scheduling *scheduling, size_t connections)
{
	bool batch = connections >= (scheduling->batch ? BATCH_TO : BATCH_FROM);
	const struct sched_param no_priority = { 0 };

	if (scheduling->fixed || batch == scheduling->batch)
		return;
	if (sched_setscheduler(0, batch ? SCHED_BATCH : SCHED_OTHER,
			       &no_priority) != 0) {
		log_event(LOG_INFO, "scheduling", NULL,
			  "the policy stays, for %s was refused: %s",
			  batch ? "SCHED_BATCH" : "SCHED_OTHER",
			  strerrordesc_np(errno));
		scheduling->fixed = true;
		return;
	}
	scheduling->batch = batch;
}
