/* SPDX-License-Identifier: MIT */
#include "api/answer.h"

#include "system/log.h"

/* The event to log; NULL where what went wrong is not for us to mend. */
static const char *event_of(enum err err)
{
	if (err == ERR_OUT_OF_MEMORY)
		return "out_of_memory"; /* its code is that of a full queue */
	return err_http_status(err) == 500 ? err_code(err) : NULL;
}

enum exchange_outcome answer_problem(struct exchange *exchange,
				     const struct problem *problem)
{
	const char *event = event_of(problem->err);

	if (event != NULL)
		log_event(LOG_ERROR, event, exchange->request.id, "%s",
			  problem->detail);
	http_response_problem(&exchange->response, problem);
	return EXCHANGE_DONE;
}

static const char *detail_of(enum err err)
{
	switch (err) {
	case ERR_DATABASE_UNAVAILABLE:
		return "The database does not answer. Nothing was stored. "
		       "Try again in a second.";
	case ERR_DATABASE_REFUSES:
		return "The database answers but refuses this: it may be read "
		       "only or full. Nothing was stored. It takes its "
		       "administrator to mend that.";
	case ERR_OVERLOADED:
		return "More requests wait for the database than the queue "
		       "holds. Nothing was stored. Try again in a second.";
	case ERR_WRITE_UNCERTAIN:
		return "The message may or may not be stored: the connection "
		       "to the database was lost while it committed, the "
		       "commit failed, or there was no memory for the answer. "
		       "Send it again with the same Idempotency-Key.";
	case ERR_OUT_OF_MEMORY:
		return "There is no memory for this request. Nothing was "
		       "stored.";
	default:
		return "A fault of ours; the log has it with the request's "
		       "ID.";
	}
}

enum exchange_outcome answer_error(struct exchange *exchange, enum err err)
{
	struct problem problem;

	problem_init(&problem);
	(void)problem_set(&problem, err, "%s", detail_of(err));
	return answer_problem(exchange, &problem);
}
