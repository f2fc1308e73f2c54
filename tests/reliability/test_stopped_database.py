# SPDX-License-Identifier: MIT
"""MariaDB stands still for a while, or hangs up on who says nothing."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import pytest

from answers import Answer, assert_problem
from conftest import Figure, Scale
from fastcgi import FastcgiApi
from http_client import Api, unique
from mariadb_process import MariadbProcess
from system import System
from waiting import wait_until

PROGRAM_USER = "buzon"
WRITERS = 8
POST_SECONDS = 3
ALIVE_SECONDS = 0.05
RECOVERY_SECONDS = 2


@dataclass
class Asking:
    """One client that asks the same all the time, inside `with`."""

    url: str
    ask: Callable[[Api], Answer]
    answers: list[tuple[float, Answer]] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)
    faults: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> "Asking":
        self.thread = threading.Thread(target=self.go_on, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.join(30)
        assert not self.faults, self.faults

    def go_on(self) -> None:
        try:
            with closing(Api(self.url)) as api:
                while not self.ending.wait(0.001):
                    began = time.monotonic()
                    answer = self.ask(api)
                    self.answers.append((time.monotonic() - began, answer))
        except BaseException as error:
            self.faults.append(error)

    def slowest(self) -> float:
        return max(seconds for seconds, _ in self.answers)

    def percentile(self, percent: int) -> float:
        seconds = sorted(seconds for seconds, _ in self.answers)
        return seconds[len(seconds) * percent // 100]


def post(api: Api) -> Answer:
    return api.post_message(unique(), "x", unique("key"))


def all_replicas_store(fragile: System) -> bool:
    for number in range(1, fragile.replicas + 1):
        with FastcgiApi(fragile.replica_socket(number)) as api:
            if post(api).status != 201:
                return False
    return True


@pytest.mark.timeout(200)
def test_a_database_that_stands_still_delays_only_who_needs_it(
    fragile: System, mariadb: MariadbProcess, scale: Scale, figure: Figure
) -> None:
    assert all_replicas_store(fragile)
    mariadb.stop_moving()
    stopped = time.monotonic()
    with ExitStack() as stack:
        alive = stack.enter_context(Asking(fragile.url, lambda api: api.get("/api/test")))
        writers = [stack.enter_context(Asking(fragile.url, post)) for _ in range(WRITERS)]
        wait_until(lambda: time.monotonic() - stopped > scale(4, 30), 40, "it stood still")
    mariadb.move_again()
    moved = time.monotonic()
    wait_until(lambda: all_replicas_store(fragile), 20, "all replicas store again")
    recovered = time.monotonic() - moved
    posts = [answer for writer in writers for _, answer in writer.answers]
    slowest = max(writer.slowest() for writer in writers)
    figure(
        f"{len(alive.answers)} times /api/test, p99 {alive.percentile(99) * 1000:.1f} ms;"
        f" {len(posts)} POSTs refused within {slowest:.2f} s;"
        f" all is well {recovered:.2f} s after"
    )
    assert len(alive.answers) > 100 and len(posts) > WRITERS
    assert all(answer.status == 200 for _, answer in alive.answers)
    assert alive.percentile(99) <= ALIVE_SECONDS
    for answer in posts:
        assert_problem(answer, 503, answer.json()["code"])
    assert slowest <= POST_SECONDS
    assert recovered <= RECOVERY_SECONDS


def test_control_one_that_needs_the_database_is_slow(
    fragile: System, mariadb: MariadbProcess
) -> None:
    """Asked of /api/message, the same clock finds what /api/test must not do."""
    assert all_replicas_store(fragile)
    mariadb.stop_moving()
    with Asking(fragile.url, lambda api: api.get("/api/message?limit=1")) as waiting:
        wait_until(lambda: waiting.answers, 20, "an answer")
    assert waiting.percentile(99) > ALIVE_SECONDS


@pytest.fixture
def impatient(fragile: System) -> Iterator[None]:
    """MariaDB hangs up on who says nothing for 2 s."""
    usual = fragile.database.value("SELECT @@global.wait_timeout")
    fragile.database.run("SET GLOBAL wait_timeout = 2")
    # Those that still have the usual time.
    fragile.database.disconnect(PROGRAM_USER)
    yield
    fragile.database.run(f"SET GLOBAL wait_timeout = {usual}")


@pytest.mark.timeout(900)
def test_connections_that_idled_out_are_no_error(
    fragile: System, impatient: None, scale: Scale, figure: Figure
) -> None:
    cycles = scale(3, 100)
    with ExitStack() as stack:
        apis = [
            stack.enter_context(FastcgiApi(fragile.replica_socket(number)))
            for number in range(1, fragile.replicas + 1)
        ]
        for _ in range(cycles):
            for api in apis:
                sender = unique()
                stored = api.store(sender, "x")
                assert api.messages(From=sender) == [stored]
                assert api.messages(ID=stored["ID"]) == [stored]
            assert fragile.database.connections(PROGRAM_USER) >= 2 * len(apis)
            wait_until(
                lambda: fragile.database.connections(PROGRAM_USER) == 0, 12, "it hangs up"
            )
    figure(f"{cycles} cycles of three replicas: 0 errors")
