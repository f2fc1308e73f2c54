# SPDX-License-Identifier: MIT
"""Connections that idle, stall or do not read delay nobody."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fastcgi import FastcgiApi, encode
from http_client import JSON, NDJSON, json_body, unique
from replica import Replica
from system import System
from waiting import wait_until

IDLE_CONNECTIONS = 256
PROMPT_SECONDS = 0.3


def seconds_for(api: FastcgiApi, target: str) -> float:
    start = time.monotonic()
    assert api.get(target).status == 200
    return time.monotonic() - start


def assert_prompt(replica: Replica, rounds: int = 20) -> None:
    """Reads, writes and tests are served at once, each time."""
    with replica.api() as api:
        for number in range(rounds):
            for target in ("/api/test", "/api/health", "/api/message?limit=1"):
                assert seconds_for(api, target) < PROMPT_SECONDS, target
            start = time.monotonic()
            api.store(unique(), str(number))
            assert time.monotonic() - start < PROMPT_SECONDS, "POST"


@pytest.fixture
def replica(system: System) -> Iterator[Replica]:
    with Replica(system, BUZON_WORKERS="2", BUZON_STALL_TIMEOUT="1") as replica:
        yield replica


def test_idle_kept_connections_cost_no_worker(replica: Replica) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(replica.api()) for _ in range(IDLE_CONNECTIONS)]
        for api in idle:
            assert api.get("/api/test").status == 200
        assert_prompt(replica)
        # An idle connection may idle for longer than a request may stall.
        deadline = time.monotonic() + 1.5
        wait_until(lambda: time.monotonic() > deadline, 3, "a while has passed")
        for api in idle:
            assert api.get("/api/message?limit=1").status == 200


def test_a_replica_takes_more_connections_than_workers_at_once(
    replica: Replica,
) -> None:
    with ExitStack() as stack:
        busy = [stack.enter_context(replica.api()) for _ in range(IDLE_CONNECTIONS)]
        for api in busy:
            api.send("GET", "/api/message?limit=10")
        assert {api.receive().status for api in busy} == {200}


WHOLE = encode("POST", "/api/message", {"Content-Type": JSON}, json_body("a", "b"), True)


@pytest.mark.parametrize("sent", [1, 8, 12, 16, 30, len(WHOLE) // 2, len(WHOLE) - 1])
def test_a_stalled_request_is_closed_after_a_time(
    replica: Replica, sent: int
) -> None:
    with replica.connect(timeout=5) as stalled:
        stalled.send(WHOLE[:sent])
        start = time.monotonic()
        assert_prompt(replica, rounds=3)
        stalled.wait_for_end()
        assert 0.5 < time.monotonic() - start < 3


def test_many_stalled_requests_delay_nobody(replica: Replica) -> None:
    with ExitStack() as stack:
        stalled = [stack.enter_context(replica.connect(5)) for _ in range(64)]
        for connection in stalled:
            connection.send(WHOLE[:-20])
        assert_prompt(replica, rounds=5)
        for connection in stalled:
            connection.wait_for_end()
    assert_prompt(replica, rounds=3)


def test_a_slow_but_steady_request_is_served(replica: Replica) -> None:
    """It takes longer than the stall timeout, but never stands still for it."""
    request = encode("GET", "/api/test", keep=True)
    pieces = 8
    size = -(-len(request) // pieces)
    with replica.connect() as slow:
        start = time.monotonic()
        for number in range(pieces):
            due = start + number * 0.25
            wait_until(lambda: time.monotonic() >= due, 2, "its time has come")
            slow.send(request[number * size : (number + 1) * size])
        assert slow.read_reply().answer().status == 200


@pytest.mark.parametrize("connections", [1, 64])
def test_only_many_connections_are_served_without_interrupting(
    replica: Replica, connections: int
) -> None:
    """Which is how the kernel is asked to schedule the thread that serves them."""
    policy = os.SCHED_BATCH if connections > 1 else os.SCHED_OTHER
    with ExitStack() as stack:
        for _ in range(connections):
            assert stack.enter_context(replica.api()).get("/api/test").status == 200
        assert os.sched_getscheduler(replica.pid) == policy
    wait_until(
        lambda: os.sched_getscheduler(replica.pid) == os.SCHED_OTHER,
        5,
        "it is scheduled as before",
    )


@pytest.fixture
def many_rows(system: System) -> Iterator[str]:
    """A sender with 100 MB of messages, more than any buffer holds."""
    sender = unique("large")
    system.database.run(
        "INSERT INTO message (sender, content, stored_at)"
        f" SELECT '{sender}', REPEAT('x', 50000), UTC_TIMESTAMP(6)"
        " FROM seq_1_to_2000"
    )
    yield f"/api/message?From={sender}"
    system.database.run(f"DELETE FROM message WHERE sender = '{sender}'")


@pytest.fixture
def many_messages(system: System) -> Iterator[str]:
    """The same of short ones: 30 MB."""
    sender = unique("many")
    system.database.run(
        "INSERT INTO message (sender, content, stored_at)"
        f" SELECT '{sender}', REPEAT('x', 200), UTC_TIMESTAMP(6)"
        " FROM seq_1_to_100000"
    )
    yield f"/api/message?From={sender}"
    system.database.run(f"DELETE FROM message WHERE sender = '{sender}'")


def test_readers_that_never_read_delay_nobody(
    system: System, many_rows: str
) -> None:
    # They may stall for long, so that it is not their end that helps.
    settings = {"BUZON_WORKERS": "2", "BUZON_STALL_TIMEOUT": "60"}
    with Replica(system, **settings) as replica, ExitStack() as stack:
        for _ in range(8):
            reader = stack.enter_context(replica.connect())
            reader.send(encode("GET", many_rows, {"Accept": NDJSON}))
            # The answer has begun, and goes nowhere from here.
            reader.read_record()
        assert_prompt(replica)
        assert replica.memory_kib() < 64 * 1024


def read_nothing(replica: Replica, stack: ExitStack, target: str, count: int) -> None:
    """So many readers ask for all of it, and take the first bytes of it."""
    readers = [stack.enter_context(replica.connect()) for _ in range(count)]
    for reader in readers:
        reader.send(encode("GET", target, {"Accept": NDJSON}))
    for reader in readers:
        reader.read_record()


def memory_grown_kib(replica: Replica, target: str, readers: int) -> int:
    """By readers that read nothing, a second after they have begun."""
    with replica.api() as api:
        assert api.get(target, {"Accept": NDJSON}).status == 200
    before = replica.memory_kib()
    with ExitStack() as stack:
        read_nothing(replica, stack, target, readers)
        assert_prompt(replica)
        return replica.memory_kib() - before


@pytest.mark.unchecked("sanitizers keep memory that was freed")
@pytest.mark.parametrize(
    ("messages", "mib"),
    # 3.9 MiB at most were seen with messages of 50 kB, on a busy machine.
    [("many_messages", 5), ("many_rows", 8)],
)
def test_readers_that_never_read_hold_little_memory(
    system: System, messages: str, mib: int, request: pytest.FixtureRequest
) -> None:
    target = request.getfixturevalue(messages)
    with Replica(system, BUZON_STALL_TIMEOUT="60") as replica:
        grown = memory_grown_kib(replica, target, 333)
    assert grown < mib * 1024


@pytest.fixture
def longest_message(system: System) -> Iterator[str]:
    """It takes 390 kB as JSON, which is more than a connection has room for."""
    sender = unique("longest")
    system.database.run(
        "INSERT INTO message (sender, content, stored_at)"
        f" VALUES ('{sender}', REPEAT(CHAR(1), 65535), UTC_TIMESTAMP(6))"
    )
    yield f"/api/message?From={sender}"
    system.database.run(f"DELETE FROM message WHERE sender = '{sender}'")


def test_readers_that_hold_too_much_memory_are_closed_sooner(
    system: System, longest_message: str
) -> None:
    """Each holds an answer that cannot be less."""
    with Replica(system, BUZON_STALL_TIMEOUT="60") as replica, ExitStack() as stack:
        read_nothing(replica, stack, longest_message, 200)
        wait_until(lambda: '"event":"stalled"' in replica.log(), 20, "some are closed")
        assert_prompt(replica)


def test_a_reader_that_stalls_is_closed(replica: Replica, many_rows: str) -> None:
    before = replica.memory_kib()
    with replica.connect() as reader:
        reader.send(encode("GET", many_rows, {"Accept": NDJSON}))
        reader.read_record()
        wait_until(lambda: "closed" in state_of(replica), 5, "it is closed")
        # What was under way in buffers is all that still comes.
        assert len(reader.wait_for_end()) < 10_000_000
    assert replica.memory_kib() - before < 8 * 1024
    assert_prompt(replica, rounds=3)


def state_of(replica: Replica) -> str:
    """"closed" when no accepted connection is left in the replica."""
    with open("/proc/net/unix", encoding="ascii") as table:
        connected = [
            line
            for line in table
            if line.split()[-1] == str(replica.address) and line.split()[5] == "03"
        ]
    return "open" if connected else "closed"


def test_a_slow_reader_gets_all(replica: Replica, many_rows: str) -> None:
    """Slower than the database, but it reads: every byte arrives."""
    with replica.connect() as reader:
        reader.send(encode("GET", many_rows + "&limit=500", {"Accept": NDJSON}))
        assert_prompt(replica, rounds=2)
        answer = reader.read_reply().answer()
    assert len(answer.lines()) == 500


def test_requests_in_a_row_are_answered_in_a_row(replica: Replica) -> None:
    """A peer that sends the next request before it has the answer."""
    with replica.connect() as connection:
        connection.send(encode("GET", "/api/test", keep=True) * 50)
        for _ in range(50):
            assert connection.read_reply().answer().status == 200


def test_without_keep_alive_the_replica_closes(replica: Replica) -> None:
    with replica.connect(timeout=2) as connection:
        connection.send(encode("GET", "/api/test", keep=False))
        assert connection.read_reply().answer().status == 200
        start = time.monotonic()
        assert connection.wait_for_end() == b""
        assert time.monotonic() - start < 0.5


def test_a_client_that_leaves_early_costs_nothing(
    replica: Replica, many_rows: str
) -> None:
    for _ in range(50):
        with replica.connect() as connection:
            connection.send(encode("GET", many_rows, {"Accept": NDJSON}))
        with replica.connect() as connection:
            connection.send(WHOLE)
    with replica.api() as api:
        wait_until(
            lambda: seconds_for(api, "/api/message?limit=1") < PROMPT_SECONDS,
            5,
            "what the others had asked for is done",
        )
    assert_prompt(replica, rounds=3)


def test_tcp_serves_as_well(system: System) -> None:
    with Replica(system, tcp=True, BUZON_WORKERS="2") as replica:
        assert_prompt(replica, rounds=3)
        body = json_body(unique(), "ñ" * 32_000).ljust(131_072)
        with replica.api() as api:
            assert api.post(body).status == 201
