# SPDX-License-Identifier: MIT
"""What was sent comes back byte for byte."""

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from http_client import (
    BOUNDARY,
    FORM,
    JSON,
    MULTIPART,
    NDJSON,
    Api,
    form_body,
    json_body,
    multipart_body,
    query,
    unique,
)

TEXTS = {
    "four bytes": "😀🏳️‍🌈👩‍👩‍👧‍👦 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𓀀",
    "combining marks": "e\u0301 é Å A\u030a Z\u0351\u036b\u0343\u036a\u0302",
    "order of marks": "q\u0307\u0323 q\u0323\u0307",
    "right to left": "שלום עליכם \u202eabc\u202c مرحبا",
    "CJK": "漢字 かな ハングル 한글 각 \u1112\u1161\u11ab",
    "quotes": "'\"`´‘’“”«»''\"\"",
    "backslashes": "\\ \\\\ \\n \\0 \\u0041 \\' \\\" \\x00 \\%",
    "SQL": "'; DROP TABLE message; -- \" OR 1=1 /* */ # %_ {d '2020'} ?",
    "SQL escapes": "x' \\' UNION SELECT 1 -- \\",
    "JSON": '{"From": "x", "Content": ["y"]}',
    "markup": "<script>alert(1)</script>&amp;&#0;<!-- ]]>",
    "format": "%s %n %d %% %c {0} ${x} $(x) `x`",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f",
    "C1 controls": "".join(map(chr, range(0x80, 0xA0))),
    "newlines": "\n\r\n\r\n\n",
    "blanks around": "  \t x \u00a0\u3000 ",
    "blanks only": "   ",
    "one blank": " ",
    "trailing newline": "x\r\n",
    "U+FFFF": "\uffff\ufffe\ufdd0",
    "U+10FFFF": "\U0010ffff\U0010fffe",
    "before the surrogates": "\ud7ff\ue000",
    "replacement": "\ufffd",
    "byte order mark": "\ufeffx\ufeff",
    "separators": "\u2028\u2029\u0085\x0b\x0c",
    "invisible": "\u200b\u200c\u200d\u2060\u00ad\U000e0041",
    "form": "a=b&c=d+e%20%41;f",
    "multipart": f"\r\n--x\r\n--{BOUNDARY[:-1]}\r\n--\r\n",
    "numbers": "00012.50e3",
    "words": "null",
    "date": "0000-00-00",
}

ENCODERS: dict[str, Callable[[str, str], bytes]] = {
    "JSON": json_body,
    "JSON in ASCII": lambda s, c: json.dumps({"From": s, "Content": c}).encode(),
    "form": lambda s, c: form_body([("From", s), ("Content", c)]),
    "multipart": lambda s, c: multipart_body([("From", s), ("Content", c)]),
}
TYPES = {"form": FORM, "multipart": MULTIPART}


def assert_round_trip(api: Api, kind: str, sender: str, content: str) -> None:
    body = ENCODERS[kind](sender, content)
    answer = api.post(body, TYPES.get(kind, JSON))
    assert answer.status == 201, answer
    message = answer.json()
    assert message["From"].encode() == sender.encode()
    assert message["Content"].encode() == content.encode()
    assert api.messages(ID=message["ID"]) == [message]
    newest = api.messages(From=sender, Content=content, order="desc", limit=1)
    assert newest == [message]
    stream = api.get(query(ID=message["ID"]), {"Accept": NDJSON})
    assert stream.lines() == [message]


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("name", TEXTS)
def test_text_comes_back_exactly(api: Api, name: str, kind: str) -> None:
    text = TEXTS[name]
    assert_round_trip(api, kind, text[:200], text)


@pytest.mark.parametrize("kind", ENCODERS)
def test_every_sort_of_character_comes_back(api: Api, kind: str) -> None:
    """One of each 31 code points, over all of Unicode but the surrogates."""
    step = 31
    points = [p for p in range(1, 0x110000, step) if not 0xD800 <= p < 0xE000]
    characters = "".join(map(chr, points))
    for at in range(0, len(characters), 9_000):
        content = characters[at : at + 9_000]
        answer = api.post(ENCODERS[kind](unique(), content), TYPES.get(kind, JSON))
        assert answer.status == 201, answer
        assert answer.json()["Content"] == content


# What a form may hold, for the boundary of ours cannot be found by chance.
ANY_TEXT = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"),
    min_size=1,
    max_size=255,
)


@pytest.mark.parametrize("kind", ENCODERS)
def test_any_text_comes_back_exactly(api: Api, kind: str) -> None:
    @settings(
        max_examples=60,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(sender=ANY_TEXT, content=ANY_TEXT)
    def check(sender: str, content: str) -> None:
        assert_round_trip(api, kind, sender, content)

    check()


def test_json_is_not_escaped_without_need(api: Api) -> None:
    """Only what RFC 8259 demands: text stays readable and short."""
    body = api.post(json_body(unique(), "a/ñ😀\u2028<'\x7f")).body
    assert "a/ñ😀\u2028<'\x7f".encode() in body
