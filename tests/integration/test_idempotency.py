# SPDX-License-Identifier: MIT
"""Idempotency-Key: sent again, stored once."""

import secrets
import threading
from collections.abc import Callable

import pytest

from answers import Answer, assert_problem
from conftest import StoresNothing
from fastcgi import FastcgiApi
from http_client import FORM, JSON, Api, form_body, json_body, unique
from system import System

Connect = Callable[[], Api]


def new_key() -> str:
    return secrets.token_hex(16)


def assert_replayed(answer: Answer, first: Answer) -> None:
    assert answer.status == 201, answer
    assert answer.json() == first.json()
    assert answer.header("Location") == first.header("Location")
    assert answer.header("Idempotency-Replayed") == "true"


def test_a_replay_returns_the_first_message(connect: Connect) -> None:
    """New connections are spread over all replicas."""
    sender, key = unique(), new_key()
    first = connect().post_message(sender, "ñ", key)
    assert first.status == 201
    assert first.header("Idempotency-Replayed") is None
    for _ in range(9):
        assert_replayed(connect().post_message(sender, "ñ", key), first)
    assert connect().messages(From=sender) == [first.json()]


def test_a_replay_may_have_another_body_type(api: Api) -> None:
    sender, key = unique(), new_key()
    first = api.post_message(sender, "x y", key)
    body = form_body([("Content", "x y"), ("From", sender)])
    assert_replayed(api.post(body, FORM, {"Idempotency-Key": key}), first)


@pytest.mark.parametrize(
    "sender, content",
    [
        ("{}", "other"),
        ("{}", "hola "),
        ("{}", "Hola"),
        ("{}", "holá"),
        ("{} ", "hola"),
        ("x{}", "hola"),
        ("hola", "{}"),
    ],
)
def test_another_payload_is_422(
    api: Api, sender: str, content: str, stores_nothing: StoresNothing
) -> None:
    mark, key = unique(), new_key()
    first = api.post_message(mark, "hola", key)
    assert first.status == 201
    with stores_nothing():
        answer = api.post_message(sender.format(mark), content.format(mark), key)
        assert_problem(answer, 422, "idempotency_key_reused")
        assert answer.header("Idempotency-Replayed") is None
    assert_replayed(api.post_message(mark, "hola", key), first)


def test_other_keys_are_other_messages(api: Api) -> None:
    sender, key = unique(), new_key()
    keys = [key, key.upper() + "A", key + "a", key + "A", "!" + key]
    ids = {api.store(sender, "x", key)["ID"] for key in keys}
    assert len(ids) == len(keys)


def test_without_a_key_each_is_stored(api: Api) -> None:
    sender = unique()
    assert len({api.store(sender, "x")["ID"] for _ in range(3)}) == 3
    assert len(api.messages(From=sender)) == 3


@pytest.mark.parametrize("length", [1, 255])
def test_keys_of_every_length_are_taken(api: Api, length: int) -> None:
    sender = unique()
    key = (secrets.token_hex(128) + "!~")[-length:]
    if length == 1:
        # One of 94 keys: another run may have used it for its own message.
        assert api.post_message("one-character key", "x", "~").status == 201
        assert api.post_message("one-character key", "x", "~").status == 201
        return
    first = api.post_message(sender, "x", key)
    assert_replayed(api.post_message(sender, "x", key), first)


def assert_bad_key(answer: Answer) -> None:
    problem = assert_problem(answer, 400, "invalid_header", {"Idempotency-Key"})
    assert "255" in str(problem)


@pytest.mark.parametrize(
    "key",
    ["x" * 256, "two words", "tab\tinside", "ñ", "é" * 3],
    ids=["256", "blank", "tab", "ñ", "latin"],
)
def test_a_bad_key_is_400(api: Api, key: str, stores_nothing: StoresNothing) -> None:
    with stores_nothing():
        assert_bad_key(api.post_message(unique(), "x", key))


@pytest.mark.parametrize("key", ["", "\x01", "a\x7f"], ids=["empty", "SOH", "DEL"])
def test_a_key_that_web_servers_stop_is_400(system: System, key: str) -> None:
    """Some refuse it themselves, or leave an empty header out; so they are not asked."""
    with FastcgiApi(system.replica_socket()) as replica:
        before = replica.newest_id()
        assert_bad_key(replica.post_message(unique(), "x", key))
        assert replica.newest_id() == before, "a message was stored"


@pytest.mark.parametrize("second", ["same", "other"])
def test_a_second_key_is_400(
    api: Api, second: str, stores_nothing: StoresNothing
) -> None:
    """Whether the web server joins two headers of one name or sends both."""
    key, body = new_key(), json_body(unique(), "x")
    headers = [
        ("Content-Type", JSON),
        ("Content-Length", str(len(body))),
        ("Idempotency-Key", key),
        ("Idempotency-Key", key if second == "same" else new_key()),
    ]
    with stores_nothing():
        api.connection.putrequest("POST", "/api/message", skip_accept_encoding=True)
        for name, value in headers:
            api.connection.putheader(name, value)
        api.connection.endheaders(body)
        response = api.connection.getresponse()
        answer = Answer(response.status, response.getheaders(), response.read())
        problem = assert_problem(answer, 400, "invalid_header", {"Idempotency-Key"})
    assert "more than once" in problem["detail"]


def test_a_refused_message_does_not_use_up_its_key(api: Api) -> None:
    sender, key = unique(), new_key()
    assert api.post_message("", "x", key).status == 400
    answer = api.post_message(sender, "x", key)
    assert answer.status == 201
    assert answer.header("Idempotency-Replayed") is None


def test_a_key_has_no_meaning_for_get(api: Api) -> None:
    assert api.get("/api/message?limit=1", {"Idempotency-Key": "a b"}).status == 200


def at_once(connect: Connect, posts: list[tuple[str, str, str]]) -> list[Answer]:
    """All of them sent at the same moment, each over its own connection."""
    answers: list[Answer | None] = [None] * len(posts)
    together = threading.Barrier(len(posts))

    def send(number: int, api: Api) -> None:
        api.get("/api/test")
        together.wait(30)
        answers[number] = api.post_message(*posts[number])

    threads = [
        threading.Thread(target=send, args=(number, connect()))
        for number in range(len(posts))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert None not in answers
    return [answer for answer in answers if answer is not None]


def test_32_at_once_with_one_key_are_one_message(connect: Connect) -> None:
    for _ in range(5):
        sender, key = unique(), new_key()
        answers = at_once(connect, [(sender, "x", key)] * 32)
        assert {answer.status for answer in answers} == {201}
        stored = connect().messages(From=sender)
        assert len(stored) == 1
        assert all(answer.json() == stored[0] for answer in answers)
        fresh = [a for a in answers if a.header("Idempotency-Replayed") is None]
        assert len(fresh) == 1


def test_at_once_with_one_key_and_other_contents(connect: Connect) -> None:
    """One content wins; those who sent it get it, the others 422."""
    for _ in range(5):
        sender, key = unique(), new_key()
        posts = [(sender, str(number % 4), key) for number in range(16)]
        answers = at_once(connect, posts)
        stored = connect().messages(From=sender)
        assert len(stored) == 1
        for (_, content, _), answer in zip(posts, answers):
            if content == stored[0]["Content"]:
                assert (answer.status, answer.json()) == (201, stored[0])
            else:
                assert_problem(answer, 422, "idempotency_key_reused")
