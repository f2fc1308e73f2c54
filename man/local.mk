# SPDX-License-Identifier: MIT
man_MANS = man/buzon.8
CLEANFILES += man/buzon.8
EXTRA_DIST += man/buzon.8.in

man/buzon.8: man/buzon.8.in Makefile
	$(AM_V_GEN)$(MKDIR_P) man && \
	$(substitute) $(srcdir)/man/buzon.8.in >$@.tmp && mv $@.tmp $@
