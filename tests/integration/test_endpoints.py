# SPDX-License-Identifier: MIT
"""What API.md says of paths, methods and the headers of every answer."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from answers import Answer, assert_problem
from conftest import StoresNothing
from fastcgi import (
    PARAMS,
    STDIN,
    Connection,
    FastcgiApi,
    begin,
    name_value,
    stream,
)
from http_client import NDJSON, Api, Requester, json_body, query, unique
from system import System

# Differs from answer to answer even where nothing else does.
VOLATILE = {"x-request-id", "date"}


def steady(answer: Answer) -> list[tuple[str, str]]:
    pairs = ((name.lower(), value) for name, value in answer.headers)
    return sorted(pair for pair in pairs if pair[0] not in VOLATILE)


def allowed(answer: Answer) -> set[str]:
    return set(re.split(r", ?", answer.header("Allow") or ""))


def test_test_says_alive_and_the_host(api: Api) -> None:
    answer = api.get("/api/test")
    assert answer.status == 200
    assert (answer.header("Content-Type") or "").split(";")[0] == "text/plain"
    assert re.fullmatch(rb"ALIVE [!-~]+\n", answer.body)


def test_health_is_well(api: Api) -> None:
    answer = api.get("/api/health")
    assert answer.status == 200
    assert answer.header("Content-Type") == "application/json"
    assert answer.json() == {"status": "ok", "database": "ok"}


def test_post_answers_with_the_stored_message(api: Api) -> None:
    sender = unique()
    answer = api.post_message(sender, "hola")
    assert answer.status == 201
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Idempotency-Replayed") is None
    message = answer.json()
    assert list(message) == ["ID", "From", "Content", "Date"]
    assert isinstance(message["ID"], int) and message["ID"] >= 1
    assert (message["From"], message["Content"]) == (sender, "hola")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", message["Date"]
    )
    assert answer.header("Location") == f"/api/message?ID={message['ID']}"
    assert api.get(answer.header("Location") or "").json() == [message]
    assert api.messages(From=sender) == [message]


def test_date_is_now_in_utc(api: Api) -> None:
    date = api.store(unique(), "x")["Date"]
    stored = datetime.strptime(date, "%Y-%m-%dT%H:%M:%S.%fZ")
    age = datetime.now(timezone.utc) - stored.replace(tzinfo=timezone.utc)
    assert abs(age) < timedelta(seconds=60)


def test_ids_grow(api: Api) -> None:
    ids = [api.store(unique(), "x")["ID"] for _ in range(20)]
    assert ids == sorted(set(ids))


def test_no_match_is_the_empty_array(api: Api) -> None:
    answer = api.get(query(From=unique("nobody")))
    assert (answer.status, answer.json()) == (200, [])
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Link") is None


GETS = [
    "/api/test",
    "/api/health",
    "/api/message?limit=1",
    "/api/message?From=nobody-has-this-name",
    "/api/message?limit=0",
    "/api/message?colour=red",
    "/api/nothing",
    "/",
]


@pytest.mark.parametrize("target", GETS)
def test_head_is_get_without_body(api: Api, target: str) -> None:
    got, head = api.get(target), api.request("HEAD", target)
    assert head.status == got.status
    assert steady(head) == steady(got)
    assert head.body == b""


def test_head_of_a_stream(api: Api) -> None:
    api.store(unique(), "x")
    target, headers = "/api/message", {"Accept": NDJSON}
    got, head = api.get(target, headers), api.request("HEAD", target, headers)
    assert (head.status, head.body) == (200, b"")
    assert head.header("Content-Type") == got.header("Content-Type") == NDJSON


METHODS_OF = {
    "/api/test": {"GET", "HEAD", "OPTIONS"},
    "/api/health": {"GET", "HEAD", "OPTIONS"},
    "/api/message": {"GET", "HEAD", "POST", "OPTIONS"},
}


@pytest.mark.parametrize("path", METHODS_OF)
def test_options_names_the_methods(api: Api, path: str) -> None:
    answer = api.request("OPTIONS", path)
    assert (answer.status, answer.body) == (204, b"")
    assert allowed(answer) == METHODS_OF[path]


NOT_ALLOWED = [
    (method, path)
    for path, methods in METHODS_OF.items()
    for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND")
    if method not in methods
]


@pytest.mark.parametrize("method, path", NOT_ALLOWED)
def test_another_method_is_405(
    api: Api, method: str, path: str, stores_nothing: StoresNothing
) -> None:
    with stores_nothing():
        assert_not_allowed(api, method, path)


@pytest.mark.parametrize("path", METHODS_OF)
def test_a_method_that_nobody_knows_is_405(system: System, path: str) -> None:
    """Some web servers refuse it themselves, so they are not asked."""
    with FastcgiApi(system.replica_socket()) as replica:
        assert_not_allowed(replica, "X-ANY", path)


def assert_not_allowed(api: Requester, method: str, path: str) -> None:
    answer = api.request(method, path, body=json_body("a", "b"))
    problem = assert_problem(answer, 405, "method_not_allowed")
    assert allowed(answer) == METHODS_OF[path]
    assert problem["title"] == "Method not allowed"


@pytest.mark.parametrize(
    "path",
    [
        "/api/nothing",
        "/api",
        "/api/",
        "/api/message/",
        "/api/message/1",
        "/api/Message",
        "/api/test/",
        "/api/testing",
        "/api/message%2F",
        "/api%2Fmessage",
        "/api%2fmessage",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_another_path_is_404(
    api: Api, path: str, method: str, stores_nothing: StoresNothing
) -> None:
    body = b'{"From": "a", "Content": "b"}' if method == "POST" else None
    with stores_nothing():
        answer = api.request(method, path, {"Content-Type": "application/json"}, body)
        assert_problem(answer, 404, "not_found")
    assert answer.header("Allow") is None


def test_a_path_is_decoded_once(api: Api) -> None:
    assert api.get("/api/%74est").status == 200
    assert_problem(api.get("/api/%2574est"), 404, "not_found")


@pytest.mark.parametrize(
    "script, path, status",
    [(b"/api", b"/test", 200), (b"", b"/api/%74est", 404), (b"", b"/api/%", 404)],
)
def test_a_path_that_cgi_has_decoded_is_not_decoded_again(
    system: System, script: bytes, path: bytes, status: int
) -> None:
    """Without REQUEST_URI, which all the web servers send."""
    pairs = {b"REQUEST_METHOD": b"GET", b"SCRIPT_NAME": script, b"PATH_INFO": path}
    sent = b"".join(name_value(name, value) for name, value in pairs.items())
    with Connection(system.replica_socket()) as connection:
        connection.send(begin() + stream(PARAMS, sent) + stream(STDIN, b""))
        assert connection.read_reply().answer().status == status


def test_headers_that_are_too_large_are_431(system: System) -> None:
    """Web servers have smaller limits of their own, so they are not asked."""
    with FastcgiApi(system.replica_socket()) as replica:
        answer = replica.get("/api/test", {"X-A": "a" * 140_000})
        assert_problem(answer, 431, "headers_too_large")
        assert replica.get("/api/test").status == 200


def test_request_id_is_echoed(api: Api) -> None:
    for sent in ("a", "!~", "x" * 128, "2f1c-77:{}\"'<>"):
        for target in ("/api/test", "/api/message?limit=0", "/api/message?limit=1"):
            answer = api.get(target, {"X-Request-ID": sent})
            assert answer.header("X-Request-ID") == sent


@pytest.mark.parametrize("sent", ["x" * 129, "two words", "tab\there", "ñ", ""])
def test_a_bad_request_id_is_replaced(api: Api, sent: str) -> None:
    answers = [api.get("/api/test", {"X-Request-ID": sent}) for _ in range(2)]
    ids = {answer.header("X-Request-ID") for answer in answers}
    assert len(ids) == 2 and sent not in ids
    assert all(answer.status == 200 for answer in answers)


def test_request_ids_are_new_each_time(connect: Callable[[], Api]) -> None:
    ids = {connect().get("/api/test").header("X-Request-ID") for _ in range(20)}
    assert len(ids) == 20


def test_a_query_does_not_hinder_the_test(api: Api) -> None:
    assert api.get("/api/test?load=balancer").status == 200


def test_get_ignores_a_body(api: Api) -> None:
    """A kept connection stays usable after it."""
    for _ in range(3):
        assert api.request("GET", "/api/test", body=b"x" * 1000).status == 200
        assert api.request("GET", "/api/message?limit=1", body=b"{}").status == 200
