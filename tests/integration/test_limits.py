# SPDX-License-Identifier: MIT
"""Every limit, met exactly and passed by one."""

from collections.abc import Iterator

import pytest

from answers import assert_problem
from conftest import StoresNothing
from fastcgi import PARAMS, STDIN, Connection, begin, name_value, parameters, stream
from http_client import (
    FORM,
    JSON,
    MULTIPART,
    Api,
    form_body,
    json_body,
    multipart_body,
    unique,
)
from system import System

BODY_LIMIT = 131_072
ENCODERS = {
    JSON: lambda sender, content: json_body(sender, content),
    FORM: lambda sender, content: form_body([("From", sender), ("Content", content)]),
    MULTIPART: lambda sender, content: multipart_body(
        [("From", sender), ("Content", content)]
    ),
}


@pytest.mark.parametrize("content_type", ENCODERS)
@pytest.mark.parametrize("character", ["x", "ñ", "語", "😀", "\U0010ffff"])
def test_from_holds_255_characters(
    api: Api, content_type: str, character: str, stores_nothing: StoresNothing
) -> None:
    encode, mark = ENCODERS[content_type], unique()
    sender = mark + character * (255 - len(mark))
    answer = api.post(encode(sender, "c"), content_type)
    assert answer.status == 201, answer
    assert api.messages(From=sender) == [answer.json()]
    assert answer.json()["From"] == sender
    with stores_nothing():
        answer = api.post(encode(sender + character, "c"), content_type)
        assert_problem(answer, 400, "invalid_message", {"From"})


@pytest.mark.parametrize("content_type", [JSON, MULTIPART])
@pytest.mark.parametrize(
    "content",
    ["x" * 65_535, "ñ" * 32_767 + "x", "語" * 21_845, "😀" * 16_383 + "abc"],
    ids=["1 byte", "2 bytes", "3 bytes", "4 bytes"],
)
def test_content_holds_65535_bytes(
    api: Api, content_type: str, content: str, stores_nothing: StoresNothing
) -> None:
    assert len(content.encode()) == 65_535
    encode, sender = ENCODERS[content_type], unique()
    answer = api.post(encode(sender, content), content_type)
    assert answer.status == 201, answer
    assert answer.json()["Content"] == content
    assert api.messages(From=sender) == [answer.json()]
    with stores_nothing():
        answer = api.post(encode(sender, content + "x"), content_type)
        assert_problem(answer, 400, "invalid_message", {"Content"})


def padded(sender: str, length: int) -> bytes:
    """A good body of exactly this many bytes."""
    body = json_body(sender, "c")
    return body + b" " * (length - len(body))


def test_body_of_128_kib_is_taken(api: Api) -> None:
    sender = unique()
    assert api.post(padded(sender, BODY_LIMIT)).status == 201
    assert len(api.messages(From=sender)) == 1


@pytest.mark.parametrize("length", [BODY_LIMIT + 1, BODY_LIMIT * 2, 1_000_000])
def test_a_larger_body_is_413(
    api: Api, length: int, stores_nothing: StoresNothing
) -> None:
    with stores_nothing():
        problem = assert_problem(
            api.post(padded("a", length)), 413, "body_too_large"
        )
    assert str(BODY_LIMIT) in problem["detail"]


def test_the_body_limit_comes_before_what_is_in_it(
    api: Api, stores_nothing: StoresNothing
) -> None:
    with stores_nothing():
        answer = api.post(b"\xff" * (BODY_LIMIT + 1))
        assert_problem(answer, 413, "body_too_large")


@pytest.fixture
def replica_connection(system: System) -> Iterator[Connection]:
    with Connection(system.replica_socket()) as connection:
        yield connection


BODY = json_body("short-or-long", "c")


@pytest.mark.parametrize(
    "claimed, sent",
    [
        (len(BODY), BODY[:-1]),
        (len(BODY), b""),
        (len(BODY) + 1, BODY),
        (BODY_LIMIT, BODY),
    ],
    ids=["one byte short", "empty", "a byte promised", "much promised"],
)
def test_a_body_shorter_than_its_length_stores_nothing(
    replica_connection: Connection,
    claimed: int,
    sent: bytes,
    stores_nothing: StoresNothing,
) -> None:
    pairs = parameters("POST", "/api/message", {"Content-Type": JSON}, claimed)
    with stores_nothing():
        replica_connection.send(
            begin()
            + stream(PARAMS, b"".join(name_value(n, v) for n, v in pairs.items()))
            + stream(STDIN, sent)
        )
        answer = replica_connection.read_reply().answer()
        assert_problem(answer, 400, "truncated_body")


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_body_in_many_records_is_whole(
    api: Api, replica_connection: Connection, piece: int
) -> None:
    sender = unique()
    body = json_body(sender, "ñ" * (20 if piece == 1 else 30_000))
    pairs = parameters("POST", "/api/message", {"Content-Type": JSON}, len(body))
    replica_connection.send(
        begin()
        + stream(PARAMS, b"".join(name_value(n, v) for n, v in pairs.items()), piece)
        + stream(STDIN, body, piece)
    )
    answer = replica_connection.read_reply().answer()
    assert answer.status == 201, answer
    assert api.messages(From=sender) == [answer.json()]


def test_the_largest_body_in_small_records_is_whole(
    api: Api, replica_connection: Connection
) -> None:
    """More than a kernel buffer holds when it comes in small pieces."""
    sender = unique()
    body = padded(sender, BODY_LIMIT)
    pairs = parameters("POST", "/api/message", {"Content-Type": JSON}, len(body))
    request = (
        begin()
        + stream(PARAMS, b"".join(name_value(n, v) for n, v in pairs.items()))
        + stream(STDIN, body, 500)
    )
    for at in range(0, len(request), 1000):
        replica_connection.send(request[at : at + 1000])
    answer = replica_connection.read_reply().answer()
    assert answer.status == 201, answer
    assert len(api.messages(From=sender)) == 1


def test_large_headers_get_an_answer(api: Api) -> None:
    """Refused or not: a problem or an answer, never a broken connection."""
    answer = api.get("/api/test", {"X-Large": "x" * 6000})
    assert answer.status == 200


def test_the_longest_filters_are_taken(api: Api) -> None:
    content = "y" * 5000
    sender = "😀" * 200
    message = api.store(sender, content)
    assert message in api.messages(From=sender, Content=content, after=message["ID"] - 1)
