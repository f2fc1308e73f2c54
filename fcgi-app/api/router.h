/* SPDX-License-Identifier: MIT */
#ifndef BUZON_API_ROUTER_H
#define BUZON_API_ROUTER_H

#include "api/exchange.h"

/*
 * Makes the router the first step of an exchange: it finds the handler that the
 * path and the method ask for, or answers itself where there is none (404, 405,
 * OPTIONS) or where the request came in broken. Calls nothing.
 */
void router_dispatch(struct exchange *exchange);

#endif
