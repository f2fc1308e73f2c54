# SPDX-License-Identifier: MIT
"""A FastCGI client: whole requests, and bytes that no web server sends."""

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from answers import Answer
from http_client import Requester

BEGIN_REQUEST, ABORT_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR = range(1, 8)
DATA, GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = range(8, 12)
RESPONDER = 1
KEEP_CONNECTION = 1
RECORD_MAX = 65_535

Address = Path | tuple[str, int]


class ConnectionEnded(Exception):
    """The peer closed before the answer was whole."""


def record(kind: int, content: bytes, request_id: int = 1, version: int = 1) -> bytes:
    padding = -len(content) % 8
    head = struct.pack(">BBHHBB", version, kind, request_id, len(content), padding, 0)
    return head + content + bytes(padding)


def stream(kind: int, content: bytes, piece: int = 65_528, request_id: int = 1) -> bytes:
    """Content cut into records, and the empty one that ends them."""
    pieces = [content[at : at + piece] for at in range(0, len(content), piece)]
    return b"".join(record(kind, p, request_id) for p in [*pieces, b""])


def begin(keep: bool = False, role: int = RESPONDER, request_id: int = 1) -> bytes:
    flags = KEEP_CONNECTION if keep else 0
    return record(BEGIN_REQUEST, struct.pack(">HB5x", role, flags), request_id)


def name_value(name: bytes, value: bytes) -> bytes:
    def length(text: bytes) -> bytes:
        size = len(text)
        return bytes([size]) if size < 128 else struct.pack(">I", size | 1 << 31)

    return length(name) + length(value) + name + value


def parameters(
    method: str,
    target: str | bytes,
    headers: Mapping[str, str] | None = None,
    body_length: int | None = None,
) -> dict[bytes, bytes]:
    """The parameters that nginx sends with such a request."""
    target = target if isinstance(target, bytes) else target.encode("utf-8")
    path, _, query_string = target.partition(b"?")
    found = {
        b"GATEWAY_INTERFACE": b"CGI/1.1",
        b"SERVER_PROTOCOL": b"HTTP/1.1",
        b"REQUEST_METHOD": method.encode(),
        b"REQUEST_URI": target,
        b"SCRIPT_NAME": path,
        b"QUERY_STRING": query_string,
        b"CONTENT_TYPE": b"",
        b"CONTENT_LENGTH": b"",
        b"REMOTE_ADDR": b"127.0.0.1",
    }
    if body_length is not None:
        found[b"CONTENT_LENGTH"] = str(body_length).encode()
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_").encode()
        if key not in (b"CONTENT_TYPE", b"CONTENT_LENGTH"):
            key = b"HTTP_" + key
        found[key] = value.encode("utf-8")
    return found


def encode(
    method: str,
    target: str | bytes,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    keep: bool = False,
    server: str = "",
) -> bytes:
    """A whole request as a well-behaved web server sends it. server: its SERVER_SOFTWARE."""
    length = None if body is None else len(body)
    pairs = parameters(method, target, headers, length)
    if server:
        pairs[b"SERVER_SOFTWARE"] = server.encode()
    return (
        begin(keep)
        + stream(PARAMS, b"".join(name_value(n, v) for n, v in pairs.items()))
        + stream(STDIN, body or b"")
    )


@dataclass
class Reply:
    """What came back for one FastCGI request."""

    stdout: bytes
    app_status: int
    protocol_status: int

    def answer(self) -> Answer:
        head, separator, body = self.stdout.partition(b"\r\n\r\n")
        assert separator, self.stdout[:200]
        headers = []
        status = 200
        for line in head.decode("utf-8").split("\r\n"):
            name, colon, value = line.partition(":")
            assert colon, line
            if name == "Status":
                status = int(value.split()[0])
            else:
                headers.append((name, value.strip()))
        return Answer(status, headers, body)


class Connection:
    """One FastCGI connection."""

    def __init__(self, address: Address, timeout: float = 20) -> None:
        family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(str(address) if isinstance(address, Path) else address)
        except OSError:
            self.socket.close()
            raise
        self.reader = self.socket.makefile("rb")

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.reader.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_what_is_taken(self, data: bytes) -> None:
        """Sends, but does not mind a peer that refuses to read on."""
        try:
            self.socket.sendall(data)
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def read_record(self) -> tuple[int, int, bytes]:
        """Type, request ID and content of the next record."""
        head = self._read(8)
        version, kind, request_id, length, padding, _ = struct.unpack(">BBHHBB", head)
        assert version == 1
        content = self._read(length)
        self._read(padding)
        return kind, request_id, content

    def _read(self, length: int) -> bytes:
        try:
            data = self.reader.read(length)
        except ConnectionResetError:
            data = b""
        if len(data) < length:
            raise ConnectionEnded
        return data

    def read_reply(self, request_id: int = 1) -> Reply:
        stdout = bytearray()
        while True:
            kind, answered_id, content = self.read_record()
            assert answered_id == request_id
            if kind == STDOUT:
                stdout += content
            elif kind == END_REQUEST:
                app_status, protocol_status = struct.unpack(">IB3x", content)
                return Reply(bytes(stdout), app_status, protocol_status)
            else:
                assert kind == STDERR, f"a record of type {kind}"

    def wait_for_end(self) -> bytes:
        """Reads until the peer closes, and returns what it said before."""
        try:
            return self.reader.read()
        except ConnectionResetError:
            return b""


class FastcgiApi(Requester):
    """Requests straight to one replica, over one kept connection."""

    def __init__(self, address: Address, timeout: float = 20) -> None:
        self.address = address
        self.timeout = timeout
        self.connection: Connection | None = None

    def request(
        self,
        method: str,
        target: str | bytes,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        self.send(method, target, headers, body)
        return self.receive()

    def send(
        self,
        method: str,
        target: str | bytes,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        if self.connection is None:
            self.connection = Connection(self.address, self.timeout)
        self.connection.send(encode(method, target, headers, body, keep=True))

    def receive(self) -> Answer:
        assert self.connection is not None
        reply = self.connection.read_reply()
        assert reply.protocol_status == 0
        return reply.answer()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def __enter__(self) -> "FastcgiApi":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
