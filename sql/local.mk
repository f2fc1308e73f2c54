# SPDX-License-Identifier: MIT
# The schema, and the script that applies it. See sql/migrate --help.
sqldir = $(pkgdatadir)/sql
dist_sql_SCRIPTS = sql/migrate
dist_sql_DATA = \
	sql/001-messages.sql \
	sql/grants.sql
