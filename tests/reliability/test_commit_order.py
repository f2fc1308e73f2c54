# SPDX-License-Identifier: MIT
"""A reader that follows by after= misses nothing, however late commits are."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from conftest import Figure, Scale
from http_client import Api, query, unique
from system import System
from writers import Writers

WRITERS = 8

# Between the ID that a message gets and its commit, one in sixteen is held up for as much
# as 20 ms.
DELAY = """
CREATE TRIGGER late_commit AFTER INSERT ON message FOR EACH ROW
  SET @slept = IF(RAND() < 1 / 16, SLEEP(RAND() * 0.02), 0)
"""


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """Behind HAProxy, which gives every replica its share of POSTs."""
    with System(3, proxy="haproxy") as system:
        system.database.run(DELAY)
        yield system


@contextmanager
def without_the_lock(system: System) -> Iterator[None]:
    """A view holds no lock; for the program all is as before."""
    system.database.run(
        "RENAME TABLE append_lock TO append_lock_kept;"
        "CREATE VIEW append_lock AS SELECT 1 AS id"
    )
    try:
        yield
    finally:
        system.database.run(
            "DROP VIEW append_lock; RENAME TABLE append_lock_kept TO append_lock"
        )


def follow_ids(api: Api, writers: Writers, position: int) -> Iterator[int]:
    """The IDs that come after this one, until nobody writes any more."""
    while True:
        # Asked before the page, so that an empty one is the end.
        more_may_come = writers.still_write()
        page = api.get(query(after=position, limit=1000)).json()
        for message in page:
            position = message["ID"]
            yield position
        if not page and not more_may_come:
            return


def follow(system: System, messages: int) -> tuple[int, int, int]:
    """Eight writers store that many while a reader follows. How many there are, how many
    of them the reader has missed, and how many it has seen twice."""
    mark = unique("late")
    senders = [f"{mark}-{number}" for number in range(WRITERS)]
    with closing(system.api()) as api:
        first = api.newest_id()
        with Writers(system.port, senders, messages // WRITERS) as writers:
            seen = list(follow_ids(api, writers, first))
            writers.result()
    rows = system.database.run(f"SELECT id FROM message WHERE id > {first}")
    stored = {int(row[0]) for row in rows}
    return len(stored), len(stored - set(seen)), len(seen) - len(set(seen))


@pytest.mark.timeout(1800)
def test_a_reader_that_follows_misses_nothing(
    system: System, scale: Scale, figure: Figure
) -> None:
    messages = scale(4_000, 100_000)
    stored, missed, twice = follow(system, messages)
    figure(f"{stored} messages: {missed} missed, {twice} twice")
    assert stored == messages
    assert (missed, twice) == (0, 0)


@pytest.mark.timeout(600)
def test_control_without_the_lock_it_misses_some(system: System, figure: Figure) -> None:
    with without_the_lock(system):
        stored, missed, _ = follow(system, 2_000)
    figure(f"control: {missed} of {stored} missed")
    assert missed >= 1
