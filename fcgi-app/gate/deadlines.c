/* SPDX-License-Identifier: MIT */
#include "gate/deadlines.h"

#include <stddef.h>

void deadlines_init(struct deadlines *list)
{
	TAILQ_INIT(&list->head);
}

void deadline_clear(struct deadline *deadline)
{
	if (deadline->list == NULL)
		return;
	TAILQ_REMOVE(&deadline->list->head, deadline, link);
	deadline->list = NULL;
}

void deadline_set(struct deadline *deadline, struct deadlines *list,
		  int64_t at_ms)
{
	struct deadline *before;

	if (deadline->list == list && deadline->at_ms == at_ms)
		return;
	deadline_clear(deadline);
	deadline->list = list;
	deadline->at_ms = at_ms;
	before = TAILQ_LAST(&list->head, deadlines_head);
	while (before != NULL && before->at_ms > at_ms)
		before = TAILQ_PREV(before, deadlines_head, link);
	if (before == NULL)
		TAILQ_INSERT_HEAD(&list->head, deadline, link);
	else
		TAILQ_INSERT_AFTER(&list->head, before, deadline, link);
}

struct deadline *deadlines_first(const struct deadlines *list)
{
	return TAILQ_FIRST(&list->head);
}

struct deadline *deadline_next(const struct deadline *deadline)
{
	return TAILQ_NEXT(deadline, link);
}
