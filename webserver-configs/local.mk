# SPDX-License-Identifier: MIT
# Examples to copy from, a folder a web server.
nginxconfigdir = $(pkgdatadir)/webserver-configs/nginx
dist_nginxconfig_DATA = \
	webserver-configs/nginx/nginx.conf
nginxincludesdir = $(nginxconfigdir)/buzon
dist_nginxincludes_DATA = \
	webserver-configs/nginx/buzon/api.conf \
	webserver-configs/nginx/buzon/errors.conf \
	webserver-configs/nginx/buzon/http.conf \
	webserver-configs/nginx/buzon/panel.conf \
	webserver-configs/nginx/buzon/site-acme.conf \
	webserver-configs/nginx/buzon/site-http.conf \
	webserver-configs/nginx/buzon/site-https.conf
