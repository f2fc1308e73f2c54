# SPDX-License-Identifier: MIT
"""GET /api/message: filters, cursors, pages, and parameters at fault."""

import re
from typing import Any

import pytest

from answers import Answer, assert_problem
from http_client import Api, escape, query, unique

Message = dict[str, Any]


def next_page(answer: Answer) -> str | None:
    link = answer.header("Link")
    if link is None:
        return None
    found = re.fullmatch(r'<(/api/message\?[!-~]+)>; rel="next"', link)
    assert found, link
    return found[1]


def walk(api: Api, target: str) -> list[list[Message]]:
    """Every page, from this one to the last."""
    pages = []
    following: str | None = target
    while following is not None:
        answer = api.get(following)
        assert answer.status == 200, answer
        pages.append(answer.json())
        following = next_page(answer)
    return pages


@pytest.fixture
def seven(api: Api) -> list[Message]:
    """Seven messages of one sender, with others in between."""
    sender = unique("ñ seven &=%+")
    stored = []
    for number in range(7):
        stored.append(api.store(sender, "odd" if number % 2 else "even"))
        api.store(sender + "'s neighbour", "odd")
    return stored


LOOKALIKES = [
    "jose", "José", "Jose\u0301", "josé", "JOSE", "jose ", " jose", "jose\t",
    "jose\n", "ĵose", "ｊose", "jos", "josee", "jo\u00adse", "jose\u200b", "ﬆ", "st",
    "ß", "ss", "ı", "i", "İ", "I", "\\", "\\\\", "%", "_", "'", "''", "?",
]  # fmt: skip


@pytest.mark.parametrize("parameter", ["From", "Content"])
def test_filters_are_exact_byte_for_byte(api: Api, parameter: str) -> None:
    mark = unique()
    stored = {}
    for text in LOOKALIKES:
        sender, content = (mark + text, "x") if parameter == "From" else ("x", mark + text)
        stored[text] = api.store(sender, content)
    for text, message in stored.items():
        assert api.messages(**{parameter: mark + text}) == [message], repr(text)


def test_plus_in_a_filter_is_a_blank(api: Api) -> None:
    sender = unique("a b")
    message = api.store(sender, "a+b")
    target = f"/api/message?From={escape(sender).replace('%20', '+')}&Content=a%2bb"
    assert api.get(target).json() == [message]


def test_an_id_finds_that_one(api: Api, seven: list[Message]) -> None:
    for message in seven:
        assert api.messages(ID=message["ID"]) == [message]
    assert api.messages(ID=2**63 - 1) == []


def ids(messages: list[Message]) -> list[int]:
    return [message["ID"] for message in messages]


def test_filters_combine_with_and(api: Api, seven: list[Message]) -> None:
    sender = seven[0]["From"]
    first, last = seven[0]["ID"], seven[6]["ID"]
    rows: list[tuple[dict[str, str | int], list[int]]] = [
        ({}, [0, 1, 2, 3, 4, 5, 6]),
        ({"Content": "even"}, [0, 2, 4, 6]),
        ({"Content": "none"}, []),
        ({"after": first}, [1, 2, 3, 4, 5, 6]),
        ({"before": last}, [0, 1, 2, 3, 4, 5]),
        ({"after": first, "before": last}, [1, 2, 3, 4, 5]),
        ({"after": last, "before": first}, []),
        ({"Content": "odd", "after": first, "before": last}, [1, 3, 5]),
        ({"Content": "odd", "order": "desc"}, [5, 3, 1]),
        ({"order": "asc", "limit": 2}, [0, 1]),
        ({"order": "desc", "limit": 2}, [6, 5]),
        ({"after": first, "limit": 2}, [1, 2]),
        ({"after": first, "order": "desc", "limit": 2}, [6, 5]),
        ({"before": last, "order": "desc", "limit": 2}, [5, 4]),
        ({"ID": seven[3]["ID"]}, [3]),
        ({"ID": seven[3]["ID"], "Content": "even"}, []),
        ({"ID": seven[3]["ID"], "Content": "odd", "after": first}, [3]),
        ({"ID": seven[3]["ID"], "before": first}, []),
    ]
    for parameters, expected in rows:
        found = api.messages(From=sender, **parameters)
        assert found == [seven[n] for n in expected], parameters


def test_without_from_the_neighbours_count(api: Api, seven: list[Message]) -> None:
    first, last = seven[0]["ID"], seven[6]["ID"]
    between = api.messages(after=first - 1, before=last + 1)
    assert len(between) == 13
    assert ids(between) == sorted(ids(between))
    backwards = api.messages(after=first - 1, before=last + 1, order="desc")
    assert backwards == between[::-1]
    odd = api.messages(Content="odd", after=first - 1, before=last + 1)
    assert odd == [m for m in between if m["Content"] == "odd"]


@pytest.mark.parametrize("order", ["asc", "desc", None])
@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
def test_links_lead_to_the_end(
    api: Api, seven: list[Message], order: str | None, limit: int
) -> None:
    target = query(From=seven[0]["From"], limit=limit)
    if order is not None:
        target += f"&order={order}"
    pages = walk(api, target)
    expected = seven[::-1] if order == "desc" else seven
    assert [m for page in pages for m in page] == expected
    assert all(len(page) == limit for page in pages[:-1])
    assert 1 <= len(pages[-1]) <= limit
    assert len(pages) == -(-len(seven) // limit)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_links_keep_every_filter(
    api: Api, seven: list[Message], order: str
) -> None:
    target = query(
        From=seven[0]["From"],
        Content="even",
        after=seven[0]["ID"],
        before=seven[6]["ID"] + 1,
        order=order,
        limit=1,
    )
    pages = walk(api, target)
    expected = [[seven[2]], [seven[4]], [seven[6]]]
    assert pages == (expected[::-1] if order == "desc" else expected)


def test_a_link_brings_what_came_meanwhile(api: Api, seven: list[Message]) -> None:
    sender = seven[0]["From"]
    following = next_page(api.get(query(From=sender, limit=6)))
    added = api.store(sender, "later")
    assert following is not None
    assert api.get(following).json() == [seven[6], added]


# Content as a client may send it, and how often: longer than a Link can be once all
# of it is escaped.
LONG_FILTERS = [("/", "/", 12_000), ("+", " ", 11_000), ("%C3%A9", "é", 2000)]


@pytest.mark.parametrize("sent, character, count", LONG_FILTERS)
@pytest.mark.parametrize("order, header", [("asc", "After"), ("desc", "Before")])
def test_a_filter_too_long_for_a_link_says_where_to_go_on(
    api: Api, sent: str, character: str, count: int, order: str, header: str
) -> None:
    sender = unique()
    stored = [api.store(sender, character * count) for _ in range(2)]
    if order == "desc":
        stored.reverse()
    target = f"{query(From=sender, limit=1, order=order)}&Content={sent * count}"
    answer = api.get(target)
    assert answer.status == 200, answer
    assert answer.json() == stored[:1]
    assert answer.header("Link") is None
    cursor = answer.header(f"Continue-{header}")
    assert cursor == str(stored[0]["ID"])
    answer = api.get(f"{target}&{header.lower()}={cursor}")
    assert answer.json() == stored[1:]
    assert answer.header("Link") is answer.header(f"Continue-{header}") is None


def test_a_link_is_no_longer_than_the_filter_it_repeats(api: Api) -> None:
    sender, content = unique(), "/?:@ " * 1500
    stored = [api.store(sender, content) for _ in range(2)]
    sent = content.replace(" ", "+")
    answer = api.get(f"{query(From=sender, limit=1)}&Content={sent}")
    assert answer.json() == stored[:1]
    following = next_page(answer)
    assert following is not None and sent in following
    assert api.get(following).json() == stored[1:]


def test_limit_is_100_unless_given(api: Api) -> None:
    sender = unique()
    stored = [api.store(sender, str(number)) for number in range(101)]
    answer = api.get(query(From=sender))
    assert answer.json() == stored[:100]
    assert api.get(next_page(answer) or "").json() == stored[100:]
    answer = api.get(query(From=sender, limit=1000))
    assert (answer.json(), next_page(answer)) == (stored, None)
    answer = api.get(query(From=sender, before=stored[100]["ID"]))
    assert (answer.json(), next_page(answer)) == (stored[:100], None)


@pytest.mark.parametrize(
    "target",
    ["/api/message?", "/api/message?&&", "/api/message?limit=5&", "/api/message"],
)
def test_empty_pieces_of_a_query_do_not_matter(api: Api, target: str) -> None:
    assert api.get(target).status == 200


KNOWN = ["From", "Content", "ID", "after", "before", "order", "limit"]
BIG = 2**63

# query, the parameters at fault
FAULTY_QUERIES: list[tuple[str, set[str]]] = [
    ("colour=red", {"colour"}),
    ("from=a", {"from"}),
    ("id=1", {"id"}),
    ("LIMIT=1", {"LIMIT"}),
    ("%20limit=1", {" limit"}),
    ("=1", {""}),
    ("a=1&b=2&limit=1", {"a", "b"}),
    ("limit=1&limit=1", {"limit"}),
    ("From=a&From=b", {"From"}),
    ("ID=1&ID=1", {"ID"}),
    ("order=asc&order=desc", {"order"}),
    ("limit=0", {"limit"}),
    ("limit=1001", {"limit"}),
    ("limit=-1", {"limit"}),
    ("limit=+1", {"limit"}),
    ("limit=%2B1", {"limit"}),
    ("limit=%201", {"limit"}),
    ("limit=1%20", {"limit"}),
    ("limit=1.0", {"limit"}),
    ("limit=1e2", {"limit"}),
    ("limit=0x10", {"limit"}),
    ("limit=", {"limit"}),
    ("limit", {"limit"}),
    ("limit=ten", {"limit"}),
    ("limit=%D9%A1", {"limit"}),
    ("limit=1%00", {"limit"}),
    ("limit=18446744073709551617", {"limit"}),
    ("ID=0", {"ID"}),
    ("ID=-1", {"ID"}),
    ("ID=x", {"ID"}),
    ("ID=", {"ID"}),
    ("ID=1%27%20OR%201=1", {"ID"}),
    ("ID=99999999999999999999", {"ID"}),
    ("after=-1", {"after"}),
    ("after=", {"after"}),
    ("after=99999999999999999999", {"after"}),
    ("after=1;before=2", {"after"}),
    ("before=-1", {"before"}),
    ("before=now", {"before"}),
    ("before=184467440737095516160", {"before"}),
    ("order=", {"order"}),
    ("order=ASC", {"order"}),
    ("order=random", {"order"}),
    ("order=asc%00", {"order"}),
    ("From=%FF", {"From"}),
    ("From=%C3", {"From"}),
    ("From=%ED%A0%80", {"From"}),
    ("From=%F4%90%80%80", {"From"}),
    ("From=a%00", {"From"}),
    ("From=", {"From"}),
    ("From=" + "x" * 256, {"From"}),
    ("Content=%C0%AF", {"Content"}),
    ("Content=%00", {"Content"}),
    ("Content=", {"Content"}),
    ("limit=0&order=up&From=%FF&x=1&ID=a", {"limit", "order", "From", "x", "ID"}),
]


@pytest.mark.parametrize("query_string, at_fault", FAULTY_QUERIES)
def test_a_faulty_parameter_is_named(
    api: Api, query_string: str, at_fault: set[str]
) -> None:
    answer = api.get(f"/api/message?{query_string}")
    problem = assert_problem(answer, 400, "invalid_parameter", at_fault)
    for known in KNOWN:
        assert known in str(problem), f"{known} is not listed"


@pytest.mark.parametrize("bad", ["%", "%4", "%zz", "a%", "%u0041"])
@pytest.mark.parametrize("parameter", ["From", "limit", "x"])
def test_a_bad_percent_is_400(api: Api, parameter: str, bad: str) -> None:
    answer = api.get(f"/api/message?{parameter}={bad}")
    assert answer.status == 400
    problem = assert_problem(answer, 400, answer.json()["code"], {parameter})
    assert problem["code"] in ("invalid_parameter", "invalid_form")


def test_faults_that_find_no_place_are_counted(api: Api) -> None:
    answer = api.get("/api/message?" + "&".join(f"p{n}=x" for n in range(20)))
    listed = {f"p{n}" for n in range(16)}
    problem = assert_problem(answer, 400, "invalid_parameter", listed)
    named = len(re.findall(r"p\d+: ", problem["detail"]))
    more = re.search(r"And (\d+) more\.", problem["detail"])
    assert more and named + int(more[1]) == 20


def test_a_name_that_is_not_utf8_is_400(api: Api) -> None:
    answer = api.get("/api/message?%FF=1")
    assert_problem(answer, 400, "invalid_parameter", {"\ufffd"})


def test_what_a_client_sent_is_quoted_safely(api: Api) -> None:
    name = '"}\\\n<script>\x07' + "n" * 300
    answer = api.get(f"/api/message?{escape(name)}=1")
    assert answer.status == 400
    assert len(answer.body) < 2000
    assert answer.json()["errors"][0]["field"].startswith('"}\\')


@pytest.mark.parametrize("parameter, value", [
    ("after", 0), ("before", 1), ("before", 0), ("after", BIG - 1), ("before", BIG - 1),
    ("ID", 1), ("ID", BIG - 1), ("limit", 1), ("limit", 1000),
])  # fmt: skip
def test_the_ends_of_the_ranges_are_in_them(
    api: Api, parameter: str, value: int
) -> None:
    assert api.get(query(**{parameter: value})).status == 200


def test_post_takes_no_parameters_but_does_not_break(api: Api) -> None:
    """What a POST does with a query is not promised; it must be whole."""
    answer = api.request("POST", "/api/message?limit=0", {}, b"")
    assert answer.status in (400, 415)
