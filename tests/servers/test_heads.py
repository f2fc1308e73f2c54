# SPDX-License-Identifier: MIT
"""The largest head that the program sends, and filters that are longer than a Link:
an answer passes, and costs no replica its place."""

import re

import pytest

import raw
from answers import Answer
from fastcgi import FastcgiApi
from http_client import Api, query, unique
from problems import assert_no_version
from system import ROOT, System

HEADER = ROOT / "fcgi-app" / "api" / "query.h"

REQUEST_ID = "r" * 128

# Where the request line does not fit: too long, bad, headers too large.
REFUSALS = (400, 414, 431)

# Enough that each replica would be chosen.
REQUESTS = 9

# What every web server takes is a request line of so many bytes.
LINE_BYTES = 15_000


def link_bytes_max() -> int:
    """Of the whole line, as the program itself has it."""
    found = re.search(r"QUERY_LINK_BYTES_MAX = (\d+)", HEADER.read_text())
    assert found, f"{HEADER} does not tell it"
    return int(found[1])


def store_two(api: Api, sender: str, content: str) -> list[int]:
    return [api.store(sender, content)["ID"] for _ in range(2)]


def assert_all_serve(system: System, api: Api) -> None:
    for number in range(1, system.replicas + 1):
        with FastcgiApi(system.replica_socket(number)) as replica:
            assert replica.get("/api/test").status == 200
    for _ in range(REQUESTS):
        assert api.get("/api/test").status == 200


def test_the_longest_link_passes(served: System, api: Api) -> None:
    sender = unique()
    words = f'Link: </api/message?From={sender}&Content=&before=&limit=1&after=>; rel="next"'
    newest = len(str(api.newest_id()))
    # `before` makes up for an ID that has a digit more than the one before.
    content = "x" * (link_bytes_max() - len(words) - newest - 15)
    first, _ = store_two(api, sender, content)
    digits = link_bytes_max() - len(words) - len(content) - len(str(first))

    def ask(digits: int) -> Answer:
        before = "9" * digits
        target = query(From=sender, Content=content, before=before, limit=1)
        answer = api.get(target, {"X-Request-ID": REQUEST_ID})
        assert answer.status == 200, answer
        assert answer.header("X-Request-ID") == REQUEST_ID
        assert [message["ID"] for message in answer.json()] == [first]
        return answer

    longest = ask(digits)
    assert len(f"Link: {longest.header('Link')}") == link_bytes_max()
    assert longest.header("Continue-After") is None
    longer = ask(digits + 1)
    assert longer.header("Link") is None
    assert longer.header("Continue-After") == str(first)


@pytest.mark.parametrize(
    "sent, character, count",
    [
        ("/", "/", 12_000),
        ("+", " ", 11_000),
        ("%C3%A9", "é", 2000),
        ("%20", " ", 6000),
        ("x", "x", 18_000),
        ("x", "x", 30_000),
        ("x", "x", 60_000),
    ],
)
def test_a_long_filter_with_a_next_page_is_answered_or_refused(
    served: System, api: Api, sent: str, character: str, count: int
) -> None:
    sender = unique()
    first, second = store_two(api, sender, character * count)
    target = f"{query(From=sender, limit=1)}&Content={sent * count}"
    answer = raw.exchange(
        served.port, raw.request(f"GET {target} HTTP/1.1", ["Host: 127.0.0.1"])
    )
    if len(target) > LINE_BYTES and answer.status in REFUSALS:
        assert_no_version(answer)
    else:
        assert answer.status == 200, answer
        assert [message["ID"] for message in answer.json()] == [first]
        if answer.header("Link") is None:
            assert answer.header("Continue-After") == str(first)
            answer = api.get(f"{target}&after={first}")
            assert [message["ID"] for message in answer.json()] == [second]
    assert_all_serve(served, api)
