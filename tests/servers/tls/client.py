# SPDX-License-Identifier: MIT
"""What a client sees of HTTPS."""

import http.client
import socket
import ssl
from dataclasses import dataclass

from answers import Answer
from waiting import wait_until

ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Handshake:
    """What was agreed on when a connection was made."""

    version: str
    protocol: str
    serial: str
    names: tuple[str, ...]


def shake_hands(name: str, context: ssl.SSLContext | None = None) -> Handshake:
    """A connection to this machine with that name; SSLError where there is none."""
    context = context or ssl.create_default_context()
    with (
        socket.create_connection((ADDRESS, 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        # In TLS 1.3 a refusal comes after the handshake.
        secured.sendall(b"HEAD /api/test HTTP/1.0\r\nHost: %s\r\n\r\n" % name.encode())
        secured.recv(1)
        certificate = secured.getpeercert() or {}
        return Handshake(
            secured.version() or "",
            secured.selected_alpn_protocol() or "",
            str(certificate.get("serialNumber", "")),
            tuple(value for _, value in certificate.get("subjectAltName", ())),
        )


def wait_for_port(port: int) -> None:
    """A web server that is started may need a moment until it listens."""

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((ADDRESS, port)) == 0

    wait_until(listens, 60, f"something listens on port {port}")


def at_version(version: ssl.TLSVersion) -> ssl.SSLContext:
    """Offers that version of TLS alone, with every cipher that there is for it."""
    context = ssl.create_default_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = version
    context.maximum_version = version
    return context


def serial(name: str) -> str:
    """Of the certificate that the web server has for that name."""
    return shake_hands(name).serial


def wait_for_other_serial(name: str, before: str, seconds: float = 20) -> str:
    def other() -> str:
        now = serial(name)
        return now if now != before else ""

    return wait_until(other, seconds, f"another certificate for {name}")


def plain(host: str, target: str, method: str = "GET") -> Answer:
    """One request over HTTP, port 80."""
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request(method, target)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return Answer(response.status, response.getheaders(), body)
