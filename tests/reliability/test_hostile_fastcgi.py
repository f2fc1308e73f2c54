# SPDX-License-Identifier: MIT
"""
FastCGI spoken by an enemy who reaches the socket: what he sends costs him his connection,
and nobody else anything. The replicas are built with sanitizers, which end a process at
the first access that is not right.
"""

import struct
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import hostile_streams
from builds import SANITIZER_OPTIONS, build_sanitized, compile_program
from conftest import Figure
from fastcgi import END_REQUEST, STDERR, STDOUT, Connection, FastcgiApi, encode
from hostile_streams import STREAMS
from http_client import unique
from load import Standstills, attempt
from replica import Replica
from system import System, short_directory
from waiting import wait_until

REPLICAS = 3
RECORDS = 4
SEED = 20261121
MUTATIONS = 10_000
STALLED = 128
GOOD_SECONDS = 0.1
STATUSES = {200, 201, 204, 400, 404, 405, 413, 415, 422, 503}


@pytest.fixture(scope="module")
def sanitized(system: System) -> Iterator[list[Replica]]:
    """They end well, and nothing that they had leaks."""
    program = build_sanitized()
    with ExitStack() as stack:
        replicas = []
        for _ in range(REPLICAS):
            replica = Replica(
                system, BUZON_WORKERS="2", BUZON_STALL_TIMEOUT="1", **SANITIZER_OPTIONS
            )
            replica.program = program
            replicas.append(stack.enter_context(replica))
        yield replicas
        for replica in replicas:
            replica.terminate()
            assert replica.wait(15) == 0, replica.log()[-3000:]


@pytest.fixture
def replicas(sanitized: list[Replica]) -> Iterator[list[Replica]]:
    """The same processes serve before and after."""
    yield sanitized
    for replica in sanitized:
        assert_serves(replica)


def assert_serves(replica: Replica) -> None:
    assert replica.runs(), f"the replica has ended:\n{replica.log()[-3000:]}"
    sender = unique()
    with replica.api() as api:
        assert api.get("/api/test").status == 200
        assert api.messages(From=sender) == []
        stored = api.store(sender, "x")
        assert api.messages(From=sender) == [stored]


def assert_proper(said: bytes) -> None:
    """Nothing, or whole answers with a status of API.md."""
    at, stdout = 0, b""
    while at < len(said):
        version, kind, _, length, padding, _ = struct.unpack_from(">BBHHBB", said, at)
        content = said[at + 8 : at + 8 + length]
        at += 8 + length + padding
        assert version == 1 and kind in (STDOUT, STDERR, END_REQUEST), said
        stdout += content if kind == STDOUT else b""
        if kind == END_REQUEST and stdout:
            head = stdout.partition(b"\r\n")[0]
            assert head.startswith(b"Status: ") and int(head.split()[1]) in STATUSES, said
            stdout = b""
    assert at == len(said) and not stdout, said


def send_all(replicas: list[Replica], streams: Iterable[tuple[str, bytes]]) -> int:
    """Sends each to one of them, and waits until it closes."""
    sent = 0
    for sent, (name, data) in enumerate(streams, 1):
        replica = replicas[sent % len(replicas)]
        try:
            with replica.connect(timeout=10) as connection:
                connection.send_what_is_taken(data)
                assert_proper(connection.wait_for_end())
            assert replica.runs()
        except (AssertionError, OSError) as error:
            pytest.fail(f"{name}: {error!r}\n{data!r}\n{replica.log()[-3000:]}")
    return sent


def test_streams_that_no_web_server_sends(replicas: list[Replica]) -> None:
    for replica in replicas:
        send_all([replica], STREAMS.items())


@pytest.mark.parametrize("name", STREAMS)
def test_the_same_from_one_who_stays(replicas: list[Replica], name: str) -> None:
    """The peer neither closes nor reads, and others are served."""
    with replicas[0].connect(timeout=1) as connection:
        try:
            connection.send(STREAMS[name])
        except OSError:
            # Closed already, or nobody reads any more of it.
            pass
        assert_serves(replicas[0])


def test_records_in_every_order(replicas: list[Replica], figure: Figure) -> None:
    sent = send_all(replicas, hostile_streams.orders(RECORDS))
    figure(f"{sent} streams: every replica serves")


def test_lengths_that_lie(replicas: list[Replica], figure: Figure) -> None:
    figure(f"{send_all(replicas, hostile_streams.lies())} streams: every replica serves")


def test_management_records_everywhere(replicas: list[Replica], figure: Figure) -> None:
    sent = send_all(replicas, hostile_streams.management_everywhere())
    figure(f"{sent} streams: every replica serves")


def test_mutated_streams(replicas: list[Replica], figure: Figure) -> None:
    sent = send_all(replicas, hostile_streams.mutations(SEED, MUTATIONS))
    figure(f"{sent} streams: every replica serves")


def test_a_request_cut_at_every_byte_stores_nothing(replicas: list[Replica]) -> None:
    sender = unique("cut")
    whole = hostile_streams.post(sender)
    cut = ((f"cut at {length}", whole[:length]) for length in range(len(whole)))
    send_all(replicas, cut)
    with replicas[0].api() as api:
        assert api.messages(From=sender) == []


def test_abuse_between_good_requests_ends_only_that_connection(
    replicas: list[Replica],
) -> None:
    with replicas[0].connect() as good, replicas[0].connect(5) as bad:
        for connection in (good, good, bad):
            connection.send(encode("GET", "/api/test", keep=True))
            assert connection.read_reply().answer().status == 200
        bad.send(STREAMS["huge name and value"])
        assert bad.wait_for_end() == b""
        good.send(encode("GET", "/api/test", keep=True))
        assert good.read_reply().answer().status == 200


@pytest.fixture
def standstills() -> Iterator[Standstills]:
    found, ending = Standstills(), threading.Event()
    watcher = threading.Thread(target=found.watch, args=[ending], daemon=True)
    watcher.start()
    yield found
    ending.set()
    watcher.join(10)


def good_seconds(api: FastcgiApi, standstills: Standstills) -> float:
    """The slowest of a few good requests, without what nobody could serve."""
    outcomes = [attempt(api, "GET", lambda: api.get("/api/test")) for _ in range(5)]
    outcomes += [attempt(api, "POST", lambda: api.post_message(unique(), "x"))]
    assert {outcome.status for outcome in outcomes} <= {200, 201}, outcomes
    return max(each.seconds - standstills.within(each) for each in outcomes)


def test_connections_that_stall_at_every_byte_delay_nobody(
    system: System, standstills: Standstills, figure: Figure
) -> None:
    """As the program is installed, which is what the time is asked of."""
    whole = hostile_streams.post("staller", keep=True)
    slowest = 0.0
    with Replica(system) as replica, replica.api() as api:
        api.store(unique(), "warm")
        for first in range(1, len(whole), STALLED):
            with ExitStack() as stack:
                for length in range(first, min(first + STALLED, len(whole))):
                    stalled = stack.enter_context(replica.connect())
                    stalled.send(whole[:length])
                slowest = max(slowest, good_seconds(api, standstills))
        assert api.messages(From="staller") == []
    figure(f"stalled at each of {len(whole)} bytes: good requests within {slowest * 1000:.1f} ms")
    assert slowest <= GOOD_SECONDS


class NaiveServer:
    """What hands to libfcgi whatever arrives, inside `with`."""

    def __init__(self, program: Path, directory: Path) -> None:
        self.program = program
        self.address = directory / "socket"

    def __enter__(self) -> "NaiveServer":
        self.process = subprocess.Popen(
            ["spawn-fcgi", "-n", "-s", str(self.address), "--", str(self.program)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self.address.exists, 10, "the naive server listens")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.address.unlink(missing_ok=True)


@pytest.fixture
def naive(tmp_path: Path) -> Iterator[NaiveServer]:
    directory = short_directory()
    source = Path(__file__).with_name("naive_server.c")
    try:
        with NaiveServer(
            compile_program(source, tmp_path / "naive", "-lfcgi"), directory
        ) as server:
            yield server
    finally:
        directory.rmdir()


def test_control_the_stream_of_36_bytes_ends_a_naive_program(naive: NaiveServer) -> None:
    stream = STREAMS["huge name and value"]
    assert len(stream) == 36
    with Connection(naive.address, 10) as connection:
        connection.send_what_is_taken(stream)
        assert naive.process.wait(10) != 0


def test_control_one_who_stalls_holds_up_a_naive_program(naive: NaiveServer) -> None:
    with Connection(naive.address) as stalled, Connection(naive.address, 1) as good:
        stalled.send(hostile_streams.post("staller")[:20])
        good.send(encode("GET", "/api/test"))
        with pytest.raises(TimeoutError):
            good.read_reply()
