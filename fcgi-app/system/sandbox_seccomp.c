/* SPDX-License-Identifier: MIT */
#include "system/sandbox_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Where clone() has its flags. */
#ifdef __s390__
enum { CLONE_FLAGS = 1 };
#else
enum { CLONE_FLAGS = 0 };
#endif

enum {
	SOCKET_TYPE = 0xf, /* apart from SOCK_CLOEXEC and SOCK_NONBLOCK */
	NEW_NAMESPACES = CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET |
			 CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER |
			 CLONE_NEWUTS,
	WRITES = O_ACCMODE | O_CREAT | O_TRUNC,
};

/* The kernel looks at half the register of an int, and so must we. */
#define BITS_ARE(argument, mask, bits)                                         \
	{                                                                      \
		.arg = (argument), .op = SCMP_CMP_MASKED_EQ,                   \
		.datum_a = (uint32_t)(mask), .datum_b = (uint32_t)(bits)       \
	}
#define INT_IS(argument, value) BITS_ARE(argument, UINT32_MAX, value)
#define IS_NULL(argument)                                                      \
	{                                                                      \
		.arg = (argument), .op = SCMP_CMP_EQ, .datum_a = 0             \
	}

/*
 * Whatever their arguments. The program's own, and those of glibc, libmariadb
 * and OpenSSL on x86-64 and arm64, where some of them are missing.
 */
static const char *const allowed[] = {
	/* memory */
	"brk", "madvise", "mremap", "munmap",
	/* threads and signals */
	"exit", "exit_group", "futex", "futex_waitv", "get_robust_list",
	"membarrier", "restart_syscall", "rseq", "rt_sigaction",
	"rt_sigprocmask", "rt_sigreturn", "sched_getaffinity",
	"sched_getscheduler", "sched_yield", "set_robust_list", "sigaltstack",
	/* time and chance */
	"clock_getres", "clock_gettime", "clock_nanosleep", "getrandom",
	"gettimeofday", "nanosleep", "time",
	/* who and where we are */
	"getcwd", "getegid", "geteuid", "getgid", "getpid", "getppid", "gettid",
	"getuid", "sysinfo", "uname",
	/* waiting for descriptors */
	"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2",
	"epoll_wait", "eventfd2", "poll", "ppoll", "pselect6", "select",
	"signalfd4",
	/* reading and writing them; ftruncate is for the codec's memory */
	"close", "ftruncate", "lseek", "pread64", "read", "readv", "write",
	"writev",
	/* what a path is */
	"access", "faccessat", "faccessat2", "fstat", "getdents64", "lstat",
	"newfstatat", "readlink", "readlinkat", "stat", "statx",
	/* sockets, but for making them: no bind, no listen */
	"accept", "accept4", "connect", "getpeername", "getsockname",
	"getsockopt", "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg",
	"sendto", "setsockopt", "shutdown"
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { CONDITIONS_MAX = 3 };

/* With these arguments alone. */
struct rule {
	const char *call;
	struct scmp_arg_cmp conditions[CONDITIONS_MAX];
};

#define RULE(call, ...)                                                        \
	{                                                                      \
		call,                                                          \
		{                                                              \
			__VA_ARGS__                                            \
		}                                                              \
	}
#define SOCKET(family, type, protocol)                                         \
	RULE("socket", INT_IS(0, family), BITS_ARE(1, SOCKET_TYPE, type),      \
	     INT_IS(2, protocol))

static const struct rule rules[] = {
	/* Files are only read. */
	RULE("open", BITS_ARE(1, WRITES, O_RDONLY)),
	RULE("openat", BITS_ARE(2, WRITES, O_RDONLY)),
	RULE("memfd_create", INT_IS(1, MFD_CLOEXEC)), /* the codec's */
	/*
	 * Memory is not made executable, but for files, which dlopen() maps.
	 * The codec's is a file too, so this is a hurdle and no wall.
	 */
	RULE("mmap", BITS_ARE(2, PROT_EXEC, 0)),
	RULE("mmap", BITS_ARE(2, PROT_EXEC | PROT_WRITE, PROT_EXEC),
	     BITS_ARE(3, MAP_ANONYMOUS, 0)),
	RULE("mprotect", BITS_ARE(2, PROT_EXEC, 0)),
	/* Threads, and no processes. */
	RULE("clone", BITS_ARE(CLONE_FLAGS, CLONE_THREAD | NEW_NAMESPACES,
			       CLONE_THREAD)),
	/* Limits are only read, and our own; see gate/scheduling.h. */
	RULE("prlimit64", INT_IS(0, 0), IS_NULL(2)),
	RULE("sched_setscheduler", INT_IS(0, 0), INT_IS(1, SCHED_OTHER)),
	RULE("sched_setscheduler", INT_IS(0, 0), INT_IS(1, SCHED_BATCH)),
	/* The database's Unix socket, and the daemons that NSS may ask */
	RULE("socket", INT_IS(0, AF_UNIX)),
	RULE("fcntl", INT_IS(1, F_GETFD)),
	RULE("fcntl", INT_IS(1, F_SETFD)),
	RULE("fcntl", INT_IS(1, F_GETFL)),
	RULE("fcntl", INT_IS(1, F_SETFL)),
	/* How much has come (DNS), and whether it is a terminal (stdio). */
	RULE("ioctl", INT_IS(1, FIONREAD)),
	RULE("ioctl", INT_IS(1, TCGETS)),
};

/* Other protocols would go around Landlock's rules for TCP. */
static const struct rule rules_for_tcp[] = {
	SOCKET(AF_INET, SOCK_STREAM, 0),
	SOCKET(AF_INET, SOCK_STREAM, IPPROTO_TCP),
	SOCKET(AF_INET6, SOCK_STREAM, 0),
	SOCKET(AF_INET6, SOCK_STREAM, IPPROTO_TCP),
};

/* getaddrinfo() does without AF_NETLINK: it takes both families to be there. */
static const struct rule rules_for_names[] = {
	SOCKET(AF_INET, SOCK_DGRAM, 0),
	SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP),
	SOCKET(AF_INET6, SOCK_DGRAM, 0),
	SOCKET(AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
};

/* 0 or an errno. A call that libseccomp, or this machine, lacks is no error. */
static int add(scmp_filter_ctx filter, uint32_t action, const struct rule *rule)
{
	int call = seccomp_syscall_resolve_name(rule->call);
	unsigned int count = 0;

	if (call == __NR_SCMP_ERROR)
		return 0;
	while (count < CONDITIONS_MAX && rule->conditions[count].op != 0)
		count++;
	return -seccomp_rule_add_array(filter, action, call, count,
				       rule->conditions);
}

static int add_all(scmp_filter_ctx filter, const struct rule *list,
		   size_t count)
{
	int error = 0;

	for (size_t i = 0; i < count && error == 0; i++)
		error = add(filter, SCMP_ACT_ALLOW, &list[i]);
	return error;
}

static int add_allowed(scmp_filter_ctx filter)
{
	int error = 0;

	for (size_t i = 0; i < COUNT(allowed) && error == 0; i++)
		error = add(filter, SCMP_ACT_ALLOW,
			    &(struct rule){ .call = allowed[i] });
	return error;
}

static int add_others(scmp_filter_ctx filter)
{
	/* abort() signals itself. */
	const struct rule to_itself = RULE("tgkill", INT_IS(0, getpid()));
	/* Its flags are out of sight; glibc goes back to clone() at this. */
	const struct rule threads = { .call = "clone3" };
	int error = add(filter, SCMP_ACT_ALLOW, &to_itself);

	return error != 0 ? error
			  : add(filter, SCMP_ACT_ERRNO(ENOSYS), &threads);
}

static int set_attributes(scmp_filter_ctx filter)
{
	/* Calls by the numbers of another architecture are no better. */
	int error = -seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
				      SCMP_ACT_ERRNO(EPERM));

	/* The kernel's own errno, and not ECANCELED for all of them. */
	return error != 0
		       ? error
		       : -seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
}

static int fill(scmp_filter_ctx filter, const struct sandbox_needs *needs)
{
	int error = set_attributes(filter);

	if (error == 0)
		error = add_allowed(filter);
	if (error == 0)
		error = add_all(filter, rules, COUNT(rules));
	if (error == 0)
		error = add_others(filter);
	if (error == 0 && needs->tcp)
		error = add_all(filter, rules_for_tcp, COUNT(rules_for_tcp));
	if (error == 0 && needs->names)
		error = add_all(filter, rules_for_names,
				COUNT(rules_for_names));
	return error;
}

int sandbox_seccomp(const struct sandbox_needs *needs)
{
	scmp_filter_ctx filter;
	int error;

	/* The lists above have the calls of 64 bits. */
	if (sizeof(void *) < sizeof(uint64_t))
		return EOPNOTSUPP;
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (filter == NULL)
		return ENOMEM;
	error = fill(filter, needs);
	/* For this thread alone: there is no other yet (TSYNC). */
	if (error == 0)
		error = -seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
