# SPDX-License-Identifier: MIT
"""GET /api/message as NDJSON: every match, one message a line."""

from collections.abc import Iterator
from typing import Any

import pytest

from answers import assert_problem
from http_client import NDJSON, Api, query, unique

Message = dict[str, Any]
ACCEPT = {"Accept": NDJSON}


@pytest.fixture
def many(api: Api) -> Iterator[list[Message]]:
    """More than the limit that a page has unless given."""
    sender = unique("many ñ")
    yield [api.store(sender, f"line\n{number}\u2028") for number in range(120)]


def test_all_matches_come(api: Api, many: list[Message]) -> None:
    answer = api.get(query(From=many[0]["From"]), ACCEPT)
    assert answer.status == 200
    assert answer.header("Content-Type") == NDJSON
    assert answer.header("Link") is None
    assert answer.lines() == many
    assert answer.body.count(b"\n") == len(many)


def test_filters_and_order_hold(api: Api, many: list[Message]) -> None:
    target = query(
        From=many[0]["From"], after=many[9]["ID"], before=many[20]["ID"], order="desc"
    )
    assert api.get(target, ACCEPT).lines() == many[10:20][::-1]
    assert api.get(query(ID=many[3]["ID"]), ACCEPT).lines() == [many[3]]


@pytest.mark.parametrize("limit", [1, 119, 120, 121, 1000])
def test_a_limit_that_is_given_holds(
    api: Api, many: list[Message], limit: int
) -> None:
    answer = api.get(query(From=many[0]["From"], limit=limit), ACCEPT)
    assert answer.lines() == many[:limit]
    assert (answer.header("Link") is None) == (limit >= 120)


def test_no_match_is_no_line(api: Api) -> None:
    answer = api.get(query(From=unique("nobody")), ACCEPT)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("Content-Type") == NDJSON


@pytest.mark.parametrize(
    "accept, streams",
    [
        ("application/x-ndjson", True),
        ("Application/X-NDJSON", True),
        ("application/x-ndjson; q=0.5", True),
        ("text/html, application/x-ndjson;q=0.9, */*;q=0.1", True),
        ("application/x-ndjson;q=0", False),
        ("application/x-ndjson;q=0.000", False),
        ("*/*", False),
        ("application/*", False),
        ("application/json", False),
        ("application/x-ndjsonx", False),
        ("", False),
    ],
)
def test_accept_chooses(api: Api, accept: str, streams: bool) -> None:
    message = api.store(unique(), "x")
    answer = api.get(query(ID=message["ID"]), {"Accept": accept})
    assert answer.status == 200
    if streams:
        assert answer.header("Content-Type") == NDJSON
        assert answer.lines() == [message]
    else:
        assert answer.header("Content-Type") == "application/json"
        assert answer.json() == [message]


def test_a_faulty_parameter_is_a_problem_here_too(api: Api) -> None:
    answer = api.get("/api/message?limit=1001", ACCEPT)
    assert_problem(answer, 400, "invalid_parameter", {"limit"})
