# SPDX-License-Identifier: MIT
systemd_units = \
	systemd/buzon@.service \
	systemd/buzon@.socket
CLEANFILES += $(systemd_units)
EXTRA_DIST += \
	systemd/buzon@.service.in \
	systemd/buzon@.socket.in

if WITH_SYSTEMD
systemdsystemunit_DATA = $(systemd_units)
endif

$(systemd_units): Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && \
	$(substitute) $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@

systemd/buzon@.service: $(srcdir)/systemd/buzon@.service.in
systemd/buzon@.socket: $(srcdir)/systemd/buzon@.socket.in
