# SPDX-License-Identifier: MIT
"""JSON as RFC 8259 has it: what a strict parser refuses is refused."""

import pytest

from answers import assert_problem
from conftest import StoresNothing
from http_client import Api, unique


def member(value: bytes) -> bytes:
    """A good message with a further member of this value."""
    return b'{"From": "@", "Content": "b", "x": ' + value + b"}"


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return member(opening * depth + closing * depth)


GOOD = {
    "plain": b'{"From":"@","Content":"b"}',
    "blanks around": b' \t\r\n{ "From" : "@" , "Content" : "b" } \t\r\n',
    "escaped names": b'{"\\u0046rom":"@","C\\u006fntent":"b"}',
    "escapes": b'{"From":"@","Content":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00"}',
    "DEL is no control": b'{"From":"@","Content":"\x7f"}',
    "U+2028": '{"From":"@","Content":"\u2028\u2029"}'.encode(),
    "noncharacters": '{"From":"@","Content":"\uffff\U0010ffff"}'.encode(),
    "zero": member(b"0"),
    "minus zero": member(b"-0"),
    "fraction": member(b"-0.10"),
    "exponents": member(b"[1e5,1E+5,1e-05,0e0,1.5e999]"),
    "big number": member(b"9" * 400),
    "words": member(b"[true,false,null]"),
    "empty ones": member(b'[{},[],""]'),
    "duplicate others": member(b'{"a":1,"a":2}'),
    "depth 32": nested(31),
    "objects of depth 32": member(b'{"a":' * 30 + b"{}" + b"}" * 30),
}

BAD = {
    "empty": b"",
    "blanks only": b" \n",
    "an array": b'[{"From":"a","Content":"b"}]',
    "a string": b'"From"',
    "a number": b"1",
    "null": b"null",
    "not closed": b'{"From":"@","Content":"b"',
    "string not closed": b'{"From":"@","Content":"b}',
    "closed twice": b'{"From":"@","Content":"b"}}',
    "a second value": b'{"From":"@","Content":"b"}{"From":"@","Content":"b"}',
    "text after": b'{"From":"@","Content":"b"} x',
    "a NUL after": b'{"From":"@","Content":"b"}\0',
    "byte order mark": b'\xef\xbb\xbf{"From":"@","Content":"b"}',
    "UTF-16": '{"From":"@","Content":"b"}'.encode("utf-16"),
    "form feed between": b'{"From":"@",\f"Content":"b"}',
    "no-break space between": '{"From":"@",\u00a0"Content":"b"}'.encode(),
    "trailing comma": b'{"From":"@","Content":"b",}',
    "trailing comma in array": member(b"[1,]"),
    "leading comma": b'{,"From":"@","Content":"b"}',
    "double comma": b'{"From":"@",,"Content":"b"}',
    "no comma": b'{"From":"@" "Content":"b"}',
    "no colon": b'{"From" "@","Content":"b"}',
    "double colon": b'{"From"::"@","Content":"b"}',
    "no value": b'{"From":,"Content":"b"}',
    "name without quotes": b'{From:"@","Content":"b"}',
    "single quotes": b"{'From':'@','Content':'b'}",
    "name is a number": b'{1:1,"From":"@","Content":"b"}',
    "block comment": b'{"From":"@",/* */"Content":"b"}',
    "line comment": b'{"From":"@","Content":"b"} // x',
    "hash comment": b'{"From":"@","Content":"b"} # x',
    "-01": member(b"-01"),
    "01": member(b"01"),
    "2.e3": member(b"2.e3"),
    "1.": member(b"1."),
    ".5": member(b".5"),
    "+1": member(b"+1"),
    "1e": member(b"1e"),
    "1e+": member(b"1e+"),
    "1e5.5": member(b"1e5.5"),
    "minus alone": member(b"-"),
    "minus minus": member(b"--1"),
    "minus blank": member(b"- 1"),
    "hexadecimal": member(b"0x10"),
    "1_000": member(b"1_000"),
    "NaN": member(b"NaN"),
    "nan": member(b"nan"),
    "Infinity": member(b"Infinity"),
    "-Infinity": member(b"-Infinity"),
    "True": member(b"True"),
    "nul": member(b"nul"),
    "truefalse": member(b"truefalse"),
    "raw newline": b'{"From":"@","Content":"a\nb"}',
    "raw tab": b'{"From":"@","Content":"a\tb"}',
    "raw NUL": b'{"From":"@","Content":"a\0b"}',
    "raw U+001F": b'{"From":"@","Content":"\x1f"}',
    "raw newline in a name": b'{"a\nb":1,"From":"@","Content":"b"}',
    "escape x": b'{"From":"@","Content":"\\x41"}',
    "escape quote": b'{"From":"@","Content":"\\\'"}',
    "escape a": b'{"From":"@","Content":"\\a"}',
    "escaped newline": b'{"From":"@","Content":"\\\n"}',
    "short unicode": b'{"From":"@","Content":"\\u12"}',
    "unicode not hexadecimal": b'{"From":"@","Content":"\\u00g0"}',
    "capital U": b'{"From":"@","Content":"\\U0041"}',
    "array closed by brace": member(b"[1}"),
    "array not closed": member(b"[1"),
    "colon in array": member(b'["a":1]'),
    "comma in object value": member(b"1,2"),
    "depth 33": nested(32),
    "objects of depth 33": member(b'{"a":' * 31 + b"{}" + b"}" * 31),
    "very deep": nested(60_000),
    "very deep, never closed": b"[" * 100_000,
    "lone surrogate elsewhere": member(b'"\\ud800"'),
    "lone surrogate in a name": b'{"\\udead":1,"From":"@","Content":"b"}',
    "bad UTF-8 elsewhere": member(b'"\xff"'),
    "overlong UTF-8 elsewhere": member(b'"\xc0\xaf"'),
    "surrogate as UTF-8 elsewhere": member(b'"\xed\xa0\x80"'),
    "bad UTF-8 in a name": b'{"\xfe":1,"From":"@","Content":"b"}',
    "bad UTF-8 between": b'{"From":"@",\xff"Content":"b"}',
}


@pytest.mark.parametrize("name", GOOD)
def test_good_json_is_stored(api: Api, name: str) -> None:
    sender = unique()
    answer = api.post(GOOD[name].replace(b"@", sender.encode()))
    assert answer.status == 201, answer
    assert api.messages(From=sender) == [answer.json()]


@pytest.mark.parametrize("name", BAD)
def test_bad_json_is_refused(
    api: Api, name: str, stores_nothing: StoresNothing
) -> None:
    with stores_nothing():
        assert_problem(api.post(BAD[name]), 400, "invalid_json")


def test_a_refusal_says_where(api: Api) -> None:
    problem = assert_problem(
        api.post(b'{"From":"a","Content":"b",}'), 400, "invalid_json"
    )
    assert "26" in problem["detail"]
