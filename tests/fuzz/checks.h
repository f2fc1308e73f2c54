/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TESTS_FUZZ_CHECKS_H
#define BUZON_TESTS_FUZZ_CHECKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/err.h"
#include "text/problem.h"
#include "text/span.h"

/*
 * What holds of every target, written down anew from the standards, so that
 * the program is not tested by itself. check_…() end the process by assert()
 * where it does not hold.
 */

/* RFC 3629, section 4: its grammar, byte by byte. */
bool is_utf8(struct span text);

/* How many code points valid UTF-8 has. */
size_t count_characters(struct span text);

/* A piece of whole, and not beyond it. */
bool lies_within(struct span piece, struct span whole);

/* From and Content are what API.md lets a message have. */
void check_message(struct span from, struct span content);

/*
 * A refusal that a client could be sent: the error it was returned with, valid
 * UTF-8 throughout, and strict JSON when it is written out.
 */
void check_problem(const struct problem *problem, enum err err);

#endif
