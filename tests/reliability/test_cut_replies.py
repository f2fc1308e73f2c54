# SPDX-License-Identifier: MIT
"""The database commits, and its reply is lost on the way: nobody is told a falsehood."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from answers import Answer, assert_problem
from conftest import Figure, Scale
from fastcgi import FastcgiApi
from firewall import LostReplies, require_own_network
from http_client import unique
from replica import Replica
from system import System, free_port

REPLICAS = 25
ANSWER_SECONDS = 5


@dataclass
class Databases:
    """A MariaDB that is reached by TCP, and replicas that each have a connection to it."""

    system: System
    port: int
    replicas: list[Replica]


@pytest.fixture(scope="module")
def by_network() -> Iterator[Databases]:
    require_own_network()
    port = free_port()
    options = ["skip-networking=0", "bind-address=127.0.0.1", f"port={port}"]
    with System(1, options) as system, ExitStack() as stack:
        replicas = [
            stack.enter_context(
                Replica(
                    system,
                    BUZON_DB_SOCKET="",
                    BUZON_DB_HOST="127.0.0.1",
                    BUZON_DB_PORT=str(port),
                )
            )
            for _ in range(REPLICAS)
        ]
        yield Databases(system, port, replicas)


@dataclass
class Timed:
    answer: Answer
    seconds: float


def post(api: FastcgiApi, sender: str, key: str | None) -> Timed:
    began = time.monotonic()
    answer = api.post_message(sender, "x", key)
    return Timed(answer, time.monotonic() - began)


def cut_one_each(databases: Databases, with_key: bool) -> tuple[list[Timed], list[str]]:
    """Each replica posts while the replies are lost, and again afterwards, until it is
    told that the message is stored. Returns the cut answers and the senders."""
    senders = [unique("cut") for _ in databases.replicas]
    keys = [unique("key") if with_key else None for _ in senders]
    with ExitStack() as stack, ThreadPoolExecutor(REPLICAS) as pool:
        apis = [stack.enter_context(replica.api()) for replica in databases.replicas]
        # Connected and prepared: what is lost is the reply to the INSERT and no other.
        for answer in pool.map(lambda api: api.post_message("warm", "x"), apis):
            assert answer.status == 201, answer
        with LostReplies(databases.port):
            cut = list(pool.map(post, apis, senders, keys))
        again = list(pool.map(post_until_stored, apis, senders, keys))
    assert all(answer.status == 201 for answer in again)
    return cut, senders


def post_until_stored(api: FastcgiApi, sender: str, key: str | None) -> Answer:
    give_up = time.monotonic() + 20
    while True:
        answer = post(api, sender, key).answer
        if answer.status == 201 or time.monotonic() > give_up:
            return answer


def times_stored(databases: Databases, senders: list[str]) -> dict[str, int]:
    rows = databases.system.database.run(
        "SELECT sender, COUNT(*) FROM message WHERE sender IN"
        f" ({', '.join(repr(sender) for sender in senders)}) GROUP BY sender"
    )
    return {sender: int(count) for sender, count in rows}


@pytest.mark.timeout(1200)
def test_a_lost_reply_to_a_commit_is_uncertain_and_a_retry_stores_nothing_twice(
    by_network: Databases, scale: Scale, figure: Figure
) -> None:
    cuts, slowest = 0, 0.0
    while cuts < scale(2 * REPLICAS, 1_000):
        answers, senders = cut_one_each(by_network, with_key=True)
        for cut in answers:
            assert_problem(cut.answer, 503, "write_uncertain")
            slowest = max(slowest, cut.seconds)
        assert times_stored(by_network, senders) == dict.fromkeys(senders, 1)
        cuts += REPLICAS
    figure(f"{cuts} replies cut: 0 false successes, 0 twice, answered in {slowest:.2f} s at most")
    assert slowest <= ANSWER_SECONDS


def test_control_without_keys_a_retry_stores_them_twice(
    by_network: Databases, figure: Figure
) -> None:
    """So what was cut was really the reply to a commit."""
    _, senders = cut_one_each(by_network, with_key=False)
    twice = sum(count > 1 for count in times_stored(by_network, senders).values())
    figure(f"control: {twice} of {REPLICAS} stored twice")
    assert twice == REPLICAS
