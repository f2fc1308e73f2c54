# SPDX-License-Identifier: MIT
"""Requests as bytes, for what no HTTP client sends."""

import http.client
import select
import socket
import time
from collections.abc import Iterable

from answers import Answer

SECONDS = 30
PIECE = 65_536


def request(
    line: str | bytes, headers: Iterable[str | bytes] = (), body: bytes = b""
) -> bytes:
    """A request line and header lines as they are, without their CRLF."""
    lines = [line, *headers, b"", b""]
    head = b"\r\n".join(
        text if isinstance(text, bytes) else text.encode("utf-8") for text in lines
    )
    return head + body


def chunked(body: bytes, size: int) -> bytes:
    """The body as Transfer-Encoding: chunked has it, in chunks of a size."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def send(connection: socket.socket, data: bytes) -> None:
    """Sends all of it, unless the server answers or closes before."""
    view = memoryview(data)
    deadline = time.monotonic() + SECONDS
    while view:
        readable, writable, _ = select.select([connection], [connection], [], 1)
        if readable:
            return
        if writable:
            try:
                view = view[connection.send(view[:PIECE]) :]
            except (BrokenPipeError, ConnectionResetError):
                return
        assert time.monotonic() < deadline, f"{len(view)} bytes are not taken"


def read_answer(connection: socket.socket, method: str = "GET") -> Answer:
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        body = response.read()
    finally:
        response.close()
    return Answer(response.status, response.getheaders(), body)


def exchange(
    port: int, *parts: bytes, method: str = "GET", pause: float = 0
) -> Answer:
    """Sends the parts, so far from each other, over a connection of their own."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, part in enumerate(parts):
            if number:
                time.sleep(pause)
            send(connection, part)
        return read_answer(connection, method)
