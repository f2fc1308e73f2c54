# SPDX-License-Identifier: MIT
"""Replicas that die, hang, come and go, and a web server that is reloaded, all of it
under load: no request is lost."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from load import ALIVE, NEWEST, Load
from patient import PatientApi
from replica_logs import ReplicaLogs
from system import System
from waiting import wait_until
from web_server import MIGRATE, rerender

READERS = 32
WRITERS = 4

# A GET that was with a replica when it was stopped waits until another is asked.
STOPPED_SECONDS = 20

# The same where no replica hangs.
SECONDS = 5

# Longer than two time-outs in a row for a replica that says nothing.
LOAD_SECONDS = 13

# A replica that is back is asked again within this time. One that hung may be left
# out for a while.
BACK_SECONDS = 20

RELOADS = 10

# So many messages are on a page of NEWEST.
NEWEST_COUNT = 10


def load_on(system: System) -> Load:
    return Load(system.url, READERS, WRITERS, PatientApi)


def assert_answered(system: System, load: Load, seconds: float) -> None:
    load.assert_reads(ALIVE, seconds)
    load.assert_reads(NEWEST, seconds)
    with closing(system.api()) as api:
        load.assert_stored_once(api)


def wait_for_load(system: System, load: Load) -> None:
    """Every replica is asked, and what is read is small: who has read a part of an
    answer when its replica dies cannot be helped."""
    logs = ReplicaLogs(system)
    everybody = set(range(1, system.replicas + 1))
    wait_until(
        lambda: logs.asked() == everybody,
        BACK_SECONDS,
        f"replicas {sorted(everybody)} are asked",
    )
    wait_until(
        lambda: sum(len(writer.ids) for writer in load.writers) >= NEWEST_COUNT,
        BACK_SECONDS,
        f"{NEWEST_COUNT} messages are stored",
    )


def go_on_for(seconds: float) -> None:
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, seconds + 1, "the load has gone on")


@pytest.fixture
def reloadable(fragile: System) -> System:
    """Behind Caddy only where Linux hands over what it has not accepted yet."""
    if fragile.proxy == "caddy" and not (MIGRATE.exists() and int(MIGRATE.read_text())):
        pytest.skip(f"{MIGRATE} is not 1, which webserver-configs/caddy/Caddyfile wants")
    return fragile


@pytest.fixture
def stopped(fragile: System) -> Iterator[list[int]]:
    """The processes that a test stops; they run on afterwards."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def test_a_dead_replica_and_a_stopped_one_cost_no_read(
    fragile: System, stopped: list[int]
) -> None:
    with load_on(fragile) as load:
        wait_for_load(fragile, load)
        os.kill(fragile.pid("buzon-1"), signal.SIGKILL)
        stopped.append(fragile.pid("buzon-2"))
        os.kill(stopped[0], signal.SIGSTOP)
        go_on_for(LOAD_SECONDS)
        os.kill(stopped.pop(), signal.SIGCONT)
        fragile.up()
        wait_for_load(fragile, load)
    assert_answered(fragile, load, STOPPED_SECONDS)
    strange = [str(o) for o in load.refused() if o.status not in (502, 503, 504)]
    assert not strange, f"{len(strange)} POSTs were answered otherwise: {strange[:5]}"


def test_a_replica_added_is_asked_and_one_removed_is_not_missed(
    reloadable: System,
) -> None:
    with load_on(reloadable) as load:
        wait_for_load(reloadable, load)
        reloadable.replicas = 4
        reloadable.up()
        wait_for_load(reloadable, load)
        reloadable.replicas = 3
        reloadable.up()
        wait_for_load(reloadable, load)
    assert_answered(reloadable, load, SECONDS)
    refused = [str(outcome) for outcome in load.refused()]
    assert not refused, f"{len(refused)} POSTs: {refused[:5]}"


def test_reloading_the_web_server_costs_no_request(reloadable: System) -> None:
    with load_on(reloadable) as load:
        wait_for_load(reloadable, load)
        for number in range(RELOADS):
            # Another number each time, for some ignore what says the same.
            rerender(reloadable, replicas=2 + number % 2)
        wait_for_load(reloadable, load)
    assert_answered(reloadable, load, SECONDS)
    refused = [str(outcome) for outcome in load.refused()]
    assert not refused, f"{len(refused)} POSTs: {refused[:5]}"
