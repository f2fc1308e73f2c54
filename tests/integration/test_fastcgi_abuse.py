# SPDX-License-Identifier: MIT
"""Bytes that no web server sends: the replica closes, and serves the others."""

import random
import struct
from collections.abc import Iterator

import pytest

from fastcgi import (
    ABORT_REQUEST,
    DATA,
    GET_VALUES,
    PARAMS,
    STDIN,
    Connection,
    begin,
    encode,
    name_value,
    parameters,
    record,
    stream,
)
from http_client import JSON, json_body, unique
from replica import Replica
from system import System

MUTATIONS = 600
SEED = 20261121


@pytest.fixture(scope="module")
def module_replica(system: System) -> Iterator[Replica]:
    with Replica(system, BUZON_WORKERS="2", BUZON_STALL_TIMEOUT="1") as replica:
        yield replica


@pytest.fixture
def replica(module_replica: Replica) -> Iterator[Replica]:
    """The same process serves before and after."""
    yield module_replica
    assert_serves(module_replica)


def assert_serves(replica: Replica) -> None:
    assert replica.runs(), f"the replica has ended:\n{replica.log()[-3000:]}"
    sender = unique()
    with replica.api() as api:
        assert api.get("/api/test").status == 200
        assert api.messages(From=sender) == []
        stored = api.store(sender, "x")
        assert api.messages(From=sender) == [stored]


def raw(kind: int, length: int, content: bytes, request_id: int = 1) -> bytes:
    """A record whose header tells the length that the test says."""
    return struct.pack(">BBHHBB", 1, kind, request_id, length, 0, 0) + content


PAIRS = b"".join(name_value(n, v) for n, v in parameters("GET", "/api/test").items())
HUGE = struct.pack(">II", 0x7FFFFFFE | 1 << 31, 0x7FFFFFFE | 1 << 31)
ANOTHER_BEGIN = begin(request_id=2)

STREAMS = {
    # 36 bytes that abort Debian's libfcgi: lengths of 0x7ffffffe in PARAMS.
    "huge name and value": begin() + raw(PARAMS, 12, HUGE + b"abcd"),
    "huge, ended": begin() + stream(PARAMS, HUGE) + stream(STDIN, b""),
    "name longer than the stream": begin() + stream(PARAMS, b"\x7f\x00a") + stream(STDIN, b""),
    "value longer than the stream": begin() + stream(PARAMS, b"\x01\x7fa") + stream(STDIN, b""),
    "half a length": begin() + stream(PARAMS, b"\x80\x00") + stream(STDIN, b""),
    "GET_VALUES": record(GET_VALUES, name_value(b"FCGI_MAX_CONNS", b""), 0),
    "GET_VALUES repeated": record(
        GET_VALUES, name_value(b"FCGI_MPXS_CONNS", b"") * 500, 0
    ),
    "GET_VALUES in a request": begin()
    + record(GET_VALUES, name_value(b"FCGI_MAX_REQS", b"") * 50, 0)
    + stream(PARAMS, PAIRS),
    "GET_VALUES cut": raw(GET_VALUES, 65_535, b"\x0e\x00FCGI_MAX_CONNS", 0),
    "unknown management record": record(200, b"x" * 300, 0),
    "version 0": record(1, struct.pack(">HB5x", 1, 0), version=0),
    "version 2": record(1, struct.pack(">HB5x", 1, 0), version=2),
    "version 255 later": begin() + record(PARAMS, PAIRS, version=255),
    "not FastCGI": b"GET /api/test HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)),
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "no BEGIN": stream(PARAMS, PAIRS) + stream(STDIN, b""),
    "STDIN first": stream(STDIN, b"x"),
    "BEGIN of ID 0": begin(request_id=0) + stream(PARAMS, PAIRS, request_id=0),
    "wrong ID in PARAMS": begin() + stream(PARAMS, PAIRS, request_id=2) + stream(STDIN, b""),
    "wrong ID in STDIN": begin() + stream(PARAMS, PAIRS) + stream(STDIN, b"x", request_id=9),
    "a second BEGIN": begin() + begin() + stream(PARAMS, PAIRS) + stream(STDIN, b""),
    "another BEGIN": begin() + ANOTHER_BEGIN + stream(PARAMS, PAIRS) + stream(STDIN, b""),
    "BEGIN between PARAMS": begin() + record(PARAMS, PAIRS[:9]) + ANOTHER_BEGIN,
    "BEGIN too short": raw(1, 3, b"\0\1\0"),
    "BEGIN too long": raw(1, 16, bytes(16)),
    "BEGIN empty": raw(1, 0, b""),
    "role authorizer": begin(role=2) + stream(PARAMS, PAIRS) + stream(STDIN, b""),
    "role filter": begin(role=3) + stream(PARAMS, PAIRS) + stream(DATA, b"x"),
    "role 0": begin(role=0) + stream(PARAMS, PAIRS) + stream(STDIN, b""),
    "ABORT before PARAMS": begin() + record(ABORT_REQUEST, b""),
    "ABORT in PARAMS": begin() + record(PARAMS, PAIRS[:20]) + record(ABORT_REQUEST, b""),
    "ABORT in STDIN": begin() + stream(PARAMS, PAIRS) + record(STDIN, b"x")
    + record(ABORT_REQUEST, b""),
    "DATA": begin() + stream(PARAMS, PAIRS) + stream(DATA, b"x"),
    "END from the server": begin() + record(3, bytes(8)),
    "STDOUT from the server": begin() + record(6, b"Status: 200\r\n\r\n"),
    "PARAMS ended twice": begin() + stream(PARAMS, PAIRS) + record(PARAMS, b"")
    + stream(STDIN, b""),
    "PARAMS after STDIN": begin() + stream(PARAMS, PAIRS) + record(STDIN, b"x")
    + stream(PARAMS, PAIRS),
    "STDIN in PARAMS": begin() + record(PARAMS, PAIRS[:9]) + stream(STDIN, b"x"),
    "no parameters": begin() + stream(PARAMS, b"") + stream(STDIN, b""),
    "empty names": begin() + stream(PARAMS, name_value(b"", b"") * 1000) + stream(STDIN, b""),
    "NUL in a name": begin() + stream(PARAMS, name_value(b"A\0B", b"C\0D")) + stream(STDIN, b""),
    "the same name often": begin()
    + stream(PARAMS, name_value(b"REQUEST_METHOD", b"GET") * 2000)
    + stream(STDIN, b""),
    "many parameters": begin()
    + stream(PARAMS, b"".join(name_value(b"HTTP_%d" % n, b"x") for n in range(9000)))
    + stream(STDIN, b""),
    "parameters without end": begin() + record(PARAMS, b"\x01\x01ab" * 16_000) * 30,
    "one parameter of 1 MB": begin() + stream(PARAMS, name_value(b"HTTP_X", b"x" * 1_000_000)),
    "a body of 3 MB": begin() + stream(PARAMS, PAIRS) + stream(STDIN, b"x" * 3_000_000),
    "records of nothing but padding": begin()
    + struct.pack(">BBHHBB", 1, PARAMS, 1, 0, 255, 0) + bytes(255),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_no_web_server_sends(replica: Replica, name: str) -> None:
    with replica.connect(timeout=5) as connection:
        connection.send_what_is_taken(STREAMS[name])
        connection.wait_for_end()


@pytest.mark.parametrize("name", STREAMS)
def test_the_same_from_one_who_stays(replica: Replica, name: str) -> None:
    """The peer neither closes nor reads, and others are served."""
    with replica.connect(timeout=1) as connection:
        try:
            connection.send(STREAMS[name])
        except OSError:
            # Closed already, or nobody reads any more of it.
            pass
        assert_serves(replica)


def test_the_stream_of_36_bytes_is_the_one_that_was_found() -> None:
    assert len(STREAMS["huge name and value"]) == 36


def message(sender: str) -> bytes:
    return encode(
        "POST",
        "/api/message?x=1",
        {"Content-Type": JSON, "X-Request-ID": "abuse"},
        json_body(sender, "content"),
    )


def test_a_request_cut_at_every_byte_stores_nothing(replica: Replica) -> None:
    sender = unique("cut")
    whole = message(sender)
    for length in range(len(whole)):
        with replica.connect(timeout=5) as connection:
            connection.send_what_is_taken(whole[:length])
            if length % 16 == 0:
                connection.wait_for_end()
    with replica.api() as api:
        assert api.messages(From=sender) == []


def test_random_mutations(replica: Replica) -> None:
    """Bytes changed, lost, doubled and mixed in, by a fixed seed."""
    chance = random.Random(SEED)
    sources = [message("mutated"), encode("GET", "/api/message?limit=2", keep=True)]
    for number in range(MUTATIONS):
        mutated = bytearray(chance.choice(sources))
        for _ in range(chance.randint(1, 6)):
            mutate(chance, mutated)
        with replica.connect(timeout=5) as connection:
            connection.send_what_is_taken(bytes(mutated))
            connection.wait_for_end()
        assert replica.runs(), f"mutation {number} of seed {SEED}: {bytes(mutated)!r}"


def mutate(chance: random.Random, data: bytearray) -> None:
    # Headers of records are where it hurts: the front is hit more often.
    at = int(chance.random() ** 2 * len(data))
    kind = chance.randrange(5)
    if kind == 0:
        data[at] = chance.randrange(256)
    elif kind == 1:
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 2:
        del data[at : at + chance.randint(1, 16)]
    elif kind == 3:
        data[at:at] = data[at : at + chance.randint(1, 64)]
    else:
        data[at:at] = chance.randbytes(chance.randint(1, 16))
    if not data:
        data += b"\x01"


def test_abuse_between_good_requests_ends_only_that_connection(
    replica: Replica,
) -> None:
    with replica.connect() as good, Connection(replica.address, 5) as bad:
        for _ in range(5):
            good.send(encode("GET", "/api/test", keep=True))
            assert good.read_reply().answer().status == 200
        bad.send(encode("GET", "/api/test", keep=True))
        assert bad.read_reply().answer().status == 200
        bad.send(STREAMS["huge name and value"])
        assert bad.wait_for_end() == b""
        good.send(encode("GET", "/api/test", keep=True))
        assert good.read_reply().answer().status == 200
