# SPDX-License-Identifier: MIT
"""A client that does what RFC 9112 9.3.1 lets it do, and no more."""

import http.client
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from answers import Answer
from http_client import Api


class NotAnswered(ConnectionError):
    """The connection ended before the first byte of an answer."""


class PatientConnection(http.client.HTTPConnection):
    def getresponse(self) -> http.client.HTTPResponse:
        try:
            return super().getresponse()
        except ConnectionError as error:
            raise NotAnswered from error

    def send(self, data: object) -> None:
        try:
            super().send(data)  # type: ignore[arg-type]  # typeshed lists what may be sent
        except (BrokenPipeError, ConnectionResetError) as error:
            raise NotAnswered from error


class Resets:
    """So many new connections, of all clients together, may end without an answer."""

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self.seen = 0
        self.lock = threading.Lock()

    def allow(self) -> bool:
        with self.lock:
            self.seen += 1
            return self.seen <= self.allowed


class PatientApi(Api):
    """A server may close a kept connection that idles just when a request is on its
    way. Then the request may be sent once more over a new one, if it can do no harm
    twice. Over a connection that is new already it may not, unless resets allows it."""

    def __init__(
        self, url: str, timeout: float = 30, *, resets: Resets | None = None
    ) -> None:
        super().__init__(url, timeout)
        self.connection = PatientConnection(urlsplit(url).netloc, timeout=timeout)
        self.resets = resets or Resets(0)

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        harmless = method != "POST" or "Idempotency-Key" in (headers or {})
        while True:
            kept = self.connection.sock is not None
            try:
                return super().request(method, target, headers, body)
            except NotAnswered as error:
                self.close()
                if not harmless:
                    raise
                if not kept and not self.resets.allow():
                    raise NotAnswered("over a new connection") from error
