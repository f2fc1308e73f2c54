/* SPDX-License-Identifier: MIT */
/*
 * For LD_PRELOAD: does inside the program, at the first connection that it
 * accepts, what the sandbox is to refuse, and writes a line
 * "attempt NAME ERRNO" on each to standard error. SECRET is a file to read,
 * NEW_FILE one to make. With HIDE_LANDLOCK, the kernel seems to have none.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int accept_fn(int fd, struct sockaddr *address, socklen_t *length,
		      int flags);

static int outcome(long result)
{
	return result >= 0 ? 0 : errno;
}

static int run_a_program(void)
{
	char *arguments[] = { "true", NULL };
	int status = 0;
	pid_t child = fork();

	/* Where there can be no child, the program itself is at stake. */
	if (child <= 0) {
		execv("/bin/true", arguments);
		status = errno;
		if (child == 0)
			_exit(status);
		return status;
	}
	/* If this is refused, it stays 0. */
	(void)waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}

static int start_a_process(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	if (child < 0)
		return errno;
	(void)waitpid(child, NULL, 0);
	return 0;
}

static int open_file(const char *path, int flags)
{
	return outcome(open(path, flags | O_CLOEXEC, 0600));
}

static int open_a_port(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	return outcome(bind(fd, (struct sockaddr *)&any, sizeof(any)) +
		       listen(fd, 1));
}

static int make_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? errno
		       : 0;
}

static void tell(const char *name, int error)
{
	dprintf(STDERR_FILENO, "attempt %s %d\n", name, error);
}

static void attempt_all(void)
{
	tell("run_a_program", run_a_program());
	tell("start_a_process", start_a_process());
	tell("make_a_file", open_file(NEW_FILE, O_WRONLY | O_CREAT));
	tell("write_a_file", open_file(SECRET, O_WRONLY));
	tell("read_the_password", open_file(SECRET, O_RDONLY));
	tell("read_the_accounts", open_file("/etc/passwd", O_RDONLY));
	tell("remove_a_file", outcome(unlink(NEW_FILE)));
	tell("make_a_netlink_socket",
	     outcome(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)));
	tell("open_a_port", open_a_port());
	tell("make_code", make_code());
	tell("signal_another_process", outcome(kill(getppid(), 0)));
	/* ESRCH: the kernel has looked at it, and we trace nobody. */
	tell("trace_another_process",
	     outcome(ptrace(PTRACE_DETACH, getppid(), NULL, NULL)));
	/* EINVAL: not with threads; a container may well refuse it. */
	tell("make_a_namespace", outcome(unshare(CLONE_NEWUSER)));
}

/* The program's one thread that accepts connections is the only caller. */
int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	static accept_fn *next;

	if (next == NULL) {
		*(void **)&next = dlsym(RTLD_NEXT, "accept4");
		attempt_all();
	}
	return next(fd, address, length, flags);
}

#ifdef HIDE_LANDLOCK
long syscall(long number, ...)
{
	static long (*next)(long number, ...);
	long words[4];
	va_list arguments;

	if (number == SYS_landlock_create_ruleset) {
		errno = ENOSYS;
		return -1;
	}
	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	va_start(arguments, number);
	for (int i = 0; i < 4; i++)
		words[i] = va_arg(arguments, long);
	va_end(arguments);
	return next(number, words[0], words[1], words[2], words[3]);
}
#endif
