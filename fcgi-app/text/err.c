/* SPDX-License-Identifier: MIT */
#include "text/err.h"

#include <assert.h>

struct description {
	int http_status;
	const char *code;
	const char *title;
};

static const struct description descriptions[ERR__MAX] = {
	[ERR_OK] = { 200, "ok", "OK" },
#define ERR(name, status, code, title) [ERR_##name] = { status, code, title },
	ERR_LIST(ERR)
#undef ERR
};

static const struct description *describe(enum err err)
{
	assert((unsigned int)err < ERR__MAX);
	return &descriptions[err];
}

int err_http_status(enum err err)
{
	return describe(err)->http_status;
}

const char *err_code(enum err err)
{
	return describe(err)->code;
}

const char *err_title(enum err err)
{
	return describe(err)->title;
}
