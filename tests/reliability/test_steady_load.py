# SPDX-License-Identifier: MIT
"""Mixed requests for minutes: neither memory nor descriptors grow."""

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import memory
from answers import Answer
from builds import compile_program
from conftest import Figure, Scale
from fastcgi import FastcgiApi
from http_client import FORM, NDJSON, form_body, query, unique
from replica import Replica
from system import System
from waiting import wait_until

CLIENTS = 8
WARM_REQUESTS = 4_000
GROWTH_KIB = 1024

Ask = Callable[[FastcgiApi], Answer]

# Each with the status that it gets.
REQUESTS: list[tuple[int, Ask]] = [
    (200, lambda api: api.get("/api/test")),
    (200, lambda api: api.get("/api/health")),
    (201, lambda api: api.post_message(unique(), "x" * 500, unique("key"))),
    (201, lambda api: api.post(form_body([("From", "a"), ("Content", "b")]), FORM)),
    (200, lambda api: api.get(query(limit=50))),
    (200, lambda api: api.get(query(ID=1))),
    (200, lambda api: api.get(query(From="a", order="desc", limit=20))),
    (200, lambda api: api.get(query(limit=300), {"Accept": NDJSON})),
    (400, lambda api: api.post(b'{"From": 1}')),
    (400, lambda api: api.get("/api/message?what=this")),
    (404, lambda api: api.get("/api/nothing")),
    (405, lambda api: api.request("DELETE", "/api/message")),
    (413, lambda api: api.post(b"x" * 200_000)),
    (422, lambda api: api.post_message("other", unique(), "the-same-key")),
]
A_CONNECTION_SERVES = 50


class Clients:
    """Inside `with`, they ask one after the other."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self.statuses: Counter[tuple[int, int]] = Counter()
        self.faults: list[BaseException] = []
        self.ending = threading.Event()
        self.threads = [
            threading.Thread(target=self.run, args=[number], daemon=True)
            for number in range(CLIENTS)
        ]

    def __enter__(self) -> "Clients":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        for thread in self.threads:
            thread.join(30)
        assert not self.faults, self.faults

    def run(self, first: int) -> None:
        requests = itertools.islice(itertools.cycle(REQUESTS), first, None)
        try:
            while not self.ending.is_set():
                with self.replica.api() as api:
                    for status, ask in itertools.islice(requests, A_CONNECTION_SERVES):
                        self.statuses[status, ask(api).status] += 1
        except BaseException as error:
            self.faults.append(error)

    def served(self) -> int:
        return sum(self.statuses.copy().values())


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def growth(replica: Replica, requests: int, seconds: float) -> tuple[int, int, int]:
    """After a warm-up, under so many requests and for so long: how many there were, by how
    many KiB memory has grown and by how many the descriptors."""
    with replica.api() as api:
        assert api.post_message("this", "first", "the-same-key").status in (201, 422)
    with Clients(replica) as clients:
        wait_until(lambda: clients.served() >= WARM_REQUESTS, 120, "it is warm")
        memory_before = memory.kib(replica.pid)
        # Those of the clients come and go.
        descriptors_before = descriptors(replica.pid)
        began, served = time.monotonic(), clients.served()
        wait_until(
            lambda: clients.served() - served >= requests
            and time.monotonic() - began >= seconds,
            seconds + 240,
            f"{requests} requests are served",
        )
        served = clients.served() - served
        grown = memory.kib(replica.pid) - memory_before
        more = descriptors(replica.pid) - descriptors_before
    wrong = {pair: n for pair, n in clients.statuses.items() if pair[0] != pair[1]}
    assert not wrong, f"expected and had: {wrong}"
    return served, grown, more


@pytest.mark.timeout(1200)
def test_neither_memory_nor_descriptors_grow(
    system: System, scale: Scale, figure: Figure
) -> None:
    with Replica(system) as replica:
        served, grown, more = growth(replica, 4_000, scale(5, 600))
    figure(f"{served} requests: memory {grown:+d} KiB, descriptors {more:+d}")
    assert grown <= GROWTH_KIB
    assert more <= CLIENTS


def test_control_what_leaks_is_found(
    system: System, tmp_path: Path, figure: Figure
) -> None:
    source = Path(__file__).with_name("leaking.c")
    library = compile_program(source, tmp_path / "leaking.so", "-shared", "-fPIC")
    with Replica(system, LD_PRELOAD=str(library)) as replica:
        served, grown, more = growth(replica, 4_000, 0)
    figure(f"control, {served} requests: memory {grown:+d} KiB, descriptors {more:+d}")
    assert grown > GROWTH_KIB
    assert more > CLIENTS
