# SPDX-License-Identifier: MIT
# The program: a small main.c over one library, which the unit tests use too.
bin_PROGRAMS += buzon
buzon_SOURCES = fcgi-app/main.c
buzon_CFLAGS = $(AM_CFLAGS) $(PROGRAM_CFLAGS)
buzon_LDADD = $(libbuzon_libraries)

libbuzon_libraries = libbuzon.a \
	$(FCGI_LIBS) $(MARIADB_LIBS) $(JSON_C_LIBS) $(SECCOMP_LIBS) \
	$(UNISTRING_LIBS)

noinst_LIBRARIES += libbuzon.a
libbuzon_a_CFLAGS = $(AM_CFLAGS) $(PROGRAM_CFLAGS)
libbuzon_a_SOURCES = \
	fcgi-app/api/answer.c \
	fcgi-app/api/answer.h \
	fcgi-app/api/exchange.h \
	fcgi-app/api/handle_health.c \
	fcgi-app/api/handle_message_get.c \
	fcgi-app/api/handle_message_post.c \
	fcgi-app/api/handle_test.c \
	fcgi-app/api/handlers.h \
	fcgi-app/api/listing.c \
	fcgi-app/api/listing.h \
	fcgi-app/api/query.c \
	fcgi-app/api/query.h \
	fcgi-app/api/router.c \
	fcgi-app/api/router.h \
	fcgi-app/base/buf.c \
	fcgi-app/base/buf.h \
	fcgi-app/base/clock.c \
	fcgi-app/base/clock.h \
	fcgi-app/base/err.c \
	fcgi-app/base/err.h \
	fcgi-app/base/form.c \
	fcgi-app/base/form.h \
	fcgi-app/base/hex.h \
	fcgi-app/base/http.c \
	fcgi-app/base/http.h \
	fcgi-app/base/http_response.c \
	fcgi-app/base/json.c \
	fcgi-app/base/json.h \
	fcgi-app/base/json_scan.c \
	fcgi-app/base/json_token.c \
	fcgi-app/base/json_token.h \
	fcgi-app/base/log.c \
	fcgi-app/base/log.h \
	fcgi-app/base/multipart.c \
	fcgi-app/base/problem.c \
	fcgi-app/base/problem.h \
	fcgi-app/base/sandbox.c \
	fcgi-app/base/sandbox.h \
	fcgi-app/base/sandbox_landlock.c \
	fcgi-app/base/sandbox_private.h \
	fcgi-app/base/sandbox_seccomp.c \
	fcgi-app/base/settings.c \
	fcgi-app/base/settings.h \
	fcgi-app/base/settings_table.c \
	fcgi-app/base/settings_table.h \
	fcgi-app/base/span.h \
	fcgi-app/base/utf8.c \
	fcgi-app/base/utf8.h \
	fcgi-app/gate/codec.c \
	fcgi-app/gate/codec.h \
	fcgi-app/gate/connection.c \
	fcgi-app/gate/connection.h \
	fcgi-app/gate/connections.c \
	fcgi-app/gate/connections.h \
	fcgi-app/gate/conversation.c \
	fcgi-app/gate/conversation.h \
	fcgi-app/gate/gate.c \
	fcgi-app/gate/gate.h \
	fcgi-app/gate/intake.c \
	fcgi-app/gate/intake.h \
	fcgi-app/gate/parameters.c \
	fcgi-app/gate/parameters.h \
	fcgi-app/gate/scheduling.c \
	fcgi-app/gate/scheduling.h \
	fcgi-app/gate/spares.c \
	fcgi-app/gate/spares.h \
	fcgi-app/gate/watcher.c \
	fcgi-app/gate/watcher.h \
	fcgi-app/gate/workers.c \
	fcgi-app/gate/workers.h \
	fcgi-app/inbox/appender.c \
	fcgi-app/inbox/appender.h \
	fcgi-app/inbox/batcher.c \
	fcgi-app/inbox/batcher.h \
	fcgi-app/inbox/finder.c \
	fcgi-app/inbox/finder.h \
	fcgi-app/inbox/message.c \
	fcgi-app/inbox/message.h \
	fcgi-app/inbox/probe.c \
	fcgi-app/inbox/probe.h \
	fcgi-app/inbox/store.h \
	fcgi-app/inbox/store_mariadb.c \
	fcgi-app/inbox/store_mariadb.h \
	fcgi-app/inbox/store_mariadb_append.c \
	fcgi-app/inbox/store_mariadb_bind.c \
	fcgi-app/inbox/store_mariadb_connection.c \
	fcgi-app/inbox/store_mariadb_find.c \
	fcgi-app/inbox/store_mariadb_private.h \
	fcgi-app/inbox/store_mariadb_read.c \
	fcgi-app/inbox/store_mariadb_select.c
