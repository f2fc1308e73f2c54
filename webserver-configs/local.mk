# SPDX-License-Identifier: MIT
# Examples to copy from, a folder a web server.
nginxconfigdir = $(pkgdatadir)/webserver-configs/nginx
dist_nginxconfig_DATA = \
	webserver-configs/nginx/nginx.conf
