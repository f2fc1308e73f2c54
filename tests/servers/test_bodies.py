# SPDX-License-Identifier: MIT
"""Request bodies of any form and size, and answers without one."""

import pytest

import raw
from answers import Answer, assert_problem
from http_client import JSON, Api, json_body, unique
from problems import assert_own_problem
from system import System

KIB = 1024
LIMIT = 128 * KIB

# More than this the web server does not let through.
SERVER_LIMIT = 1024 * KIB

# A message is at most 65,535 bytes; what is beyond is in a member that is ignored.
LONGEST_CONTENT = 60_000


def body_of(size: int) -> tuple[bytes, str]:
    """A message as JSON of this many bytes, and its Content."""
    sender = unique()
    spare = size - len(json_body(sender, ""))
    content = ("0123456789" * (spare // 10 + 1))[: min(spare, LONGEST_CONTENT)]
    body = json_body(sender, content)
    if len(body) < size:
        member = b',"Ignored":""}'
        filling = b"x" * (size - len(body) + 1 - len(member))
        body = body[:-1] + member[:-2] + filling + member[-2:]
    assert len(body) == size
    return body, content


def post_chunked(system: System, parts: list[bytes], pause: float = 0) -> Answer:
    head = raw.request(
        "POST /api/message HTTP/1.1",
        ["Host: 127.0.0.1", f"Content-Type: {JSON}", "Transfer-Encoding: chunked"],
    )
    return raw.exchange(
        system.port, head + parts[0], *parts[1:], method="POST", pause=pause
    )


def assert_stored(api: Api, answer: Answer, content: str) -> None:
    assert answer.status == 201, answer
    stored = answer.json()
    assert stored["Content"] == content
    assert api.messages(ID=stored["ID"]) == [stored]


@pytest.mark.parametrize(
    "size, chunk",
    [
        (100, 1),
        (100, 100),
        (16 * KIB, 4096),
        (16 * KIB + 1, 16 * KIB + 1),
        (100_000, 1000),
        (100_000, 100_000),
        (LIMIT, 8192),
        (LIMIT, LIMIT),
    ],
)
def test_a_chunked_body_arrives(
    served: System, api: Api, size: int, chunk: int
) -> None:
    body, content = body_of(size)
    answer = post_chunked(served, [raw.chunked(body, chunk)])
    assert_stored(api, answer, content)


@pytest.mark.parametrize("size", [200, 100_000])
def test_a_chunked_body_that_comes_slowly_arrives(
    served: System, api: Api, size: int
) -> None:
    body, content = body_of(size)
    data = raw.chunked(body, 1000)
    third = len(data) // 3
    parts = [data[:third], data[third : 2 * third], data[2 * third :]]
    assert_stored(api, post_chunked(served, parts, pause=0.3), content)


@pytest.mark.parametrize("size", [LIMIT + 1, 200 * KIB, 2 * SERVER_LIMIT])
def test_a_chunked_body_above_the_limit_is_refused(served: System, size: int) -> None:
    body, _ = body_of(size)
    answer = post_chunked(served, [raw.chunked(body, 8192)])
    assert_problem(answer, 413, "body_too_large")


@pytest.mark.parametrize("size", [16 * KIB, 100_000, LIMIT])
def test_a_body_up_to_the_limit_arrives(api: Api, size: int) -> None:
    body, content = body_of(size)
    answer = api.post(body)
    assert_stored(api, answer, content)


@pytest.mark.parametrize("size", [LIMIT + 1, SERVER_LIMIT])
def test_the_program_refuses_what_is_above_its_limit(api: Api, size: int) -> None:
    answer = api.post(b" " * size)
    assert_problem(answer, 413, "body_too_large")
    # In its own words: it tells the limit.
    assert str(LIMIT) in answer.json()["detail"]


def test_the_web_server_refuses_what_is_above_its_own_limit(served: System) -> None:
    size = SERVER_LIMIT + 1
    head = raw.request(
        "POST /api/message HTTP/1.1",
        ["Host: 127.0.0.1", f"Content-Type: {JSON}", f"Content-Length: {size}"],
    )
    answer = raw.exchange(served.port, head, b" " * size, method="POST")
    assert_own_problem(answer, 413)


def test_head_tells_what_get_would(api: Api) -> None:
    """Over one connection, so that a body too many or too few would be noticed."""
    stored = api.store(unique(), "for HEAD")
    for target in ("/api/test", f"/api/message?ID={stored['ID']}", "/api/nothing"):
        head, get = api.request("HEAD", target), api.get(target)
        assert head.status == get.status
        assert head.body == b"" and get.body
        for name in ("Content-Type", "Content-Length"):
            assert head.header(name) == get.header(name)


@pytest.mark.parametrize(
    "target, allowed",
    [
        ("/api/test", {"GET", "HEAD", "OPTIONS"}),
        ("/api/message", {"GET", "HEAD", "POST", "OPTIONS"}),
    ],
)
def test_options_tells_what_is_allowed(
    api: Api, target: str, allowed: set[str]
) -> None:
    for _ in range(2):
        answer = api.request("OPTIONS", target)
        assert (answer.status, answer.body) == (204, b"")
        assert set((answer.header("Allow") or "").split(", ")) == allowed
    assert api.get("/api/test").status == 200
