# SPDX-License-Identifier: MIT
"""Whoever is slow, idle or large makes room for others."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from answers import assert_problem
from fastcgi import Connection, ConnectionEnded, encode
from http_client import JSON, json_body, unique
from replica import Replica
from system import System
from waiting import wait_until

CONNECTIONS = 4
TEST = encode("GET", "/api/test", keep=True)
BODY_LIMIT = 1024 * 1024


@pytest.fixture
def replica(system: System) -> Iterator[Replica]:
    settings = {
        "BUZON_CONNECTIONS": str(CONNECTIONS),
        "BUZON_REQUEST_TIMEOUT": "2",
        "BUZON_STALL_TIMEOUT": "1",
    }
    with Replica(system, **settings) as replica:
        yield replica


def test_a_request_that_comes_in_byte_by_byte_is_closed_after_a_time(
    replica: Replica,
) -> None:
    """It never stands still for as long as a request may stall."""
    start = time.monotonic()
    with replica.connect() as slow:
        sent = 0
        with pytest.raises(OSError):
            while sent < len(TEST):
                due = start + sent * 0.4
                wait_until(lambda: time.monotonic() >= due, 2, "its time has come")
                slow.send(TEST[sent : sent + 1])
                sent += 1
                assert time.monotonic() - start < 5
    assert 2 <= time.monotonic() - start < 4
    assert '"event":"request_timeout"' in replica.log()


def test_idle_connections_of_one_web_server_do_not_shut_out_another(
    replica: Replica,
) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(replica.connect()) for _ in range(CONNECTIONS)]
        for connection in idle:
            connection.send(TEST)
            assert connection.read_reply().answer().status == 200
        with replica.connect(timeout=5) as other:
            other.send(TEST)
            assert other.read_reply().answer().status == 200
            # The one that had been idle for the longest has made room.
            assert idle[0].wait_for_end() == b""
            for connection in idle[1:]:
                connection.send(TEST)
                assert connection.read_reply().answer().status == 200


def test_connections_that_never_said_a_word_make_room_too(replica: Replica) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(replica.connect()) for _ in range(CONNECTIONS)]
        for _ in range(3):
            with replica.connect(timeout=5) as other:
                other.send(TEST)
                assert other.read_reply().answer().status == 200
        assert silent[0].wait_for_end() == b""


def test_whoever_is_busy_keeps_its_connection(replica: Replica) -> None:
    with ExitStack() as stack:
        busy = [stack.enter_context(replica.connect()) for _ in range(CONNECTIONS)]
        for connection in busy:
            connection.send(TEST[:-8])
        other = stack.enter_context(replica.connect(timeout=5))
        other.send(TEST)
        for connection in busy:
            connection.send(TEST[-8:])
            assert connection.read_reply().answer().status == 200
        assert other.read_reply().answer().status == 200


def test_after_a_pause_of_the_process_nobody_is_closed_unread(system: System) -> None:
    """More connections than one look at the kernel's events tells of."""
    with ExitStack() as stack:
        replica = stack.enter_context(Replica(system, BUZON_STALL_TIMEOUT="1"))
        slow = [stack.enter_context(replica.connect()) for _ in range(700)]
        for connection in slow:
            connection.send(TEST[:20])
        with replica.api() as api:
            assert api.get("/api/test").status == 200
        os.kill(replica.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        for connection in slow:
            connection.send(TEST[20:])
        wait_until(lambda: time.monotonic() - stopped > 1.5, 5, "it was stopped for long")
        os.kill(replica.pid, signal.SIGCONT)
        for connection in slow:
            assert connection.read_reply().answer().status == 200


def send_almost(connection: Connection, request: bytes) -> None:
    connection.send(request[:-8])


def test_requests_hold_no_more_memory_than_one_bound(system: System) -> None:
    """200 MB that come in at once, and stay a byte short of whole."""
    settings = {"BUZON_BODY_LIMIT": str(BODY_LIMIT), "BUZON_REQUEST_TIMEOUT": "60"}
    large = encode(
        "POST", "/api/message", {"Content-Type": JSON}, b" " * BODY_LIMIT, keep=True
    )
    with Replica(system, **settings) as replica, ExitStack() as stack:
        before = replica.memory_kib()
        many = [stack.enter_context(replica.connect()) for _ in range(200)]
        for connection in many:
            send_almost(connection, large)
        with replica.api() as api:
            assert api.get("/api/test").status == 200
            assert api.post_message(unique(), "small").status == 201
            assert replica.memory_kib("VmHWM") - before < 96 * 1024
        statuses = []
        for connection in many:
            try:
                connection.send(large[-8:])
                answer = connection.read_reply().answer()
            except (OSError, ConnectionEnded):
                continue  # closed, because it stood still while much was held
            statuses.append(answer.status)
            if answer.status == 503:
                assert_problem(answer, 503, "overloaded")
        assert set(statuses) <= {400, 503}


def test_a_message_that_is_stored_for_nobody_is_in_the_request_log(
    system: System,
) -> None:
    sender = unique("gone")
    with Replica(system, BUZON_LOG_REQUESTS="on") as replica:
        with replica.api() as api:
            for number in range(3):
                with replica.connect() as connection:
                    body = json_body(sender, str(number))
                    headers = {"Content-Type": JSON, "X-Request-ID": f"gone-{number}"}
                    connection.send(encode("POST", "/api/message", headers, body))
            wait_until(lambda: len(api.messages(From=sender)) == 3, 5, "they are stored")
        wait_until(
            lambda: replica.log().count('"request_id":"gone-') == 3, 5, "they are logged"
        )
        lines = [line for line in replica.log().splitlines() if '"gone-' in line]
        assert all('"status":201' in line for line in lines), lines
