/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system/sandbox.h"
#include "system/sandbox_private.h"

/* Their own calls would be refused, and the program does without. */
#ifdef WITH_SANITIZERS
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { DATABASE_PORT = 3306, OTHER_PORT = 1 };

/* How a child that has nothing to tell ends otherwise. */
enum { NOT_CONFINED = 254 };

static char folder[] = "/tmp/buzon-sandbox-XXXXXX";
static char file[64];
static char new_file[64];

/* What sandbox_enter() is to see, in place of what the kernel would say. */
static bool answer_instead;
static int landlock_answer;
static int seccomp_answer;

int __real_sandbox_landlock(const struct sandbox_needs *needs, int *version_r);
int __wrap_sandbox_landlock(const struct sandbox_needs *needs, int *version_r);
int __real_sandbox_seccomp(const struct sandbox_needs *needs);
int __wrap_sandbox_seccomp(const struct sandbox_needs *needs);

int __wrap_sandbox_landlock(const struct sandbox_needs *needs, int *version_r)
{
	if (!answer_instead)
		return __real_sandbox_landlock(needs, version_r);
	*version_r = 3;
	return landlock_answer;
}

int __wrap_sandbox_seccomp(const struct sandbox_needs *needs)
{
	return answer_instead ? seccomp_answer : __real_sandbox_seccomp(needs);
}

/* Each does one thing and returns 0, or the errno of its failure. */

static int outcome(bool good)
{
	return good ? 0 : errno;
}

static int run_a_program(void)
{
	char *arguments[] = { "true", NULL };

	/* Ends this process with 0 where it succeeds. */
	execv("/bin/true", arguments);
	return errno;
}

static int start_a_process(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	/* Waiting for it would be refused too, and tell the same. */
	return outcome(child > 0);
}

static int open_file(const char *path, int flags)
{
	return outcome(open(path, flags | O_CLOEXEC, 0600) >= 0);
}

static int write_a_file(void)
{
	return open_file(file, O_WRONLY);
}

static int make_a_file(void)
{
	return open_file(new_file, O_RDONLY | O_CREAT);
}

static int empty_a_file(void)
{
	return outcome(truncate(file, 0) == 0);
}

static int empty_a_file_on_opening(void)
{
	return open_file(file, O_RDONLY | O_TRUNC);
}

static int make_a_folder(void)
{
	return outcome(mkdir(new_file, 0700) == 0);
}

static int remove_a_file(void)
{
	return outcome(unlink(file) == 0);
}

static int change_a_mode(void)
{
	return outcome(chmod(file, 0644) == 0);
}

static int read_a_file(void)
{
	return open_file(file, O_RDONLY);
}

static int read_the_accounts(void)
{
	return open_file("/etc/passwd", O_RDONLY);
}

static int look_at_processes(void)
{
	return open_file("/proc/self/environ", O_RDONLY);
}

static int make_socket(int family, int type, int protocol)
{
	return outcome(socket(family, type | SOCK_CLOEXEC, protocol) >= 0);
}

static int make_a_unix_socket(void)
{
	return make_socket(AF_UNIX, SOCK_STREAM, 0);
}

static int make_a_tcp_socket(void)
{
	return make_socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
}

static int make_a_udp_socket(void)
{
	return make_socket(AF_INET, SOCK_DGRAM, 0);
}

static int make_a_netlink_socket(void)
{
	return make_socket(AF_NETLINK, SOCK_RAW, 0);
}

static int use_port(int (*use)(int, const struct sockaddr *, socklen_t),
		    uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	return outcome(use(fd, (struct sockaddr *)&address, sizeof(address)) ==
		       0);
}

static int open_a_port(void)
{
	return use_port(bind, 0);
}

/* Nobody listens there, so being refused is success. */
static int connect_somewhere(uint16_t port)
{
	int error = use_port(connect, port);

	return error == ECONNREFUSED ? 0 : error;
}

static int connect_to_the_database(void)
{
	return connect_somewhere(DATABASE_PORT);
}

static int connect_to_another_port(void)
{
	return connect_somewhere(OTHER_PORT);
}

static int leave_what_is_shared(void)
{
	return outcome(unshare(CLONE_FILES) == 0);
}

static int make_a_namespace(void)
{
	return outcome(unshare(CLONE_NEWUSER) == 0);
}

static int be_traced(void)
{
	return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
}

static int signal_another_process(void)
{
	return outcome(kill(getppid(), 0) == 0);
}

static int change_a_limit(void)
{
	struct rlimit limit;

	return outcome(getrlimit(RLIMIT_CORE, &limit) == 0 &&
		       setrlimit(RLIMIT_CORE, &limit) == 0);
}

static int map(int protection)
{
	return outcome(mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0) != MAP_FAILED);
}

static int map_memory(void)
{
	return map(PROT_READ | PROT_WRITE);
}

static int map_executable_memory(void)
{
	return map(PROT_READ | PROT_EXEC);
}

static int make_memory_executable(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return errno;
	return outcome(mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0);
}

static int load_a_library(void)
{
	/* Part of glibc, and nothing here is linked to it. */
	return dlopen("libanl.so.1", RTLD_NOW) != NULL ? 0 : EACCES;
}

static void *do_nothing(void *context)
{
	return context;
}

static int start_a_thread(void)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, do_nothing, NULL);

	return error != 0 ? error : pthread_join(thread, NULL);
}

static int wait_with_epoll(void)
{
	struct epoll_event event;
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return outcome(fd >= 0 && epoll_wait(fd, &event, 1, 0) == 0);
}

static int change_the_scheduling(void)
{
	const struct sched_param none = { 0 };

	return outcome(sched_setscheduler(0, SCHED_BATCH, &none) == 0 &&
		       sched_setscheduler(0, SCHED_OTHER, &none) == 0);
}

enum layer { NONE, LANDLOCK, SECCOMP, BOTH, LAYERS };

static const char *const layer_names[LAYERS] = {
	[NONE] = "no sandbox",
	[LANDLOCK] = "Landlock",
	[SECCOMP] = "seccomp",
	[BOTH] = "both",
};

/* False when it could not be had. */
static bool confine(enum layer layer, const struct sandbox_needs *needs)
{
	int version;

	if (layer != NONE && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return false;
	if ((layer == LANDLOCK || layer == BOTH) &&
	    sandbox_landlock(needs, &version) != 0)
		return false;
	return (layer != SECCOMP && layer != BOTH) ||
	       sandbox_seccomp(needs) == 0;
}

/* What waitpid() tells of a child that is confined and makes the attempt. */
static int status_of(enum layer layer, const struct sandbox_needs *needs,
		     int (*attempt)(void))
{
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(confine(layer, needs) ? attempt() : NOT_CONFINED);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* 0 where this kernel has none. */
static int landlock_version(void)
{
	const struct sandbox_needs needs = { 0 };
	int status = 0;
	int version = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
			_exit(NOT_CONFINED);
		switch (sandbox_landlock(&needs, &version)) {
		case 0:
			_exit(version);
		case ENOSYS:
		case EOPNOTSUPP:
		case EPERM:
			_exit(0);
		default:
			_exit(NOT_CONFINED);
		}
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), NOT_CONFINED);
	return WEXITSTATUS(status);
}

static int make_files(void **state)
{
	int fd;

	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(file, sizeof(file), "%s/file", folder);
	(void)snprintf(new_file, sizeof(new_file), "%s/new", folder);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 || close(fd) != 0 ? -1 : 0;
}

static int remove_files(void **state)
{
	(void)state;
	(void)unlink(file);
	return rmdir(folder);
}

/* After an attempt that succeeded, as it is to without a sandbox. */
static void restore_files(void)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	(void)unlink(new_file);
	(void)rmdir(new_file);
}

static void check(const char *name, int (*attempt)(void),
		  const struct sandbox_needs *needs, enum layer layer, int want)
{
	int status = status_of(layer, needs, attempt);

	restore_files();
	if (!WIFEXITED(status) || WEXITSTATUS(status) != want)
		fail_msg("%s, with %s: status %#x, that is %s; it must be %s",
			 name, layer_names[layer], (unsigned int)status,
			 strerrordesc_np(WEXITSTATUS(status)),
			 strerrordesc_np(want));
}

#define ATTEMPT(attempt) #attempt, attempt

static void refuses_what_the_program_has_no_use_for(void **state)
{
	/* Which wall refuses it, and since which ABI of Landlock. */
	static const struct {
		const char *name;
		int (*attempt)(void);
		int landlock;
		int since;
		int seccomp;
	} cases[] = {
		{ ATTEMPT(run_a_program), EACCES, 1, EPERM },
		{ ATTEMPT(start_a_process), 0, 1, EPERM },
		{ ATTEMPT(write_a_file), EACCES, 1, EPERM },
		{ ATTEMPT(make_a_file), EACCES, 1, EPERM },
		{ ATTEMPT(empty_a_file), EACCES, 3, EPERM },
		{ ATTEMPT(empty_a_file_on_opening), EACCES, 1, EPERM },
		{ ATTEMPT(make_a_folder), EACCES, 1, EPERM },
		{ ATTEMPT(remove_a_file), EACCES, 1, EPERM },
		{ ATTEMPT(change_a_mode), 0, 1, EPERM },
		{ ATTEMPT(read_a_file), EACCES, 1, 0 },
		{ ATTEMPT(read_the_accounts), EACCES, 1, 0 },
		{ ATTEMPT(look_at_processes), EACCES, 1, 0 },
		{ ATTEMPT(make_a_netlink_socket), 0, 1, EPERM },
		{ ATTEMPT(make_a_tcp_socket), 0, 1, EPERM },
		{ ATTEMPT(make_a_udp_socket), 0, 1, EPERM },
		{ ATTEMPT(open_a_port), EACCES, 4, EPERM },
		{ ATTEMPT(connect_to_another_port), EACCES, 4, EPERM },
		{ ATTEMPT(be_traced), 0, 1, EPERM },
		{ ATTEMPT(signal_another_process), EPERM, 6, EPERM },
		{ ATTEMPT(change_a_limit), 0, 1, EPERM },
		{ ATTEMPT(map_executable_memory), 0, 1, EPERM },
		{ ATTEMPT(make_memory_executable), 0, 1, EPERM },
	};
	const struct sandbox_needs needs = { 0 };
	int version = landlock_version();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *name = cases[i].name;
		int (*attempt)(void) = cases[i].attempt;

		check(name, attempt, &needs, NONE, 0);
		check(name, attempt, &needs, SECCOMP, cases[i].seccomp);
		if (version >= cases[i].since)
			check(name, attempt, &needs, LANDLOCK,
			      cases[i].landlock);
	}
	/* A container around us may refuse these too. */
	check(ATTEMPT(leave_what_is_shared), &needs, SECCOMP, EPERM);
	check(ATTEMPT(make_a_namespace), &needs, SECCOMP, EPERM);
}

static void the_database_decides_what_is_allowed(void **state)
{
	static const struct sandbox_needs by_socket = { 0 };
	static const struct sandbox_needs by_address = {
		.tcp = true,
		.port = DATABASE_PORT,
	};
	static const struct sandbox_needs by_name = {
		.tcp = true,
		.names = true,
		.port = DATABASE_PORT,
	};
	const struct sandbox_needs with_authorities = {
		.tcp = true,
		.port = DATABASE_PORT,
		.certificates = true,
		.authorities = file,
	};
	const struct {
		const char *name;
		int (*attempt)(void);
		const struct sandbox_needs *needs;
		int want;
		int since;
	} cases[] = {
		{ ATTEMPT(make_a_tcp_socket), &by_socket, EPERM, 1 },
		{ ATTEMPT(make_a_tcp_socket), &by_address, 0, 1 },
		{ ATTEMPT(make_a_udp_socket), &by_address, EPERM, 1 },
		{ ATTEMPT(make_a_udp_socket), &by_name, 0, 1 },
		{ ATTEMPT(make_a_netlink_socket), &by_name, EPERM, 1 },
		{ ATTEMPT(connect_to_the_database), &by_address, 0, 1 },
		{ ATTEMPT(connect_to_another_port), &by_address, EACCES, 4 },
		{ ATTEMPT(connect_to_another_port), &by_name, EACCES, 4 },
		{ ATTEMPT(open_a_port), &by_name, EPERM, 1 },
		{ ATTEMPT(read_the_accounts), &by_address, EACCES, 1 },
		{ ATTEMPT(read_the_accounts), &by_name, 0, 1 },
		{ ATTEMPT(read_a_file), &by_name, EACCES, 1 },
		{ ATTEMPT(read_a_file), &with_authorities, 0, 1 },
		{ ATTEMPT(write_a_file), &with_authorities, EPERM, 1 },
	};
	int version = landlock_version();

	(void)state;
	if (version == 0)
		skip();
	for (size_t i = 0; i < COUNT(cases); i++)
		if (version >= cases[i].since)
			check(cases[i].name, cases[i].attempt, cases[i].needs,
			      BOTH, cases[i].want);
}

static void lets_through_what_the_program_does(void **state)
{
	static const struct {
		const char *name;
		int (*attempt)(void);
	} cases[] = {
		{ ATTEMPT(map_memory) },
		{ ATTEMPT(start_a_thread) },
		{ ATTEMPT(wait_with_epoll) },
		{ ATTEMPT(load_a_library) },
		{ ATTEMPT(make_a_unix_socket) },
		{ ATTEMPT(change_the_scheduling) },
	};
	const struct sandbox_needs needs = { 0 };
	enum layer layer = landlock_version() == 0 ? SECCOMP : BOTH;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check(cases[i].name, cases[i].attempt, &needs, layer, 0);
}

static int give_up(void)
{
	raise(SIGABRT);
	return 0;
}

static void a_fault_still_ends_it_by_its_signal(void **state)
{
	const struct sandbox_needs needs = { 0 };
	int status = status_of(SECCOMP, &needs, give_up);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* Runs sandbox_enter() in a child; its lines are put into log. */
static bool enter(int sandbox, char *log, size_t size)
{
	const struct settings settings = { .db_socket = "/s",
					   .sandbox = sandbox };
	int status = 0;
	int ends[2];
	ssize_t length;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		if (!sandbox_enter(&settings))
			_exit(1);
		_exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= sandbox ? 0
									: 2);
	}
	close(ends[1]);
	length = read(ends[0], log, size - 1);
	close(ends[0]);
	assert_true(length > 0);
	log[length] = '\0';
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status), 0, 1);
	return WEXITSTATUS(status) == 0;
}

static void says_what_is_in_force_and_what_is_not(void **state)
{
	static const struct {
		int sandbox;
		int landlock;
		int seccomp;
		bool goes_on;
		const char *level;
		const char *detail;
	} cases[] = {
		{ 0, EINVAL, EINVAL, true, "info", "BUZON_SANDBOX is off" },
		{ 1, 0, 0, true, "info",
		  "no new privileges; files are restricted (Landlock, ABI 3); "
		  "system calls are filtered (seccomp)" },
		{ 1, ENOSYS, 0, true, "warning",
		  "no Landlock here: Function not implemented; system calls" },
		{ 1, EOPNOTSUPP, 0, true, "warning", "no Landlock here" },
		{ 1, E2BIG, 0, true, "warning", "no Landlock here" },
		{ 1, 0, EPERM, true, "warning",
		  "ABI 3); no seccomp filter here: Operation not permitted" },
		{ 1, 0, EINVAL, true, "warning", "no seccomp filter here" },
		{ 1, EINVAL, 0, false, "error",
		  "Landlock: Invalid argument (BUZON_SANDBOX=off does without "
		  "it)" },
		{ 1, ENOMEM, 0, false, "error", "Landlock: Cannot allocate" },
		{ 1, 0, ENOMEM, false, "error", "seccomp: Cannot allocate" },
	};
	char log[4096];

	(void)state;
	answer_instead = true;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char level[32];
		bool goes_on;

		landlock_answer = cases[i].landlock;
		seccomp_answer = cases[i].seccomp;
		goes_on = enter(cases[i].sandbox, log, sizeof(log));
		(void)snprintf(level, sizeof(level), "\"level\":\"%s\"",
			       cases[i].level);
		if (goes_on != cases[i].goes_on || strstr(log, level) == NULL ||
		    strstr(log, cases[i].detail) == NULL ||
		    strchr(log, '\n') != log + strlen(log) - 1)
			fail_msg("case %zu: %s: %s", i,
				 goes_on ? "goes on" : "ends", log);
	}
	answer_instead = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_the_program_has_no_use_for),
		cmocka_unit_test(the_database_decides_what_is_allowed),
		cmocka_unit_test(lets_through_what_the_program_does),
		cmocka_unit_test(a_fault_still_ends_it_by_its_signal),
		cmocka_unit_test(says_what_is_in_force_and_what_is_not),
	};

	if (sanitized) {
		puts("a build with sanitizers has no sandbox");
		return 77;
	}
	return cmocka_run_group_tests_name("sandbox", tests, make_files,
					   remove_files);
}
