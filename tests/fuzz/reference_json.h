/* SPDX-License-Identifier: MIT */
#ifndef BUZON_TESTS_FUZZ_REFERENCE_JSON_H
#define BUZON_TESTS_FUZZ_REFERENCE_JSON_H

#include <stdbool.h>

#include "text/span.h"

/*
 * RFC 8259 once more, by a stack instead of recursion. Its verdict knows no
 * limit but that objects and arrays nest at most 32 deep.
 */

/* Strict JSON: the grammar, UTF-8 in all strings, no lone surrogates. */
bool is_json(struct span text);

/* The grammar alone: strings may hold bytes and halves that are no Unicode. */
bool is_json_grammar(struct span text);

#endif
