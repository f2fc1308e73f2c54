# SPDX-License-Identifier: MIT
# `make check`: unit tests, each a program of its own, and lints. What needs a
# database and a web server is not here but in tests/integration.

# Sanitizers end a test at the first finding.
AM_TESTS_ENVIRONMENT = \
	ASAN_OPTIONS='abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1'; \
	TSAN_OPTIONS='halt_on_error=1'; \
	UBSAN_OPTIONS='halt_on_error=1:print_stacktrace=1'; \
	export ASAN_OPTIONS TSAN_OPTIONS UBSAN_OPTIONS; \
	unset `env | sed -n 's/^\(BUZON_[A-Z_]*\)=.*/\1/p'` x;

lints = \
	tests/lint/check-banned \
	tests/lint/check-environment \
	tests/lint/check-includes \
	tests/lint/check-listed \
	tests/lint/check-man \
	tests/lint/check-scripts \
	tests/lint/check-style
TESTS += $(lints)
EXTRA_DIST += $(lints)

unit_tests = \
	tests/unit/test_answer \
	tests/unit/test_appender \
	tests/unit/test_buf \
	tests/unit/test_codec \
	tests/unit/test_deadlines \
	tests/unit/test_err \
	tests/unit/test_finder \
	tests/unit/test_form \
	tests/unit/test_handle_health \
	tests/unit/test_handle_message_get \
	tests/unit/test_handle_message_post \
	tests/unit/test_handle_test \
	tests/unit/test_head \
	tests/unit/test_http \
	tests/unit/test_intake \
	tests/unit/test_json \
	tests/unit/test_json_refuse \
	tests/unit/test_json_scan \
	tests/unit/test_log \
	tests/unit/test_message \
	tests/unit/test_message_draft \
	tests/unit/test_multipart \
	tests/unit/test_parameters \
	tests/unit/test_pressure \
	tests/unit/test_probe \
	tests/unit/test_problem \
	tests/unit/test_query \
	tests/unit/test_reader \
	tests/unit/test_returns \
	tests/unit/test_router \
	tests/unit/test_sandbox \
	tests/unit/test_scheduling \
	tests/unit/test_sessions \
	tests/unit/test_settings \
	tests/unit/test_spares \
	tests/unit/test_store_mariadb \
	tests/unit/test_store_mariadb_find \
	tests/unit/test_utf8 \
	tests/unit/test_watcher \
	tests/unit/test_workers

if HAVE_CMOCKA
check_LIBRARIES += tests/unit/libtesting.a
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif

tests_unit_libtesting_a_SOURCES = \
	tests/unit/exchange_helper.c \
	tests/unit/exchange_helper.h \
	tests/unit/fcgi_records.c \
	tests/unit/fcgi_records.h \
	tests/unit/mariadb_helper.c \
	tests/unit/mariadb_helper.h \
	tests/unit/mysql_fake.c \
	tests/unit/mysql_fake.h \
	tests/unit/store_fake.c \
	tests/unit/store_fake.h

# The unit tests once more, under valgrind, which cannot run in a sandbox.
.PHONY: check-valgrind
check-valgrind: $(check_PROGRAMS)
	$(MAKE) $(AM_MAKEFLAGS) check \
		TESTS="`echo $(unit_tests) | $(SED) 's|[^ ]*/test_sandbox||'`" \
		LOG_COMPILER=valgrind LOG_FLAGS='$(valgrind_flags)'

valgrind_flags = --quiet --error-exitcode=99 --leak-check=full \
	--show-leak-kinds=definite,indirect,possible \
	--errors-for-leak-kinds=definite,indirect,possible

# Calls that a test answers itself.
tests_unit_test_codec_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=FCGX_Accept_r \
	-Wl,--wrap=calloc \
	-Wl,--wrap=memfd_create \
	-Wl,--wrap=mmap
tests_unit_test_form_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=realloc
tests_unit_test_json_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=json_object_get_string_len \
	-Wl,--wrap=json_tokener_new_ex
tests_unit_test_query_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=realloc
tests_unit_test_returns_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=write
tests_unit_test_sandbox_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=sandbox_landlock \
	-Wl,--wrap=sandbox_seccomp
tests_unit_test_scheduling_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=sched_setscheduler
tests_unit_test_sessions_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=clock_now_ms \
	-Wl,--wrap=log_request \
	-Wl,--wrap=realloc \
	-Wl,--wrap=router_dispatch
tests_unit_test_store_mariadb_LDFLAGS = $(AM_LDFLAGS) $(mysql_fake_wraps)
tests_unit_test_store_mariadb_find_LDFLAGS = $(AM_LDFLAGS) $(mysql_fake_wraps)

mysql_fake_wraps = \
	-Wl,--wrap=clock_gettime \
	-Wl,--wrap=mysql_close \
	-Wl,--wrap=mysql_errno \
	-Wl,--wrap=mysql_error \
	-Wl,--wrap=mysql_fetch_row \
	-Wl,--wrap=mysql_free_result \
	-Wl,--wrap=mysql_get_server_info \
	-Wl,--wrap=mysql_get_socket \
	-Wl,--wrap=mysql_get_ssl_cipher \
	-Wl,--wrap=mysql_get_timeout_value_ms \
	-Wl,--wrap=mysql_init \
	-Wl,--wrap=mysql_optionsv \
	-Wl,--wrap=mysql_query \
	-Wl,--wrap=mysql_real_connect \
	-Wl,--wrap=mysql_rollback \
	-Wl,--wrap=mysql_server_end \
	-Wl,--wrap=mysql_server_init \
	-Wl,--wrap=mysql_stmt_bind_param \
	-Wl,--wrap=mysql_stmt_bind_result \
	-Wl,--wrap=mysql_stmt_close \
	-Wl,--wrap=mysql_stmt_errno \
	-Wl,--wrap=mysql_stmt_error \
	-Wl,--wrap=mysql_stmt_execute \
	-Wl,--wrap=mysql_stmt_execute_cont \
	-Wl,--wrap=mysql_stmt_execute_start \
	-Wl,--wrap=mysql_stmt_fetch \
	-Wl,--wrap=mysql_stmt_fetch_cont \
	-Wl,--wrap=mysql_stmt_fetch_start \
	-Wl,--wrap=mysql_stmt_free_result \
	-Wl,--wrap=mysql_stmt_init \
	-Wl,--wrap=mysql_stmt_prepare \
	-Wl,--wrap=mysql_store_result \
	-Wl,--wrap=mysql_thread_end \
	-Wl,--wrap=mysql_thread_init

# What fuzzers give the parsers (tests/fuzz): with --enable-fuzzing by libFuzzer,
# built by `make fuzzers`, else files that are kept.
fuzz_targets = \
	tests/fuzz/fuzz_form \
	tests/fuzz/fuzz_gate \
	tests/fuzz/fuzz_header \
	tests/fuzz/fuzz_json \
	tests/fuzz/fuzz_multipart \
	tests/fuzz/fuzz_query \
	tests/fuzz/fuzz_request \
	tests/fuzz/fuzz_stream \
	tests/fuzz/fuzz_text

# The same on a program that was weakened, which they have to find out.
fuzz_controls = \
	tests/fuzz/fuzz_stream_weak \
	tests/fuzz/fuzz_text_weak

EXTRA_PROGRAMS = $(fuzz_controls)
CLEANFILES += $(fuzz_controls)
EXTRA_DIST += \
	tests/fuzz/build \
	tests/fuzz/corpus \
	tests/fuzz/coverage \
	tests/fuzz/dictionaries \
	tests/fuzz/found

if HAVE_CMOCKA
check_LIBRARIES += tests/fuzz/libfuzzing.a
check_PROGRAMS += $(fuzz_targets)
if FUZZING
fuzz_main = $(FUZZER_LIBS)
else
check_LIBRARIES += tests/fuzz/libreplay.a
TESTS += $(fuzz_targets)
fuzz_main = tests/fuzz/libreplay.a
endif
endif

.PHONY: fuzzers
fuzzers: $(fuzz_targets) $(fuzz_controls)

tests_fuzz_libfuzzing_a_SOURCES = \
	tests/fuzz/answers.c \
	tests/fuzz/answers.h \
	tests/fuzz/checks.c \
	tests/fuzz/checks.h \
	tests/fuzz/fuzz.h \
	tests/fuzz/gate_bench.c \
	tests/fuzz/gate_bench.h \
	tests/fuzz/reference_json.c \
	tests/fuzz/reference_json.h \
	tests/fuzz/reference_records.c \
	tests/fuzz/reference_records.h
tests_fuzz_libreplay_a_SOURCES = tests/fuzz/replay.c
tests_fuzz_libreplay_a_CPPFLAGS = $(AM_CPPFLAGS) \
	-DFUZZ_FOLDER='"$(abs_srcdir)/tests/fuzz"'

fuzz_libraries = $(fuzz_main) tests/fuzz/libfuzzing.a \
	tests/unit/libtesting.a $(libbuzon_libraries)
tests_fuzz_fuzz_form_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_gate_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_header_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_json_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_multipart_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_query_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_request_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_stream_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_text_LDADD = $(fuzz_libraries)

gate_bench_wraps = \
	-Wl,--wrap=appender_submit \
	-Wl,--wrap=finder_submit \
	-Wl,--wrap=getrandom \
	-Wl,--wrap=probe_ask \
	-Wl,--wrap=workers_continue \
	-Wl,--wrap=workers_submit
tests_fuzz_fuzz_gate_LDFLAGS = $(AM_LDFLAGS) $(gate_bench_wraps)
tests_fuzz_fuzz_request_LDFLAGS = $(AM_LDFLAGS) $(gate_bench_wraps)

tests_fuzz_fuzz_stream_weak_SOURCES = \
	tests/fuzz/fuzz_stream.c \
	tests/fuzz/weak_stream.c
tests_fuzz_fuzz_stream_weak_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_stream_weak_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=intake_feed
tests_fuzz_fuzz_text_weak_SOURCES = \
	tests/fuzz/fuzz_text.c \
	tests/fuzz/weak_text.c
tests_fuzz_fuzz_text_weak_LDADD = $(fuzz_libraries)
tests_fuzz_fuzz_text_weak_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=utf8_first_bad

# For every program that does not name its own, that is the unit tests.
LDADD = tests/unit/libtesting.a $(libbuzon_libraries) $(CMOCKA_LIBS)

# The program with calls that fail, for tests/reliability; by its name only:
# make tests/torture/buzon
EXTRA_PROGRAMS += tests/torture/buzon
CLEANFILES += tests/torture/buzon$(EXEEXT)
tests_torture_buzon_SOURCES = \
	fcgi-app/main.c \
	tests/torture/torture.c \
	tests/torture/torture.h \
	tests/torture/wrap_libraries.c \
	tests/torture/wrap_system.c
tests_torture_buzon_LDADD = $(libbuzon_libraries)
tests_torture_buzon_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=FCGX_Accept_r \
	-Wl,--wrap=FCGX_Init \
	-Wl,--wrap=FCGX_InitRequest \
	-Wl,--wrap=accept4 \
	-Wl,--wrap=calloc \
	-Wl,--wrap=close \
	-Wl,--wrap=epoll_create1 \
	-Wl,--wrap=epoll_ctl \
	-Wl,--wrap=epoll_wait \
	-Wl,--wrap=eventfd \
	-Wl,--wrap=fcntl \
	-Wl,--wrap=free \
	-Wl,--wrap=ftruncate \
	-Wl,--wrap=gethostname \
	-Wl,--wrap=getrandom \
	-Wl,--wrap=getrlimit \
	-Wl,--wrap=getsockopt \
	-Wl,--wrap=json_object_get_string_len \
	-Wl,--wrap=json_tokener_new_ex \
	-Wl,--wrap=json_tokener_parse_ex \
	-Wl,--wrap=lseek \
	-Wl,--wrap=malloc \
	-Wl,--wrap=memfd_create \
	-Wl,--wrap=mmap \
	-Wl,--wrap=mysql_errno \
	-Wl,--wrap=mysql_error \
	-Wl,--wrap=mysql_init \
	-Wl,--wrap=mysql_optionsv \
	-Wl,--wrap=mysql_query \
	-Wl,--wrap=mysql_real_connect \
	-Wl,--wrap=mysql_rollback \
	-Wl,--wrap=mysql_server_init \
	-Wl,--wrap=mysql_stmt_bind_param \
	-Wl,--wrap=mysql_stmt_bind_result \
	-Wl,--wrap=mysql_stmt_close \
	-Wl,--wrap=mysql_stmt_errno \
	-Wl,--wrap=mysql_stmt_error \
	-Wl,--wrap=mysql_stmt_execute \
	-Wl,--wrap=mysql_stmt_execute_cont \
	-Wl,--wrap=mysql_stmt_execute_start \
	-Wl,--wrap=mysql_stmt_fetch \
	-Wl,--wrap=mysql_stmt_fetch_cont \
	-Wl,--wrap=mysql_stmt_fetch_start \
	-Wl,--wrap=mysql_stmt_free_result \
	-Wl,--wrap=mysql_stmt_init \
	-Wl,--wrap=mysql_stmt_prepare \
	-Wl,--wrap=mysql_store_result \
	-Wl,--wrap=mysql_thread_init \
	-Wl,--wrap=open \
	-Wl,--wrap=poll \
	-Wl,--wrap=pthread_cond_timedwait \
	-Wl,--wrap=pthread_cond_wait \
	-Wl,--wrap=pthread_create \
	-Wl,--wrap=read \
	-Wl,--wrap=realloc \
	-Wl,--wrap=recv \
	-Wl,--wrap=sched_setscheduler \
	-Wl,--wrap=send \
	-Wl,--wrap=setrlimit \
	-Wl,--wrap=setsockopt \
	-Wl,--wrap=signalfd \
	-Wl,--wrap=spares_lend \
	-Wl,--wrap=strdup \
	-Wl,--wrap=vsnprintf \
	-Wl,--wrap=write
