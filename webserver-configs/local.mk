# SPDX-License-Identifier: MIT
# Examples to copy from, a folder a web server.
serverconfigdir = $(pkgdatadir)/webserver-configs

apacheconfigdir = $(serverconfigdir)/apache
dist_apacheconfig_DATA = \
	webserver-configs/apache/buzon-acme.conf \
	webserver-configs/apache/buzon-https.conf \
	webserver-configs/apache/buzon.conf
apacheincludesdir = $(apacheconfigdir)/buzon
dist_apacheincludes_DATA = \
	webserver-configs/apache/buzon/404.json \
	webserver-configs/apache/buzon/again.asis \
	webserver-configs/apache/buzon/api.conf \
	webserver-configs/apache/buzon/errors.conf \
	webserver-configs/apache/buzon/panel.conf \
	webserver-configs/apache/buzon/replicas.conf \
	webserver-configs/apache/buzon/server.conf

caddyconfigdir = $(serverconfigdir)/caddy
dist_caddyconfig_DATA = \
	webserver-configs/caddy/Caddyfile
caddyincludesdir = $(caddyconfigdir)/buzon
dist_caddyincludes_DATA = \
	webserver-configs/caddy/buzon/api.caddyfile \
	webserver-configs/caddy/buzon/errors.caddyfile \
	webserver-configs/caddy/buzon/panel.caddyfile \
	webserver-configs/caddy/buzon/site.caddyfile

haproxyconfigdir = $(serverconfigdir)/haproxy
dist_haproxyconfig_DATA = \
	webserver-configs/haproxy/chunked.lua \
	webserver-configs/haproxy/haproxy.cfg \
	webserver-configs/haproxy/http.cfg \
	webserver-configs/haproxy/https.cfg

lighttpdconfigdir = $(serverconfigdir)/lighttpd
dist_lighttpdconfig_DATA = \
	webserver-configs/lighttpd/50-buzon.conf \
	webserver-configs/lighttpd/51-buzon-https.conf \
	webserver-configs/lighttpd/buzon.lua \
	webserver-configs/lighttpd/reload.conf

nginxconfigdir = $(serverconfigdir)/nginx
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
