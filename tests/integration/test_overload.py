# SPDX-License-Identifier: MIT
"""More requests than the queue holds are refused at once, others go on."""

import select
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from answers import assert_problem
from database import Session
from fastcgi import FastcgiApi
from http_client import JSON, json_body, unique
from replica import Replica
from mariadb_process import MariadbProcess
from system import System
from waiting import wait_until

POSTS = 16


@pytest.fixture
def replica(fragile: System) -> Iterator[Replica]:
    settings = {"BUZON_QUEUE": "2", "BUZON_WORKERS": "1", "BUZON_APPEND_ROWS": "1"}
    with Replica(fragile, **settings, BUZON_DB_TIMEOUT="5") as replica:
        with replica.api() as api:
            api.store(unique(), "warm")
        yield replica


def ask_many(stack: ExitStack, replica: Replica, sender: str) -> list[FastcgiApi]:
    """Posts that are all under way at the same time."""
    asking = [stack.enter_context(replica.api()) for _ in range(POSTS)]
    for number, api in enumerate(asking):
        api.send(
            "POST",
            "/api/message",
            {"Content-Type": JSON},
            json_body(sender, str(number)),
        )
    return asking


def answered(asking: list[FastcgiApi]) -> list[FastcgiApi]:
    sockets = [api.connection.socket for api in asking if api.connection]
    ready, _, _ = select.select(sockets, [], [], 0)
    return [a for a in asking if a.connection and a.connection.socket in ready]


def receive_served(asking: list[FastcgiApi]) -> int:
    """All answers: how many were not refused, one and as many as the queue holds, or, where
    the queue was full before the one had left it, only these."""
    answers = [api.receive() for api in asking]
    served = [answer for answer in answers if answer.status in (200, 201)]
    for answer in answers:
        if answer not in served:
            assert_problem(answer, 503, "overloaded")
    assert 2 <= len(served) <= 3
    return len(served)


def test_posts_above_the_queue_are_refused(fragile: System, replica: Replica) -> None:
    """With a lock in the way, exactly what the queue holds is stored later."""
    sender = unique()
    with ExitStack() as stack, Session(fragile.database) as lock_holder:
        lock_holder.hold_append_lock()
        asking = ask_many(stack, replica, sender)
        # One may be on its way to the database, two wait.
        wait_until(
            lambda: len(answered(asking)) >= POSTS - 3, 3, "the others are refused"
        )
        lock_holder.release()
        served = receive_served(asking)
        with replica.api() as api:
            assert len(api.messages(From=sender)) == served


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_database_that_stands_still_holds_up_nobody_else(
    replica: Replica, mariadb: MariadbProcess, method: str
) -> None:
    with ExitStack() as stack:
        mariadb.stop_moving()
        if method == "POST":
            asking = ask_many(stack, replica, unique())
        else:
            asking = [stack.enter_context(replica.api()) for _ in range(POSTS)]
            for api in asking:
                api.send("GET", "/api/message?limit=1")
        wait_until(lambda: len(answered(asking)) >= POSTS - 3, 3, "most are refused")
        with replica.api() as other:
            for _ in range(50):
                start = time.monotonic()
                assert other.get("/api/test").status == 200
                assert time.monotonic() - start < 0.05
        mariadb.move_again()
        receive_served(asking)
