/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TEXT_PROBLEM_H
#define BUZON_TEXT_PROBLEM_H

#include <stddef.h>

#include "text/buf.h"
#include "text/err.h"
#include "text/span.h"

enum {
	PROBLEM_DETAIL_BYTES = 512,
	PROBLEM_FAULTS_MAX = 16,
	PROBLEM_FIELD_BYTES = 64,
	PROBLEM_FAULT_DETAIL_BYTES = 256,
};

/* One field at fault: its name, a stable code, what was wrong with it. */
struct problem_fault {
	char field[PROBLEM_FIELD_BYTES];
	const char *code; /* static text */
	char detail[PROBLEM_FAULT_DETAIL_BYTES];
};

/*
 * Why a request was refused, as the client will read it. Texts are copied in,
 * cut to the size of their place at a character's boundary, and hold no byte
 * that is not UTF-8, so they may quote what the client sent.
 */
struct problem {
	enum err err; /* ERR_OK: no problem */
	char detail[PROBLEM_DETAIL_BYTES];
	struct problem_fault faults[PROBLEM_FAULTS_MAX];
	size_t fault_count; /* those that found no place are counted here too */
};

void problem_init(struct problem *problem);

/* Sets what went wrong as a whole; returns err, for `return problem_set()`. */
enum err problem_set(struct problem *problem, enum err err, const char *format,
		     ...) __attribute__((format(printf, 3, 4)));

/* Adds one field at fault; code is static text. Leaves err and detail alone. */
void problem_add_fault(struct problem *problem, struct span field,
		       const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Sets what went wrong from the faults that were added: "field: detail." of as
 * many as find place, "And 4 more." where that is not all, and behind them
 * advice, which may be empty and takes half of a detail at most. Returns err.
 */
enum err problem_set_from_faults(struct problem *problem, enum err err,
				 const char *advice);

/* Appends the problem as application/problem+json (RFC 9457). */
void problem_append_json(struct buf *buf, const struct problem *problem);

/*
 * Copies text for an error message: at most size - 1 bytes and 60 characters,
 * "…" where it was cut, U+FFFD for what is not UTF-8 and "?" for control
 * characters. Returns out, for use inside a printf's arguments.
 */
const char *problem_quote(struct span text, char *out, size_t size);

#endif
