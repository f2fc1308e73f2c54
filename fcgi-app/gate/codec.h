/* SPDX-License-Identifier: MIT */
#ifndef BUZON_GATE_CODEC_H
#define BUZON_GATE_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "text/buf.h"
#include "text/err.h"
#include "text/span.h"

/*
 * FastCGI's encoding (https://fastcgi-archives.github.io/, 3 and 5): the only
 * room that includes fcgiapp.h.
 *
 * libfcgi reads a file descriptor and blocks on it, so it is never given a
 * connection: it reads a request, which the intake has found whole and
 * well-formed, from a file in memory. This touches two fields of FCGX_Request
 * below the line that says not to (ipcFd and keepConnection); configure checks
 * that they are there. Answers are records made here: through libfcgi they
 * would be written to a file and copied out of it again.
 *
 * Its decoding is known to many web servers, and is kept for that. It costs two
 * of the five system calls of /api/test (lseek and read) and most of its 21
 * allocations, one for each parameter among them. libfcgi takes a descriptor
 * and nothing else; to define its inner OS_Read() here would save the two, and
 * would break without a word with a libfcgi that is linked in another way.
 */
struct codec;

/* One request as libfcgi holds it, until the end of its answer. */
struct codec_request;

/* For one thread; NULL when there is no memory or no file. */
struct codec *codec_new(void);

/* Sets *codec to NULL; its requests must be freed before. */
void codec_free(struct codec **codec);

/*
 * Decodes the parameters of a request; pairs must have passed the intake. NULL
 * when there is no memory, or no file; the next call tries again.
 */
struct codec_request *codec_decode(struct codec *codec, struct span pairs);

/*
 * The parameters as "NAME=value", ending with NULL; they live as long as the
 * request.
 */
char *const *codec_parameters(const struct codec_request *request);

/*
 * Appends head and body to out as records of the answer. last: the answer ends
 * here. ERR_OK, or the error of out.
 */
enum err codec_encode(uint16_t request_id, struct span head, struct span body,
		      bool last, struct buf *out) MUST_CHECK;

/*
 * Appends a record that says nothing, to follow the end of an answer. ERR_OK,
 * or the error of out.
 */
enum err codec_encode_surplus(uint16_t request_id, struct buf *out) MUST_CHECK;

/* Frees the request, ended or not; sets *request to NULL; accepts NULL. */
void codec_request_free(struct codec_request **request);

#endif
