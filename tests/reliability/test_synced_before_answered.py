# SPDX-License-Identifier: MIT
"""No POST is answered before its data is on the disk: the order of the system calls."""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from conftest import Figure, Scale
from http_client import unique
from system import System
from system_calls import Event, Trace

LOG = "/data/ib_logfile0>"
WRITES = ("pwrite64", "pwritev", "pwritev2", "write")
SYNCS = ("fdatasync", "fsync")
SENDS = ("sendto", "sendmsg", "write", "writev")


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System(1) as system:
        yield system


def post_traced(system: System, count: int) -> list[Event]:
    """So many POSTs, and the calls that the replica and MariaDB made for them."""
    mark = unique("synced")
    pids = [system.pid("mariadb"), system.pid("buzon-1")]
    calls = sorted({*WRITES, *SYNCS, *SENDS})
    with closing(system.api()) as api, Trace(pids, calls) as trace:
        for number in range(count):
            api.store("tracer", f"{mark}-{number}-")
    return list(trace.events())


class Journey:
    """How far one message has come."""

    def __init__(self) -> None:
        self.written = self.syncing = self.synced = False

    def follow(self, event: Event) -> None:
        if LOG not in event.text:
            return
        if event.name in WRITES and event.ended:
            self.written = True
        elif event.name in SYNCS and not event.ended:
            self.syncing = self.written
        elif event.name in SYNCS and self.syncing:
            self.synced = True


def count_answered(events: list[Event]) -> tuple[int, int]:
    """How many were answered after a sync of the redo log that came after a write to it,
    which came after the message was sent to MariaDB; and how many were not."""
    synced = unsynced = 0
    sent: dict[str, Journey] = {}
    for event in events:
        for journey in sent.values():
            journey.follow(event)
        if event.name not in SENDS or event.ended:
            continue
        for content in re.findall(r"synced-\w+-\d+-", event.text):
            if "Status: 201" not in event.text:
                sent.setdefault(content, Journey())
            elif sent.pop(content).synced:
                synced += 1
            else:
                unsynced += 1
    return synced, unsynced


@pytest.mark.timeout(900)
def test_each_post_is_answered_after_its_sync(
    system: System, scale: Scale, figure: Figure
) -> None:
    posts = scale(200, 1_000)
    synced, unsynced = count_answered(post_traced(system, posts))
    figure(f"{synced} of {posts} answered after their sync, {unsynced} before it")
    assert (synced, unsynced) == (posts, 0)


def test_control_where_nothing_is_synced_at_commit_it_is_seen(
    system: System, figure: Figure
) -> None:
    system.database.run("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    try:
        synced, unsynced = count_answered(post_traced(system, 50))
    finally:
        system.database.run("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
    figure(f"control: {unsynced} of 50 answered before a sync")
    assert synced + unsynced == 50
    assert unsynced > 25
