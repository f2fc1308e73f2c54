/* SPDX-License-Identifier: MIT */
/* A program that each protection shows in; see test-check-program. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef WRITABLE_CODE
__asm__(".section .writable_code,\"awx\"\n\t.byte 0\n\t.text");
#endif

/* Only while it runs it is known how large the block is. */
static int read_some(size_t size, size_t wanted)
{
	char *block = malloc(size);
	ssize_t got;
	int first;

	if (!block)
		return EXIT_FAILURE;
	got = read(STDIN_FILENO, block, wanted);
	first = got > 0 ? block[0] : 0;
	free(block);
	return first;
}

int main(int argc, char **argv)
{
	/* More than a page, so that the stack is probed. */
	char text[16384];

	if (argc < 4)
		return EXIT_FAILURE;
	snprintf(text, sizeof(text), "<%s>", argv[1]);
	puts(text);
	return read_some(strtoul(argv[2], NULL, 10),
			 strtoul(argv[3], NULL, 10));
}
