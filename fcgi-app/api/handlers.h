/* SPDX-License-Identifier: MIT */
#ifndef BUZON_API_HANDLERS_H
#define BUZON_API_HANDLERS_H

#include "api/exchange.h"

/* The first step of each resource; its contract is above its definition. */
exchange_step_fn handle_test;
exchange_step_fn handle_health;
exchange_step_fn handle_message_get;
exchange_step_fn handle_message_post;

#endif
