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
	fcgi-app/gate/codec.c \
	fcgi-app/gate/codec.h \
	fcgi-app/gate/deadlines.c \
	fcgi-app/gate/deadlines.h \
	fcgi-app/gate/gate.c \
	fcgi-app/gate/gate.h \
	fcgi-app/gate/head.c \
	fcgi-app/gate/head.h \
	fcgi-app/gate/intake.c \
	fcgi-app/gate/intake.h \
	fcgi-app/gate/listener.c \
	fcgi-app/gate/listener.h \
	fcgi-app/gate/parameters.c \
	fcgi-app/gate/parameters.h \
	fcgi-app/gate/pressure.c \
	fcgi-app/gate/pressure.h \
	fcgi-app/gate/reply.c \
	fcgi-app/gate/reply.h \
	fcgi-app/gate/returns.c \
	fcgi-app/gate/returns.h \
	fcgi-app/gate/scheduling.c \
	fcgi-app/gate/scheduling.h \
	fcgi-app/gate/serving.c \
	fcgi-app/gate/serving.h \
	fcgi-app/gate/session.c \
	fcgi-app/gate/session.h \
	fcgi-app/gate/sessions.c \
	fcgi-app/gate/sessions.h \
	fcgi-app/gate/spares.c \
	fcgi-app/gate/spares.h \
	fcgi-app/gate/transport.c \
	fcgi-app/gate/transport.h \
	fcgi-app/gate/watcher.c \
	fcgi-app/gate/watcher.h \
	fcgi-app/gate/workers.c \
	fcgi-app/gate/workers.h \
	fcgi-app/http/form.c \
	fcgi-app/http/form.h \
	fcgi-app/http/http.c \
	fcgi-app/http/http.h \
	fcgi-app/http/http_response.c \
	fcgi-app/http/multipart.c \
	fcgi-app/http/multipart_part.c \
	fcgi-app/http/multipart_part.h \
	fcgi-app/inbox/appender.c \
	fcgi-app/inbox/appender.h \
	fcgi-app/inbox/filter.c \
	fcgi-app/inbox/filter.h \
	fcgi-app/inbox/finder.c \
	fcgi-app/inbox/finder.h \
	fcgi-app/inbox/message.c \
	fcgi-app/inbox/message.h \
	fcgi-app/inbox/message_draft.c \
	fcgi-app/inbox/message_draft.h \
	fcgi-app/inbox/probe.c \
	fcgi-app/inbox/probe.h \
	fcgi-app/inbox/reader.c \
	fcgi-app/inbox/reader.h \
	fcgi-app/inbox/store.h \
	fcgi-app/inbox/store_mariadb.c \
	fcgi-app/inbox/store_mariadb.h \
	fcgi-app/inbox/store_mariadb_append.c \
	fcgi-app/inbox/store_mariadb_connection.c \
	fcgi-app/inbox/store_mariadb_failure.c \
	fcgi-app/inbox/store_mariadb_find.c \
	fcgi-app/inbox/store_mariadb_private.h \
	fcgi-app/inbox/store_mariadb_read.c \
	fcgi-app/inbox/store_mariadb_select.c \
	fcgi-app/inbox/store_mariadb_statement.c \
	fcgi-app/system/clock.c \
	fcgi-app/system/clock.h \
	fcgi-app/system/log.c \
	fcgi-app/system/log.h \
	fcgi-app/system/sandbox.c \
	fcgi-app/system/sandbox.h \
	fcgi-app/system/sandbox_landlock.c \
	fcgi-app/system/sandbox_private.h \
	fcgi-app/system/sandbox_seccomp.c \
	fcgi-app/system/settings.c \
	fcgi-app/system/settings.h \
	fcgi-app/system/settings_names.c \
	fcgi-app/system/settings_table.c \
	fcgi-app/system/settings_table.h \
	fcgi-app/text/buf.c \
	fcgi-app/text/buf.h \
	fcgi-app/text/err.c \
	fcgi-app/text/err.h \
	fcgi-app/text/hex.h \
	fcgi-app/text/json.c \
	fcgi-app/text/json.h \
	fcgi-app/text/json_cursor.c \
	fcgi-app/text/json_cursor.h \
	fcgi-app/text/json_scan.c \
	fcgi-app/text/json_token.c \
	fcgi-app/text/json_token.h \
	fcgi-app/text/json_write.c \
	fcgi-app/text/json_write.h \
	fcgi-app/text/problem.c \
	fcgi-app/text/problem.h \
	fcgi-app/text/span.h \
	fcgi-app/text/utf8.c \
	fcgi-app/text/utf8.h
