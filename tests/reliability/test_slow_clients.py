# SPDX-License-Identifier: MIT
"""A thousand clients that send and read as slowly as they can, behind each web server,
cost others nothing and the replicas little memory."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from statistics import median

import pytest

import memory
from http_client import query, unique
from load import ALIVE, Load, Outcome
from patient import PatientApi
from slow_clients import CLIENTS, SlowClients
from system import System
from waiting import wait_until
from web_server import Watch

# The last of them takes its time after that.
pytestmark = pytest.mark.timeout(600)

ALL = sum(CLIENTS.values())

# Before the attack, for comparison.
CALM_SECONDS = 3

# So long at the most until the slow clients are there, or a web server keeps them off.
GATHER_SECONDS = 6

ANSWERED_SHARE = 0.999
# A few seconds have too few requests to tell one in a thousand.
FAILURES_OF_FEW = 5
P99_SECONDS = 0.1
# Where the machine is busy with other things, answers take long also without an attack.
P99_RATIO = 10
MEMORY_KIB = 5 * 1024

# Who gets no answer within that has got none.
PATIENCE_SECONDS = 5

# A page of as many long messages as may be: no buffer holds it.
MESSAGES, MESSAGE_BYTES = 1000, 4000


@pytest.fixture
def page(served: System) -> Iterator[str]:
    sender = unique("long")
    served.database.run(
        "INSERT INTO message (sender, content, stored_at)"
        f" SELECT '{sender}', REPEAT('x', {MESSAGE_BYTES}), UTC_TIMESTAMP(6)"
        f" FROM seq_1_to_{MESSAGES}"
    )
    yield query(From=sender, limit=MESSAGES)
    served.database.run(f"DELETE FROM message WHERE sender = '{sender}'")


def warm_up(system: System, page: str) -> None:
    """What a replica needs for such pages at all is not what the attack costs."""

    def read(_: int) -> None:
        with closing(system.api()) as api:
            assert api.get(page).status == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(48)))


def go_on_for(seconds: float) -> None:
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, seconds + 1, "the load has gone on")


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]


class Attack:
    """What became of the others' requests, and of the replicas' memory."""

    def __init__(self, system: System, page: str, seconds: float) -> None:
        one = system.api()
        self.target = query(ID=one.store(unique(), "hola")["ID"])
        one.close()
        warm_up(system, page)
        connect = partial(PatientApi, timeout=PATIENCE_SECONDS)
        self.load = Load(system.url, 4, 2, connect, (ALIVE, self.target))
        self.pids = [system.pid(name) for name in system.replica_names()]
        with self.load, Watch(system) as watch:
            go_on_for(CALM_SECONDS)
            for pid in self.pids:
                memory.forget_highest(pid)
            before = [memory.kib(pid) for pid in self.pids]
            self.began = time.monotonic()
            with SlowClients(system.port, page) as slow:
                self.gather(slow)
                self.gathered = time.monotonic()
                go_on_for(seconds)
                self.ended = time.monotonic()
            after = [memory.kib(pid, "VmHWM") for pid in self.pids]
        self.most, self.mean = slow.most, slow.mean
        self.grown_kib = max(now - then for now, then in zip(after, before))
        self.web_server_grown = watch.growth("memory")

    def gather(self, slow: SlowClients) -> None:
        end = time.monotonic() + GATHER_SECONDS
        wait_until(
            lambda: slow.most >= 0.95 * ALL or time.monotonic() > end,
            GATHER_SECONDS + 1,
            "the slow clients are there",
        )

    def outcomes(self, since: float, until: float) -> dict[str, list[Outcome]]:
        reads = {target: self.load.reads_of(target) for target in (ALIVE, self.target)}
        writes = [o for w in self.load.writers for o in w.taken + w.refused]
        return {
            name: [o for o in outcomes if since <= o.began < until]
            for name, outcomes in {**reads, "POST": writes}.items()
        }

    def p99(self, since: float, until: float) -> dict[str, float]:
        """Without what the machine has stood still."""
        still = self.load.standstills.within
        return {
            name: p99([o.seconds - still(o) for o in found]) if found else 0
            for name, found in self.outcomes(since, until).items()
        }

    def faults(self) -> list[str]:
        """Who was not answered, and what a replica holds too much."""
        found = []
        others = sum(self.outcomes(self.began, self.ended).values(), [])
        failed = [o for o in others if o.status not in (200, 201)]
        if len(failed) > max(FAILURES_OF_FEW, (1 - ANSWERED_SHARE) * len(others)):
            found.append(f"{len(failed)} of {len(others)} failed: {failed[0]}")
        if self.grown_kib > MEMORY_KIB:
            found.append(f"a replica has grown by {self.grown_kib} KiB")
        return found

    def late(self) -> list[str]:
        """Whose answers take too long, in most of the seconds: what else happens on the
        machine may spoil one."""
        calm = self.p99(0, self.began)
        each_second = [
            self.p99(self.gathered + second, self.gathered + second + 1)
            for second in range(int(self.ended - self.gathered))
        ]
        return [
            f"99 of 100 of {name} take {seconds * 1000:.0f} ms"
            for name in calm
            if (seconds := median(found[name] for found in each_second))
            > max(P99_SECONDS, P99_RATIO * calm[name])
        ]

    def __str__(self) -> str:
        others = sum(self.outcomes(self.began, self.ended).values(), [])
        failed = [o for o in others if o.status not in (200, 201)]
        calm = self.p99(0, self.began)
        times = ", ".join(
            f"{re.sub('=.*', '', name)} {calm[name] * 1000:.0f} -> {seconds * 1000:.0f}"
            for name, seconds in self.p99(self.gathered, self.ended).items()
        )
        return (
            f"{self.mean} connections, {self.most} at most; {len(failed)} of {len(others)} requests"
            f" failed; p99 in ms: {times}; replica +{self.grown_kib} KiB,"
            f" web server +{self.web_server_grown / 2**20:.0f} MiB"
        )


def test_slow_clients_cost_others_nothing(
    served: System,
    page: str,
    full: bool,
    figure: Callable[[str], None],
) -> None:
    attack = Attack(served, page, 240 if full else 5)
    figure(str(attack))
    assert attack.most >= 0.9 * ALL, f"only {attack.most} slow clients came"
    assert not attack.faults()
    assert not attack.late(), attack.late()


@pytest.fixture
def weakened(served: System) -> Iterator[System]:
    """nginx with few connections, and all the time in the world for each."""
    path = served.var / "etc" / "nginx.conf"
    text = path.read_text()
    for words, weaker in (
        (r"worker_processes auto;", "worker_processes 1;"),
        (r"worker_connections \d+;", "worker_connections 100;"),
        (r"((client_header|client_body|send)_timeout) \d+s;", r"\1 600s;"),
    ):
        text, count = re.subn(words, weaker, text)
        assert count, f"{path} has no {words}"
    path.write_text(text)
    os.kill(served.pid("nginx"), signal.SIGHUP)
    yield served
    served.up()


@pytest.mark.parametrize("served", ["nginx"], indirect=True)
def test_slow_clients_bring_down_a_web_server_with_few_connections(
    weakened: System, page: str, figure: Callable[[str], None]
) -> None:
    """The control of the one above."""
    attack = Attack(weakened, page, 2)
    figure(str(attack))
    assert attack.faults()
