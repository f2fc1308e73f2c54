# SPDX-License-Identifier: MIT
"""A plain HTTP client that sends exactly what a test says."""

import http.client
import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote_from_bytes, urlsplit

from answers import Answer, assert_common

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BOUNDARY = "----buzon-test-boundary"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
NDJSON = "application/x-ndjson"

Bytes = str | bytes


def as_bytes(text: Bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8")


def escape(text: Bytes) -> str:
    """Every byte that is not unreserved as %XX."""
    return quote_from_bytes(as_bytes(text), safe="")


def query(**parameters: Bytes | int) -> str:
    pairs = (
        f"{name}={escape(str(value) if isinstance(value, int) else value)}"
        for name, value in parameters.items()
    )
    return "/api/message?" + "&".join(pairs)


def json_body(sender: str, content: str) -> bytes:
    return json.dumps(
        {"From": sender, "Content": content}, ensure_ascii=False
    ).encode("utf-8")


def form_body(fields: Iterable[tuple[Bytes, Bytes]]) -> bytes:
    return "&".join(f"{escape(n)}={escape(v)}" for n, v in fields).encode()


def multipart_body(
    fields: Iterable[tuple[Bytes, Bytes]], extra: bytes = b""
) -> bytes:
    """extra: more header lines of each part, each with its CRLF."""
    parts = [
        b"--" + BOUNDARY.encode() + b"\r\n"
        b'Content-Disposition: form-data; name="' + as_bytes(name) + b'"\r\n'
        + extra + b"\r\n" + as_bytes(value) + b"\r\n"
        for name, value in fields
    ]
    return b"".join(parts) + b"--" + BOUNDARY.encode() + b"--\r\n"


def unique(prefix: str = "t") -> str:
    """A From that no other test has."""
    return f"{prefix}-{secrets.token_hex(8)}"


class Requester:
    """The requests of the tests; how they travel is the subclass's."""

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        raise NotImplementedError

    def get(self, target: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", target, headers)

    def post(
        self,
        body: bytes,
        content_type: str | None = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        all_headers = dict(headers or {})
        if content_type is not None:
            all_headers["Content-Type"] = content_type
        return self.request("POST", "/api/message", all_headers, body)

    def post_message(
        self, sender: str, content: str, key: str | None = None
    ) -> Answer:
        headers = {"Idempotency-Key": key} if key is not None else None
        return self.post(json_body(sender, content), headers=headers)

    def store(self, sender: str, content: str, key: str | None = None) -> dict[str, Any]:
        """Posts a message that must be accepted, and returns it."""
        answer = self.post_message(sender, content, key)
        assert answer.status == 201, answer
        return answer.json()

    def messages(self, **parameters: Bytes | int) -> list[dict[str, Any]]:
        answer = self.get(query(**parameters))
        assert answer.status == 200, answer
        return answer.json()

    def newest_id(self) -> int:
        found = self.messages(order="desc", limit=1)
        return found[0]["ID"] if found else 0


class Api(Requester):
    """One kept-alive connection to a web server."""

    def __init__(self, url: str, timeout: float = 30) -> None:
        parts = urlsplit(url)
        kind = (
            http.client.HTTPSConnection
            if parts.scheme == "https"
            else http.client.HTTPConnection
        )
        self.connection = kind(parts.netloc, timeout=timeout)

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        connection = self.connection
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None and "Content-Length" not in (headers or {}):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        answer = Answer(response.status, response.getheaders(), content)
        length = answer.header("Content-Length")
        if length is not None and method != "HEAD":
            assert int(length) == len(content), answer
        assert_common(answer, streamed=length is None)
        return answer

    def close(self) -> None:
        self.connection.close()
