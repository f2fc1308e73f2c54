# SPDX-License-Identifier: MIT
"""A FastCGI responder that keeps what it is sent, in the place of a replica."""

import os
import shutil
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from fastcgi import (
    BEGIN_REQUEST,
    END_REQUEST,
    KEEP_CONNECTION,
    PARAMS,
    STDIN,
    STDOUT,
    record,
    stream,
)

ANSWER = b"recorded\n"


@dataclass
class Request:
    keep: bool
    encoded: bytearray = field(default_factory=bytearray)
    body: bytearray = field(default_factory=bytearray)

    def parameters(self) -> list[tuple[str, bytes]]:
        return [(name.decode("ascii"), value) for name, value in decode(self.encoded)]


def decode(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0

    def length() -> int:
        nonlocal at
        if encoded[at] < 128:
            at += 1
            return encoded[at - 1]
        (long,) = struct.unpack_from(">I", encoded, at)
        at += 4
        return long & 0x7FFF_FFFF

    while at < len(encoded):
        name_length, value_length = length(), length()
        name = bytes(encoded[at : at + name_length])
        at += name_length
        yield name, bytes(encoded[at : at + value_length])
        at += value_length
    assert at == len(encoded), "the parameters are cut"


class Recorder:
    """Inside `with`, it answers at this Unix socket; then the replica does again."""

    def __init__(self, path: Path, requests: list[Request]) -> None:
        """requests: where they are kept, of several recorders perhaps."""
        self.path = path
        self.replica = path.with_suffix(".replica")
        self.requests = requests
        self.faults: list[BaseException] = []
        self.listener = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> "Recorder":
        new = self.path.with_suffix(".new")
        self.listener.bind(str(new))
        # The web server may open what it may open of the replica.
        shutil.copymode(self.path, new)
        if os.geteuid() == 0:
            owner = self.path.stat()
            os.chown(new, owner.st_uid, owner.st_gid)
        self.listener.listen(64)
        self.path.rename(self.replica)
        new.rename(self.path)
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.replica.rename(self.path)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        assert not self.faults, self.faults

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                # __exit__ has closed it.
                return
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                while self.serve_one(connection, reader):
                    pass
            except OSError:
                # The web server has gone.
                pass
            except BaseException as error:
                self.faults.append(error)

    def serve_one(self, connection: socket.socket, reader: IO[bytes]) -> bool:
        """False when no more requests come over this connection."""
        request: Request | None = None
        while head := reader.read(8):
            version, kind, request_id, length, padding, _ = struct.unpack(">BBHHBB", head)
            assert version == 1
            content = reader.read(length + padding)[:length]
            if kind == BEGIN_REQUEST:
                request = Request(keep=bool(content[2] & KEEP_CONNECTION))
                continue
            assert request is not None, f"a record of type {kind} without a request"
            if kind == PARAMS:
                request.encoded += content
            elif kind == STDIN and content:
                request.body += content
            elif kind == STDIN:
                self.requests.append(request)
                connection.sendall(answer(request, request_id))
                return request.keep
            else:
                raise AssertionError(f"a record of type {kind}")
        return False


def answer(request: Request, request_id: int) -> bytes:
    # A web server may tell a whole answer by the headers that all of them have.
    head = (
        "Status: 200 OK\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(ANSWER)}\r\nX-Request-ID: recorded\r\n"
        "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n\r\n"
    ).encode()
    body = b"" if ("REQUEST_METHOD", b"HEAD") in request.parameters() else ANSWER
    end = record(END_REQUEST, struct.pack(">IB3x", 0, 0), request_id)
    return stream(STDOUT, head + body, request_id=request_id) + end
