/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "answers.h"
#include "fuzz.h"
#include "gate_bench.h"

/*
 * The bytes of a FastCGI connection, from the socket to the answers: the same
 * answers however the bytes arrive, all of them well-formed, and none to what
 * is no request.
 */

enum { OUT_BYTES_MAX = 64 << 20 };

static void check_answers(struct span records)
{
	struct answer answer;

	while (answer_read(&records, &answer)) {
		/* What to a HEAD has no body is checked by fuzz_request. */
		answer_check(&answer, answer.body.length == 0);
		answer_deinit(&answer);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span stream = fuzz_span(data, size);
	struct buf whole, pieces;
	size_t stored;

	buf_init(&whole, OUT_BYTES_MAX);
	buf_init(&pieces, OUT_BYTES_MAX);
	stored = gate_bench_run(stream, SIZE_MAX, &whole);
	assert(gate_bench_run(stream, 1 + size / 8, &pieces) == stored);
	assert(span_equal(buf_span(&whole), buf_span(&pieces)));
	check_answers(buf_span(&whole));
	buf_deinit(&whole);
	buf_deinit(&pieces);
	return 0;
}
