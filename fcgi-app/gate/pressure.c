/* SPDX-License-Identifier: MIT */
#include "gate/pressure.h"

enum {
	/* What there is of the body of an answer goes out after so much. */
	PIECE_MAX_BYTES = 256 * 1024,
	PIECE_MIN_BYTES = 64 * 1024,
	/*
	 * What answers hold nears this: pieces get smaller. From half of it
	 * on, each waits until its connection has room for the smallest.
	 */
	ANSWERS_BYTES = 512 * 1024,
	/* Above this, whoever does not read gets less time. */
	ANSWERS_MAX_BYTES = 4 * 1024 * 1024,
};

void pressure_hold_answer(struct pressure *pressure, size_t *held, size_t bytes)
{
	/* A difference below zero wraps around, and so does the sum. */
	if (*held != bytes)
		atomic_fetch_add(&pressure->answer_bytes, bytes - *held);
	*held = bytes;
}

void pressure_hold_request(struct pressure *pressure, size_t *held,
			   size_t bytes)
{
	pressure->request_bytes += bytes - *held;
	*held = bytes;
}

bool pressure_refuses(const struct pressure *pressure, size_t bytes)
{
	return pressure->request_bytes > PRESSURE_REQUESTS_MAX_BYTES &&
	       bytes > PRESSURE_REQUEST_SMALL_BYTES;
}

bool pressure_hurries_requests(const struct pressure *pressure)
{
	return pressure->request_bytes > PRESSURE_REQUESTS_MAX_BYTES / 2;
}

bool pressure_paces_answers(const struct pressure *pressure)
{
	return atomic_load(&pressure->answer_bytes) > ANSWERS_BYTES / 2;
}

bool pressure_hurries_answers(const struct pressure *pressure)
{
	return atomic_load(&pressure->answer_bytes) > ANSWERS_MAX_BYTES;
}

size_t pressure_piece_bytes(const struct pressure *pressure)
{
	size_t held = atomic_load(&pressure->answer_bytes);
	size_t bytes = held < ANSWERS_BYTES ? (ANSWERS_BYTES - held) / 2 : 0;

	if (bytes > PIECE_MAX_BYTES)
		return PIECE_MAX_BYTES;
	return bytes > PIECE_MIN_BYTES ? bytes : PIECE_MIN_BYTES;
}
