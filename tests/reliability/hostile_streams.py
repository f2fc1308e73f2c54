# SPDX-License-Identifier: MIT
"""FastCGI as no web server speaks it: bytes to send to a replica."""

import itertools
import random
import struct
from collections.abc import Iterator

from fastcgi import (
    ABORT_REQUEST,
    DATA,
    END_REQUEST,
    GET_VALUES,
    PARAMS,
    STDERR,
    STDIN,
    STDOUT,
    begin,
    encode,
    name_value,
    parameters,
    record,
    stream,
)
from http_client import JSON, json_body


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



def post(sender: str, keep: bool = False) -> bytes:
    """A request as a web server sends it."""
    headers = {"Content-Type": JSON, "X-Request-ID": "hostile"}
    return encode("POST", "/api/message?x=1", headers, json_body(sender, "content"), keep)


ALPHABET = {
    "BEGIN": begin(),
    "BEGIN of another": ANOTHER_BEGIN,
    "PARAMS": record(PARAMS, PAIRS),
    "PARAMS end": record(PARAMS, b""),
    "STDIN": record(STDIN, b"x"),
    "STDIN end": record(STDIN, b""),
    "DATA": record(DATA, b"x"),
    "ABORT": record(ABORT_REQUEST, b""),
    "END": record(END_REQUEST, bytes(8)),
    "STDOUT": record(STDOUT, b"x"),
    "STDERR": record(STDERR, b"x"),
    "GET_VALUES": record(GET_VALUES, name_value(b"FCGI_MAX_CONNS", b""), 0),
    "unknown type": record(99, b"x"),
    "unknown management": record(99, b"x", 0),
}


def orders(length: int) -> Iterator[tuple[str, bytes]]:
    """Records of every type in every order, so many and fewer."""
    for count in range(1, length + 1):
        for names in itertools.product(ALPHABET, repeat=count):
            yield ", ".join(names), b"".join(ALPHABET[name] for name in names)


def boundaries(data: bytes) -> list[int]:
    """Where each record of a stream begins."""
    places, at = [], 0
    while at < len(data):
        places.append(at)
        length, padding = struct.unpack_from(">HB", data, at + 4)
        at += 8 + length + padding
    return places


LENGTHS = (0, 1, 7, 8, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
LONG_LENGTHS = (0, 1, 127, 128, 0xFFFF, 0x7FFFFFFD, 0x7FFFFFFE, 0x7FFFFFFF)


def lies() -> Iterator[tuple[str, bytes]]:
    """Requests in which one length is not the true one."""
    whole = post("liar")
    for at in boundaries(whole):
        length, padding = struct.unpack_from(">HB", whole, at + 4)
        for lie in {*LENGTHS, length + 1, length - 1} - {length, -1}:
            yield f"length {lie} at {at}", changed(whole, at + 4, struct.pack(">H", lie))
        for lie in {0, 1, 7, 8, 128, 255} - {padding}:
            yield f"padding {lie} at {at}", changed(whole, at + 6, bytes([lie]))
    for lie in LONG_LENGTHS:
        for other in LONG_LENGTHS:
            pair = struct.pack(">II", lie | 1 << 31, other | 1 << 31) + b"abcd"
            yield f"a name of {lie}, a value of {other}", (
                begin() + stream(PARAMS, PAIRS + pair) + stream(STDIN, b"")
            )
    pairs = len(begin()) + 8
    for at in range(pairs, pairs + len(PAIRS)):
        for lie in (0, 127, 128, 255):
            yield f"byte {at} is {lie}", changed(whole, at, bytes([lie]))


def changed(data: bytes, at: int, part: bytes) -> bytes:
    return data[:at] + part + data[at + len(part) :]


def management_everywhere() -> Iterator[tuple[str, bytes]]:
    """A management record before every byte of a request."""
    whole = post("manager")
    for name in ("GET_VALUES", "unknown management"):
        for at in range(len(whole) + 1):
            yield f"{name} at {at}", whole[:at] + ALPHABET[name] + whole[at:]


def mutations(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Bytes changed, lost, doubled and mixed in."""
    chance = random.Random(seed)
    sources = [post("mutated"), encode("GET", "/api/message?limit=2", keep=True)]
    for number in range(count):
        mutated = bytearray(chance.choice(sources))
        for _ in range(chance.randint(1, 6)):
            mutate(chance, mutated)
        yield f"mutation {number} of seed {seed}", bytes(mutated)


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
