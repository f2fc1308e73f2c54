/* SPDX-License-Identifier: MIT */
#ifndef BUZON_SYSTEM_SANDBOX_H
#define BUZON_SYSTEM_SANDBOX_H

#include <stdbool.h>

#include "text/err.h"
#include "system/settings.h"

/*
 * The second wall: whoever gets the program to run code of theirs can still
 * start no program, write no file, open no port, and read only what connecting
 * to the database of these settings takes.
 *
 * - no new privileges: nothing set-user-ID has an effect;
 * - Landlock: files are only read, and only below a few folders; TCP only to
 *   the database (and to DNS where it has a name);
 * - seccomp: a list of system calls, some of them with certain arguments only.
 *   All others fail with EPERM. They do not kill: a library that tries
 *   something new mostly has another way, and no request may end a replica.
 *
 * Not limited are which Unix sockets are connected to, and UDP where the
 * database has a name: Landlock does not know them.
 *
 * What the kernel, or a container around us, does not have is left out. All of
 * it is for good, and for threads that start later: call it once, before the
 * first thread, with libraries initialised. Logs one line that says what is in
 * force and what could not be had.
 *
 * Returns false, having logged why, when something failed that should not have:
 * then the process may be confined in part, and is to end.
 */
bool sandbox_enter(const struct settings *settings) MUST_CHECK;

#endif
