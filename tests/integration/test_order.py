# SPDX-License-Identifier: MIT
"""IDs become visible in their order, whoever gives them."""

import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from http_client import query, unique
from prober import Prober
from system import System
from writers import Writers

WRITERS = 16
MESSAGES = 100_000


@pytest.mark.timeout(240)
def test_a_reader_misses_nothing_that_16_writers_write(system: System) -> None:
    """Three replicas, and a reader that follows with after= all the while."""
    mark = unique("writer")
    senders = [f"{mark}-{number}" for number in range(WRITERS)]
    api = system.api()
    position = api.newest_id()
    seen: dict[str, list[tuple[int, int]]] = defaultdict(list)
    found = polls = 0
    with Writers(system.port, senders, MESSAGES // WRITERS) as writers:
        while found < MESSAGES:
            # Asked before the page, so that an empty one is the end.
            more_may_come = writers.still_write()
            page = api.get(query(after=position, limit=1000)).json()
            polls += 1
            for message in page:
                assert message["ID"] > position
                position = message["ID"]
                if message["From"].startswith(mark):
                    number = int(message["Content"])
                    seen[message["From"]].append((message["ID"], number))
                    found += 1
            if not page and not more_may_come:
                break
        told = writers.result()
    api.close()
    assert found == MESSAGES
    assert polls > MESSAGES // 1000, "the reader came too late to see anything"
    for sender in senders:
        # Each writer's own order, none twice, under the IDs that it was told.
        assert [number for _, number in seen[sender]] == list(range(MESSAGES // WRITERS))
        assert [message_id for message_id, _ in seen[sender]] == told[sender]


# What a replica does when two messages wait, without the way to a replica.
APPEND_TWO = """
INSERT INTO message (sender, content, stored_at) VALUES
 ('racer', 'x', (SELECT SYSDATE(6) FROM append_lock WHERE id = 1 FOR UPDATE)),
 ('racer', 'x', SYSDATE(6));
"""
RACERS = 8
PROBERS = 4
# What each of them asks for, how often, and how many IDs all of them see at least.
PROBES = [("newest", 25_000, 180_000), ("follow", 8_000, 30_000)]


@pytest.fixture
def racers(system: System, tmp_path: Path) -> Iterator[None]:
    """More connections that append at once than a few replicas have."""
    statements = tmp_path / "append.sql"
    statements.write_text(APPEND_TWO * 100_000)
    with ExitStack() as stack:
        for _ in range(RACERS):
            client = subprocess.Popen(
                [*system.database.command(), system.database.name],
                stdin=stack.enter_context(statements.open("rb")),
            )
            stack.callback(client.wait)
            stack.callback(client.kill)
        yield
    system.database.run("DELETE FROM message WHERE sender = 'racer'")


@pytest.mark.unchecked("so many requests take minutes there")
@pytest.mark.parametrize("way, probes, seen", PROBES)
def test_readers_miss_nothing_when_commits_and_snapshots_race(
    system: System, racers: None, way: str, probes: int, seen: int
) -> None:
    """
    MariaDB does not take a snapshot at one instant: one that is taken while
    two transactions commit may show the later one without the earlier.
    """
    with ExitStack() as stack:
        probers = [
            stack.enter_context(Prober(system.replica_socket(1 + n % 3), way, probes))
            for n in range(PROBERS)
        ]
        pages = [page for prober in probers for page in prober.result()]
    rows = system.database.run("SELECT id FROM message ORDER BY id DESC")
    stored = [int(row[0]) for row in rows]
    place = {message_id: at for at, message_id in enumerate(stored)}
    assert sum(map(len, pages)) > seen, "there was nothing to race with"
    for page in pages:
        first = place[page[0]]
        assert page == stored[first : first + len(page)], "a smaller ID came later"
