# SPDX-License-Identifier: MIT
# Examples to copy from, a folder a web server.
nginxconfigdir = $(pkgdatadir)/webserver-configs/nginx
dist_nginxconfig_DATA = \
	webserver-configs/nginx/nginx.conf
nginxincludesdir = $(nginxconfigdir)/buzon
dist_nginxincludes_DATA = \
	webserver-configs/nginx/buzon/api.conf \
	webserver-configs/nginx/buzon/errors.conf \
	webserver-configs/nginx/buzon/http.conf
