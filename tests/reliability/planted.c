/* SPDX-License-Identifier: MIT */
/*
 * Faults to be preloaded into the program, whose checker has to report them.
 * Compiled for the checker but linked without its runtime, so that none but the
 * program's own can see them.
 */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *volatile kept;
static volatile int number = INT_MAX;
static int shared;

static void overflow(void)
{
	char *bytes;

	kept = malloc(8);
	bytes = kept;
	if (bytes == NULL)
		return;
	bytes[8] = 1;
	free(kept);
}

static void leak(void)
{
	kept = malloc(12345);
	kept = NULL;
}

static void undefined(void)
{
	number++;
}

static void uninitialized(void)
{
	int *bytes;

	kept = malloc(sizeof(int));
	bytes = kept;
	if (bytes == NULL)
		return;
	if (*bytes == 12345)
		(void)puts("by chance");
	free(kept);
}

static void *share(void *unused)
{
	shared++;
	return unused;
}

static void race(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, share, NULL) != 0)
		return;
	shared++;
	pthread_join(thread, NULL);
}

/* PLANTED is the name of one of these. */
__attribute__((constructor)) static void plant(void)
{
	PLANTED();
}
