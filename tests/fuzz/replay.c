/* SPDX-License-Identifier: MIT */
#include <sys/types.h>
#include <sys/stat.h>
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

/*
 * In place of libFuzzer: gives a target the files that are kept for it, those
 * of corpus/TARGET and found/TARGET, or those it is told. Says which one it is
 * at before it begins, so that a crash names it.
 */

enum { FILE_BYTES_MAX = 1 << 20, PATH_BYTES = 4096 };

static int complain(const char *path, const char *what)
{
	fprintf(stderr, "%s: %s (errno %d)\n", path, what, errno);
	return -1;
}

/* Reads a file into memory that is exactly as large. */
static uint8_t *read_file(const char *path, size_t size)
{
	uint8_t *bytes = malloc(size > 0 ? size : 1);
	FILE *file = fopen(path, "rb");

	if (bytes != NULL && file != NULL &&
	    fread(bytes, 1, size, file) == size) {
		fclose(file);
		return bytes;
	}
	if (file != NULL)
		fclose(file);
	free(bytes);
	return NULL;
}

static int replay(const char *path, off_t size)
{
	uint8_t *bytes;

	if (size > FILE_BYTES_MAX)
		return complain(path, "larger than 1 MiB");
	printf("%s\n", path);
	fflush(stdout);
	bytes = read_file(path, (size_t)size);
	if (bytes == NULL)
		return complain(path, "could not be read");
	(void)LLVMFuzzerTestOneInput(bytes, (size_t)size);
	free(bytes);
	return 0;
}

/* All files below the paths; returns how many, or -1. */
static long replay_all(char *const paths[])
{
	FTS *tree = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, NULL);
	const FTSENT *entry;
	long count = 0;

	if (tree == NULL)
		return complain(paths[0], "could not be opened");
	for (entry = fts_read(tree); entry != NULL && count >= 0;
	     entry = fts_read(tree)) {
		if (entry->fts_info == FTS_F)
			count = replay(entry->fts_path,
				       entry->fts_statp->st_size) == 0
					? count + 1
					: -1;
		else if (entry->fts_info != FTS_D && entry->fts_info != FTS_DP)
			count = complain(entry->fts_path, "cannot be opened");
	}
	fts_close(tree);
	return count;
}

int main(int argument_count, char **arguments)
{
	char corpus[PATH_BYTES], found[PATH_BYTES];
	char *kept[] = { corpus, found, NULL };
	const char *target = strrchr(arguments[0], '/');
	long count;

	/* The program is fuzz_TARGET. */
	target = target == NULL ? arguments[0] : target + 1;
	target += strncmp(target, "fuzz_", 5) == 0 ? 5 : 0;
	snprintf(corpus, sizeof(corpus), FUZZ_FOLDER "/corpus/%s", target);
	snprintf(found, sizeof(found), FUZZ_FOLDER "/found/%s", target);
	/* Nothing may have been found yet. */
	if (access(found, F_OK) != 0)
		kept[1] = NULL;
	count = replay_all(argument_count > 1 ? arguments + 1 : kept);
	printf("%ld inputs\n", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
