# SPDX-License-Identifier: MIT
"""What is asked of the program while its calls fail, and which answers are right."""

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from answers import Answer, assert_problem
from fastcgi import Address, Connection, ConnectionEnded, encode
from http_client import (
    FORM,
    JSON,
    MULTIPART,
    NDJSON,
    form_body,
    json_body,
    multipart_body,
)

# API.md: no answer takes longer.
PATIENCE_SECONDS = 5

LISTED = "torture-listed"  # 5 messages
LONG = "torture-long"  # 40 of 10,000 bytes: an answer in pieces
LARGE = "torture-large"  # 12 of 60,000 bytes: more than MariaDB can send at once
BODY_LIMIT = 128 * 1024
MANY = 20  # enough for another way of scheduling

# The answers to a fault of ours or the database's.
REFUSALS = {
    (500, "internal"),
    (503, "database_refuses"),
    (503, "database_unavailable"),
    (503, "overloaded"),
    (503, "write_uncertain"),
}


@dataclass
class Request:
    method: str
    target: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    sender: str = ""  # of a POST
    after_failure: tuple[int, ...] = ()  # also right where one before it failed
    holds: Callable[[Answer], bool] = lambda answer: True
    pieces: int = 1  # it is sent in so many
    kept: bool = True  # the connection stays open
    cut: int = 0  # bytes at its end that are never sent

    def encoded(self) -> bytes:
        return encode(self.method, self.target, self.headers, self.body, keep=self.kept)


def is_whole(answer: Answer, request: Request) -> bool:
    length = answer.header("Content-Length")
    return length is None or request.method == "HEAD" or int(length) == len(answer.body)


@dataclass
class Outcome:
    request: Request
    answer: Answer | None  # None: the connection ended before
    seconds: float
    silent: bool = False  # neither came in time

    def is_right(self, *, after_failure: bool = False) -> bool:
        request, answer = self.request, self.answer
        if request.cut:
            return answer is None and not self.silent
        if answer is None or not is_whole(answer, request):
            return False
        statuses = (request.status, *(request.after_failure if after_failure else ()))
        return answer.status in statuses and request.holds(answer)

    def fault(self) -> str:
        """What may not be, whatever failed; else nothing."""
        what = f"{self.request.method} {self.request.target}"
        if self.silent or self.seconds > PATIENCE_SECONDS:
            return f"{what}: no answer within {self.seconds:.1f} s"
        if self.answer is None or self.is_right(after_failure=True):
            return ""
        if self.answer.status == 503 and self.request.target == "/api/health":
            return ""
        if not self._is_refusal(self.answer):
            return f"{what}: an answer that is none: {self.answer}"
        return ""

    def _is_refusal(self, answer: Answer) -> bool:
        if self.request.method == "HEAD":
            return answer.status in {status for status, _ in REFUSALS} and not answer.body
        try:
            assert_problem(answer, answer.status, self.code)
        except (AssertionError, KeyError, ValueError):
            return False
        return (answer.status, self.code) in REFUSALS

    @property
    def code(self) -> str:
        """The code of a problem; "" for what is none."""
        if self.answer is None or self.answer.status < 400 or not self.answer.body:
            return ""
        return str(self.answer.json().get("code"))


@dataclass(frozen=True)
class Step:
    name: str
    requests: Callable[[str], list[Request]]
    first: tuple[str, ...] = ()  # ways to fail that come before, each time
    together: bool = False  # each over a connection of its own, all at once


class Client:
    """Sends the requests of a step and notes what comes back."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.connection: Connection | None = None

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def run(self, step: Step, mark: str) -> list[Outcome]:
        try:
            requests = step.requests(mark)
            return self._together(requests) if step.together else self._in_turn(requests)
        finally:
            self.close()

    def _in_turn(self, requests: list[Request]) -> list[Outcome]:
        return [self._ask(request) for request in requests]

    def _together(self, requests: list[Request]) -> list[Outcome]:
        start = time.monotonic()
        connections = []
        for request in requests:
            self.connection = None
            try:
                self._send(request)
            except OSError:
                pass
            connections.append(self.connection)
        outcomes = []
        for request, connection in zip(requests, connections):
            self.connection = connection
            outcomes.append(self._receive(request, start))
        for connection in connections:
            self.connection = connection
            self.close()
        # After the second of these it has seen that all those are closed.
        return [*outcomes, *self._in_turn([get("/api/test"), get("/api/test")])]

    def _ask(self, request: Request) -> Outcome:
        start = time.monotonic()
        try:
            self._send(request)
        except OSError:
            # What it said before it closed may still be there.
            pass
        outcome = self._receive(request, start)
        if outcome.answer is None or not request.kept:
            self.close()
        return outcome

    def _send(self, request: Request) -> None:
        if self.connection is None:
            self.connection = Connection(self.address, PATIENCE_SECONDS)
        data = request.encoded()
        data = data[: len(data) - request.cut]
        size = -(-len(data) // request.pieces)
        for at in range(0, len(data), size):
            self.connection.send(data[at : at + size])
        if request.cut:
            self.connection.socket.shutdown(socket.SHUT_WR)

    def _receive(self, request: Request, start: float) -> Outcome:
        answer, silent = None, False
        try:
            if self.connection is not None:
                answer = self.connection.read_reply().answer()
        except TimeoutError:
            silent = True
        except (ConnectionEnded, OSError):
            pass
        return Outcome(request, answer, time.monotonic() - start, silent)


def get(target: str, status: int = 200, **more: Any) -> Request:
    return replace(Request("GET", target, status), **more)


def post(
    sender: str,
    content: str = "x",
    *,
    kind: str = JSON,
    body: bytes | None = None,
    key: str = "",
    status: int = 201,
    **more: Any,
) -> Request:
    headers = {"Content-Type": kind}
    if key:
        headers["Idempotency-Key"] = key
    if body is None:
        body = json_body(sender, content)

    def holds(answer: Answer) -> bool:
        return answer.status != 201 or answer.json()["From"] == sender

    request = Request("POST", "/api/message", status, headers, body, sender, holds=holds)
    return replace(request, **more)


def holds_ids(count: int, next_page: bool = False) -> Callable[[Answer], bool]:
    def check(answer: Answer) -> bool:
        ndjson = answer.header("Content-Type") == NDJSON
        messages = answer.lines() if ndjson else answer.json()
        return len(messages) == count and (answer.header("Link") is not None) == next_page

    return check


def _keyed(mark: str) -> list[Request]:
    """Where the first failed, those that follow may be the first."""
    key = f"key-{mark}"
    return [
        post(mark, key=key),
        post(mark, key=key),
        post(f"{mark}-other", key=key, status=422, after_failure=(201,)),
    ]


def _bodies(mark: str) -> list[Request]:
    fields = [("Content", "x"), ("From", f"{mark}-form")]
    parts = [("Content", "x"), ("From", f"{mark}-parts")]
    # The escapes are what json-c is for.
    escaped = f'{{"From":"{mark}\\u002descaped","Content":"\\u00e9\\ud83d\\ude00"}}'
    return [
        post(f"{mark}-form", kind=FORM, body=form_body(fields)),
        post(f"{mark}-parts", kind=MULTIPART, body=multipart_body(parts)),
        post(f"{mark}-escaped", body=escaped.encode()),
    ]


def _refused(mark: str) -> list[Request]:
    long = json_body(f"{mark}-long", "x" * BODY_LIMIT)
    return [
        get("/api/message?limit=0&colour=red", 400),
        get("/api/m%65ssages", 404),
        Request("DELETE", "/api/message", 405),
        Request("OPTIONS", "/api/message", 204),
        post(mark, kind="text/plain", status=415),
        post(mark, "", status=400),
        post(f"{mark}-long", body=long, status=413, pieces=5),
    ]


def _cut(mark: str) -> list[Request]:
    return [post(mark, cut=20), post(f"{mark}-whole", pieces=3)]


def _lists(mark: str) -> list[Request]:
    where = f"/api/message?From={LISTED}"
    return [
        get(where, holds=holds_ids(5)),
        get(f"{where}&Content=2&order=desc", holds=holds_ids(1)),
        get(f"{where}&after=0&limit=2", holds=holds_ids(2, True)),
        Request("HEAD", where, 200),
    ]


def _long(mark: str) -> list[Request]:
    where = f"/api/message?From={LONG}"
    return [
        get(where, headers={"Accept": NDJSON}, holds=holds_ids(40)),
        get(f"{where}&limit=30", holds=holds_ids(30, True)),
    ]


def steps(small_id: int, large_ids: list[int]) -> list[Step]:
    def lookup(mark: str) -> list[Request]:
        return [get(f"/api/message?ID={small_id}", holds=holds_ids(1))]

    def large_lookups(mark: str) -> list[Request]:
        return [get(f"/api/message?ID={one}", holds=holds_ids(1)) for one in large_ids]

    def one_list(mark: str) -> list[Request]:
        return [get(f"/api/message?From={LISTED}", holds=holds_ids(5))]

    def one_post(mark: str) -> list[Request]:
        return [post(mark, key=f"key-{mark}")]

    def health(mark: str) -> list[Request]:
        return [get("/api/health")]

    def away(mark: str) -> list[Request]:
        return [get("/api/health"), *one_list(mark)]

    def many(mark: str) -> list[Request]:
        return [get("/api/test") for _ in range(MANY)]

    cut = "poll EINTR"  # of the database's connection: it is as good as closed
    return [
        Step("test", lambda mark: [get("/api/test"), get("/api/test", kept=False)]),
        Step("health", health),
        Step("post with a key", _keyed),
        Step("post in other forms", _bodies),
        Step("posts at once", lambda m: [post(f"{m}-{n}") for n in range(3)], together=True),
        Step("many at once", many, together=True),
        Step("refused", _refused),
        Step("cut off", _cut),
        Step("lookup", lookup),
        Step("large lookups at once", large_lookups, together=True),
        Step("lists", _lists),
        Step("long lists", _long),
        Step("health, reconnecting", health, ("mysql_query CR_SERVER_LOST",)),
        Step("health, away", away, (cut, "mysql_real_connect CR_CONN_HOST_ERROR")),
        Step("post, reconnecting", one_post, (cut,)),
        Step("post, after a deadlock", one_post, ("mysql_stmt_execute ER_LOCK_DEADLOCK",)),
        Step("post, after a lock wait", one_post, ("mysql_stmt_execute ER_LOCK_WAIT_TIMEOUT",)),
        Step("lookup, reconnecting", lookup, ("mysql_stmt_execute_start CR_SERVER_LOST",)),
        Step("list, reconnecting", one_list, (cut,)),
        Step("list, once more", one_list, ("mysql_stmt_execute CR_SERVER_LOST",)),
    ]
