# SPDX-License-Identifier: MIT
"""Caddy: HTTPS for a domain, and plain HTTP without one."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from http_client import Api, unique
from stack import CommandError, Stack, docker, inspect
from waiting import wait_until

DOMAIN = "localhost"
AUTHORITY = "/data/caddy/pki/authorities/local/root.crt"

# Caddy makes its authority and its certificate when it starts.
CERTIFICATE_SECONDS = 20


class SecureStack(Stack):
    """Caddy for a domain, with certificates of its own making."""

    def __init__(self) -> None:
        super().__init__("caddy", settings={"BUZON_DOMAIN": DOMAIN})

    def context(self) -> ssl.SSLContext:
        """Trusts Caddy's own authority and nobody else."""
        # Not `docker cp`, which knows nothing of a volume.
        root = docker("exec", self.container("proxy"), "cat", AUTHORITY)
        return ssl.create_default_context(cadata=root)

    def connect(self, *protocols: str) -> ssl.SSLSocket:
        context = self.context()
        if protocols:
            context.set_alpn_protocols(list(protocols))
        plain = socket.create_connection((DOMAIN, self.tls_port), timeout=30)
        return context.wrap_socket(plain, server_hostname=DOMAIN)

    def serial_number(self) -> str:
        with self.connect() as connection:
            certificate = connection.getpeercert()
            assert certificate
            return str(certificate["serialNumber"])

    def api(self) -> Api:
        api = Api(f"https://{DOMAIN}:{self.tls_port}")
        api.connection = http.client.HTTPSConnection(
            DOMAIN, self.tls_port, timeout=30, context=self.context()
        )
        return api

    def has_certificate(self) -> bool:
        try:
            return bool(self.serial_number())
        except (CommandError, OSError):
            return False

    def up(self, *more: str) -> None:
        super().up(*more)
        wait_until(self.has_certificate, CERTIFICATE_SECONDS, "a certificate")


@pytest.fixture(scope="module")
def secure(build_seconds: float) -> Iterator[SecureStack]:
    with SecureStack() as stack:
        yield stack


def get(port: int, host: str, target: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("localhost", port, timeout=30)
    try:
        connection.request("GET", target, headers={"Host": host})
        response = connection.getresponse()
        response.read()
        return response
    finally:
        connection.close()


def test_https_serves_the_api(secure: SecureStack) -> None:
    api = secure.api()
    assert api.get("/api/test").body.startswith(b"ALIVE ")
    sender = unique()
    message = api.store(sender, "hola")
    assert api.messages(From=sender) == [message]
    api.close()


def test_http_leads_to_https(secure: SecureStack) -> None:
    for target in ("/", "/db/?username=dbuserwriter", "/api/message?From=a%20b"):
        response = get(secure.port, f"{DOMAIN}:{secure.port}", target)
        assert response.status in (301, 308)
        location = response.getheader("Location") or ""
        url = urlsplit(location)
        assert (url.scheme, url.hostname) == ("https", DOMAIN)
        assert location.endswith(target)
        # The port that browsers take, whichever one the engine publishes.
        assert url.port in (None, 443)
        assert response.getheader("Server") in ("Caddy", None)


def test_http_2_is_offered(secure: SecureStack) -> None:
    with secure.connect("h2", "http/1.1") as connection:
        assert connection.selected_alpn_protocol() == "h2"
    with secure.connect("http/1.1") as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"


def test_certificate_and_messages_survive_down(secure: SecureStack) -> None:
    sender = unique()
    api = secure.api()
    message = api.store(sender, "hola")
    api.close()
    before = secure.serial_number(), secure.container("proxy")
    secure.down()
    secure.up()
    assert secure.serial_number() == before[0]
    assert secure.container("proxy") != before[1]
    api = secure.api()
    assert api.messages(From=sender) == [message]
    api.close()


@pytest.mark.parametrize("each_stack", ["caddy"], indirect=True)
@pytest.mark.parametrize("host", ["localhost", "192.0.2.7", "inbox.example:8080"])
def test_without_a_domain_http_serves_any_name(each_stack: Stack, host: str) -> None:
    response = get(each_stack.port, host, "/api/test")
    assert response.status == 200


# What a person may take for a domain, and a word of what is wrong with it.
NO_DOMAINS = {
    "http://example.org": "URL",
    "https://example.org/": "URL",
    "example.org/api": "path",
    "example.org:8443": "port",
    "192.0.2.7": "IP address",
    "exa mple_.org": "host name",
    "-example.org": "host name",
}


@pytest.mark.parametrize("value", NO_DOMAINS)
def test_what_is_no_domain_is_told(build_seconds: float, value: str) -> None:
    stack = Stack("caddy", settings={"BUZON_DOMAIN": value})
    try:
        with pytest.raises(CommandError) as error:
            stack.compose("run", "--rm", "--no-deps", "--no-TTY", "proxy", timeout=60)
    finally:
        stack.remove()
    told = str(error.value)
    assert "BUZON_DOMAIN" in told and f"'{value}'" in told
    assert NO_DOMAINS[value] in told and "like example.org" in told


def test_the_log_of_a_proxy_with_a_wrong_domain_tells_it(build_seconds: float) -> None:
    stack = Stack("caddy", settings={"BUZON_DOMAIN": "http://example.org"})
    try:
        stack.compose("up", "--detach", "--no-deps", "proxy")
        wait_until(
            lambda: "BUZON_DOMAIN is 'http://example.org'"
            in stack.compose("logs", "proxy"),
            20,
            "the log names the value",
        )
        wait_until(
            lambda: inspect(stack.container("proxy"))["State"]["ExitCode"] == 78,
            20,
            "the proxy has ended",
        )
    finally:
        stack.remove()
