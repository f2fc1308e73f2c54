# SPDX-License-Identifier: MIT
"""Bodies of POST /api/message: their types, and all that is wrong in them."""

import pytest

from answers import assert_problem, fault_of
from conftest import StoresNothing
from http_client import (
    BOUNDARY,
    FORM,
    JSON,
    MULTIPART,
    Api,
    Bytes,
    escape,
    form_body,
    json_body,
    multipart_body,
    unique,
)

Fields = list[tuple[Bytes, Bytes]]

GOOD_TYPES = [
    (JSON, "json"),
    ("application/json; charset=utf-8", "json"),
    ('application/json;charset="UTF-8"', "json"),
    ("Application/JSON ; Charset=Utf-8", "json"),
    (FORM, "form"),
    (f"{FORM}; charset=UTF-8", "form"),
    (f"{FORM.upper()};charset=utf-8", "form"),
    (MULTIPART, "multipart"),
    (f'multipart/form-data; boundary="{BOUNDARY}"', "multipart"),
    (f"Multipart/Form-Data; charset=utf-8; BOUNDARY={BOUNDARY}", "multipart"),
]


def encode(kind: str, fields: Fields) -> bytes:
    if kind == "form":
        return form_body(fields)
    if kind == "multipart":
        return multipart_body(fields)
    texts = {str(name): str(value) for name, value in fields}
    return json_body(texts["From"], texts["Content"])


@pytest.mark.parametrize("content_type, kind", GOOD_TYPES)
def test_a_body_of_this_type_is_stored(api: Api, content_type: str, kind: str) -> None:
    sender, content = unique("ñandú"), "¿qué tal? 1+1=2 & 100 %"
    body = encode(kind, [("From", sender), ("Content", content)])
    answer = api.post(body, content_type)
    assert answer.status == 201, answer
    assert (answer.json()["From"], answer.json()["Content"]) == (sender, content)
    assert api.messages(From=sender) == [answer.json()]


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/xml",
        "application/jsonp",
        "application/json-seq",
        "application",
        "json",
        "multipart/mixed; boundary=x",
        "application/json; charset=iso-8859-1",
        "application/json; charset=utf-16",
        f"{FORM}; charset=windows-1252",
        f"{MULTIPART}; charset=latin1",
        "application/json; charset=",
    ],
)
def test_another_type_or_charset_is_415(
    api: Api, content_type: str | None, stores_nothing: StoresNothing
) -> None:
    with stores_nothing():
        answer = api.post(json_body("a", "b"), content_type)
        problem = assert_problem(answer, 415, "unsupported_media_type")
    assert "application/json" in problem["detail"] or "UTF-8" in problem["detail"]


@pytest.mark.parametrize("content_type", [FORM, MULTIPART])
def test_a_form_that_looks_like_json_says_what_to_do(
    api: Api, content_type: str, stores_nothing: StoresNothing
) -> None:
    with stores_nothing():
        answer = api.post(json_body("a", "b"), content_type)
        problem = assert_problem(answer, 400, "invalid_form")
    detail = problem["detail"]
    assert "Content-Type" in detail and "application/json" in detail


# name, fields, what is at fault
FAULTY_FIELDS: list[tuple[str, Fields, set[str]]] = [
    ("nothing", [], {"From", "Content"}),
    ("no From", [("Content", "b")], {"From"}),
    ("no Content", [("From", "a")], {"Content"}),
    ("empty From", [("From", ""), ("Content", "b")], {"From"}),
    ("empty Content", [("From", "a"), ("Content", "")], {"Content"}),
    ("both empty", [("From", ""), ("Content", "")], {"From", "Content"}),
    ("other case", [("from", "a"), ("CONTENT", "b")], {"From", "Content"}),
    ("blank in the name", [("From ", "a"), ("Content", "b")], {"From"}),
    ("From twice", [("From", "a"), ("From", "a"), ("Content", "b")], {"From"}),
    ("Content twice", [("Content", "b"), ("From", "a"), ("Content", "c")], {"Content"}),
    ("From too long", [("From", "x" * 256), ("Content", "b")], {"From"}),
    ("Content too long", [("From", "a"), ("Content", "x" * 65_536)], {"Content"}),
    ("From not UTF-8", [("From", b"\xff"), ("Content", "b")], {"From"}),
    ("Content not UTF-8", [("From", "a"), ("Content", b"\xc0\x80")], {"Content"}),
    ("surrogate", [("From", b"\xed\xa0\x80"), ("Content", "b")], {"From"}),
    ("cut character", [("From", "a"), ("Content", b"ok \xf0\x9f\x98")], {"Content"}),
    ("above U+10FFFF", [("From", b"\xf4\x90\x80\x80"), ("Content", "b")], {"From"}),
    ("NUL in From", [("From", "a\0b"), ("Content", "b")], {"From"}),
    ("NUL in Content", [("From", "a"), ("Content", "\0")], {"Content"}),
    ("all at once", [("From", b"\xff"), ("Content", "a\0")], {"From", "Content"}),
]


@pytest.mark.parametrize("kind", ["form", "multipart"])
@pytest.mark.parametrize(
    "fields, at_fault",
    [row[1:] for row in FAULTY_FIELDS],
    ids=[row[0] for row in FAULTY_FIELDS],
)
def test_faulty_fields_are_all_named(
    api: Api,
    kind: str,
    fields: Fields,
    at_fault: set[str],
    stores_nothing: StoresNothing,
) -> None:
    content_type = FORM if kind == "form" else MULTIPART
    with stores_nothing():
        answer = api.post(encode(kind, fields), content_type)
        assert_problem(answer, 400, "invalid_message", at_fault)


FAULTY_MEMBERS: list[tuple[bytes, set[str]]] = [
    (b"{}", {"From", "Content"}),
    (b'{"From": "a"}', {"Content"}),
    (b'{"Content": "b"}', {"From"}),
    (b'{"from": "a", "content": "b"}', {"From", "Content"}),
    (b'{"From": "", "Content": ""}', {"From", "Content"}),
    (b'{"From": 1, "Content": null}', {"From", "Content"}),
    (b'{"From": true, "Content": ["b"]}', {"From", "Content"}),
    (b'{"From": {"a": "b"}, "Content": "b"}', {"From"}),
    (b'{"From": -0.5e+3, "Content": false}', {"From", "Content"}),
    (b'{"From": "a", "From": "a", "Content": "b"}', {"From"}),
    (b'{"From": "a", "Fr\\u006fm": "a", "Content": "b"}', {"From"}),
    (b'{"From": "a", "Content": "b", "Content": 1}', {"Content"}),
    (b'{"From": "a\\u0000", "Content": "\\u0000"}', {"From", "Content"}),
    (b'{"From": "\\ud800", "Content": "b"}', {"From"}),
    (b'{"From": "a", "Content": "x\\udc00\\ud800"}', {"Content"}),
    (b'{"From": "\\ud83d x", "Content": "\\ude00"}', {"From", "Content"}),
    (b'{"From": "\xff", "Content": "\xc3"}', {"From", "Content"}),
    (b'{"From": "\xed\xa0\x80", "Content": "\xe0\x80\x80"}', {"From", "Content"}),
    (b'{"From": "a", "Content": "\xf5\x80\x80\x80"}', {"Content"}),
    (b'{"From\\u0000": "a", "Content": "b"}', {"From"}),
    (b'{"From": "' + b"x" * 256 + b'", "Content": 7}', {"From", "Content"}),
]


@pytest.mark.parametrize("body, at_fault", FAULTY_MEMBERS)
def test_faulty_members_are_all_named(
    api: Api, body: bytes, at_fault: set[str], stores_nothing: StoresNothing
) -> None:
    with stores_nothing():
        assert_problem(api.post(body), 400, "invalid_message", at_fault)


def test_a_fault_says_what_would_be_right(api: Api) -> None:
    body = b'{"From": "' + b"x" * 256 + b'", "Content": 7}'
    problem = assert_problem(
        api.post(body), 400, "invalid_message", {"From", "Content"}
    )
    assert "255" in fault_of(problem, "From")["detail"]
    assert "256" in fault_of(problem, "From")["detail"]
    assert "string" in fault_of(problem, "Content")["detail"]


def test_other_members_are_ignored(api: Api) -> None:
    sender = unique()
    body = (
        b'{"ID": 1, "x": [{"From": "b"}], "From": "%s", "x": null,'
        b' "Content": "c", "Date": "never", "": 1}' % sender.encode()
    )
    message = api.post(body).json()
    assert (message["From"], message["Content"]) == (sender, "c")
    assert message["ID"] != 1 and message["Date"] != "never"


@pytest.mark.parametrize("kind", ["form", "multipart"])
def test_other_fields_are_ignored(api: Api, kind: str) -> None:
    sender = unique()
    fields: Fields = [
        ("ID", "1"), ("x", ""), ("From", sender), ("x", "\0"), ("Content", "c"),
    ]  # fmt: skip
    answer = api.post(encode(kind, fields), FORM if kind == "form" else MULTIPART)
    assert answer.status == 201, answer
    assert (answer.json()["From"], answer.json()["Content"]) == (sender, "c")


@pytest.mark.parametrize(
    "body, content",
    [
        ("From={}&Content=a+b", "a b"),
        ("From={}&Content=a%2Bb", "a+b"),
        ("&&From={}&&Content=%e2%82%ac&", "€"),
        ("Content=a=b=c&From={}", "a=b=c"),
        ("%46rom={}&C%6fntent=ñ", "ñ"),
        ("From={}&Content=%26%3D%25", "&=%"),
        ("From={}&Content=a;b", "a;b"),
    ],
)
def test_urlencoded_forms_are_decoded(api: Api, body: str, content: str) -> None:
    sender = unique()
    answer = api.post(body.format(escape(sender)).encode(), FORM)
    assert answer.status == 201, answer
    assert (answer.json()["From"], answer.json()["Content"]) == (sender, content)


@pytest.mark.parametrize("bad", ["%", "%4", "%zz", "%4g", "100%", "%%20"])
def test_a_bad_percent_names_the_field(
    api: Api, bad: str, stores_nothing: StoresNothing
) -> None:
    with stores_nothing():
        answer = api.post(f"From=a&Content={bad}".encode(), FORM)
        problem = assert_problem(answer, 400, "invalid_form", {"Content"})
    assert fault_of(problem, "Content")["code"] == "invalid_percent"


BROKEN_MULTIPARTS = {
    "empty": b"",
    "no boundary at all": b"From=a&Content=b",
    "not closed": multipart_body([("From", "a"), ("Content", "b")])[:-4],
    "part without name": b"--B\r\nContent-Disposition: form-data\r\n\r\na\r\n--B--\r\n",
    "part without disposition": b"--B\r\nX: y\r\n\r\na\r\n--B--\r\n",
    "headers without end": b'--B\r\nContent-Disposition: form-data; name="From"',
    "not form-data": b'--B\r\nContent-Disposition: file; name="From"\r\n\r\na\r\n--B--',
}


@pytest.mark.parametrize("name", BROKEN_MULTIPARTS)
def test_a_broken_multipart_is_400(
    api: Api, name: str, stores_nothing: StoresNothing
) -> None:
    body = BROKEN_MULTIPARTS[name].replace(b"--B", b"--" + BOUNDARY.encode())
    with stores_nothing():
        assert_problem(api.post(body, MULTIPART), 400, "invalid_form")


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 71,
    ],
)
def test_a_multipart_needs_its_boundary(
    api: Api, content_type: str, stores_nothing: StoresNothing
) -> None:
    with stores_nothing():
        answer = api.post(multipart_body([("From", "a"), ("Content", "b")]), content_type)
        assert_problem(answer, 400, "invalid_form")


def test_a_transfer_encoding_in_a_part_is_refused(
    api: Api, stores_nothing: StoresNothing
) -> None:
    extra = b"Content-Transfer-Encoding: base64\r\n"
    body = multipart_body([("From", "YQ=="), ("Content", "Yg==")], extra)
    with stores_nothing():
        assert_problem(api.post(body, MULTIPART), 400, "invalid_form")


def test_another_charset_in_a_part_is_415(
    api: Api, stores_nothing: StoresNothing
) -> None:
    extra = b"Content-Type: text/plain; charset=iso-8859-1\r\n"
    body = multipart_body([("From", "a"), ("Content", "b")], extra)
    with stores_nothing():
        assert_problem(api.post(body, MULTIPART), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Type: text/plain; charset=utf-16",
        b"Content-Transfer-Encoding: base64",
    ],
    ids=["charset", "transfer encoding"],
)
def test_how_an_ignored_part_is_encoded_is_ignored(api: Api, header: bytes) -> None:
    sender = unique()
    ignored = multipart_body([("Other", "x")], header + b"\r\n")
    closing = b"--" + BOUNDARY.encode() + b"--\r\n"
    assert ignored.endswith(closing)
    body = ignored[: -len(closing)] + multipart_body([("From", sender), ("Content", "b")])
    answer = api.post(body, MULTIPART)
    assert answer.status == 201, answer
    assert answer.json()["From"] == sender


def test_parts_may_have_a_type_and_a_preamble(api: Api) -> None:
    sender = unique()
    extra = b"Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    content = "--\r\n--x\r\n\r\nñ\r\n"
    body = b"preamble\r\n" + multipart_body(
        [("From", sender), ("Content", content)], extra
    )
    answer = api.post(body + b"epilogue", MULTIPART)
    assert answer.status == 201, answer
    assert answer.json()["Content"] == content


def test_too_many_fields_are_refused(api: Api, stores_nothing: StoresNothing) -> None:
    fields: Fields = [("From", "a"), ("Content", "b"), *[("x", "y")] * 300]
    with stores_nothing():
        assert_problem(api.post(form_body(fields), FORM), 400, "invalid_form")
        assert_problem(api.post(multipart_body(fields), MULTIPART), 400, "invalid_form")
