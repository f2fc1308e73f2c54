# SPDX-License-Identifier: MIT
"""Whatever is sent through nginx gets the answer that was promised: what is good comes back
byte for byte, of what is not nothing is stored, and nothing changes how it is stored."""

import json
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import naughty
import raw
from answers import Answer, assert_common, assert_problem
from conftest import Figure, Scale
from database import Database
from fastcgi import PARAMS, STDIN, FastcgiApi, begin, name_value, parameters, stream
from http_client import (
    FORM,
    JSON,
    MULTIPART,
    Api,
    Requester,
    escape,
    form_body,
    json_body,
    multipart_body,
    unique,
)
from odd_requests import ODD
from system import System
from watch import Watch

# Whatever is asked, nobody waits for longer; SQL that gets out of its place sleeps 9 s.
PROMPT_SECONDS = 6

# nginx reads a request line of 20 KiB.
LONGEST_FILTER = 15_000

Case = TypeVar("Case")
Message = dict[str, Any]

ENCODERS: dict[str, Callable[[str, str], bytes]] = {
    "JSON": json_body,
    "JSON in ASCII": lambda s, c: json.dumps({"From": s, "Content": c}).encode(),
    "form": lambda s, c: form_body([("From", s), ("Content", c)]),
    "multipart": lambda s, c: multipart_body([("From", s), ("Content", c)]),
}
TYPES = {"JSON": JSON, "JSON in ASCII": JSON, "form": FORM, "multipart": MULTIPART}


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System(2) as started:
        yield started


@pytest.fixture(scope="module")
def watch(system: System) -> Watch:
    return Watch(system.database)


@pytest.fixture
def api(system: System) -> Iterator[Api]:
    connection = system.api()
    yield connection
    connection.close()


@pytest.fixture(scope="module", autouse=True)
def unchanged(watch: Watch) -> Iterator[None]:
    """All of it leaves the database as it was made. Tests with SQL ask for themselves."""
    with watch.same_schema():
        yield


@pytest.fixture(autouse=True)
def unharmed(system: System) -> Iterator[None]:
    """No test costs a replica its life."""
    yield
    assert not system.dead_replicas()


def check_all(cases: Mapping[str, Case], check: Callable[[Case], None]) -> int:
    """Checks each case, tells all that fail, and returns how many there are."""
    faults = []
    for name, case in cases.items():
        try:
            check(case)
        except AssertionError as error:
            faults.append(f"{name}: {str(error)[:400]}")
    assert not faults, f"{len(faults)} of {len(cases)}:\n" + "\n".join(faults)
    assert cases
    return len(cases)


@contextmanager
def promptly(seconds: float = PROMPT_SECONDS) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds, "it took too long"


# Text that comes back


class Ledger:
    """Sends messages, and knows what must have become of them."""

    def __init__(self, api: Requester) -> None:
        self.api = api
        self.start = api.newest_id()
        self.messages: list[Message] = []

    def send(self, kind: str, sender: str, content: str) -> None:
        with promptly():
            answer = self.api.post(ENCODERS[kind](sender, content), TYPES[kind])
        assert answer.status == 201, answer
        message = answer.json()
        assert message["From"].encode() == sender.encode(), (sender, message)
        assert message["Content"].encode() == content.encode(), (content, message)
        self.messages.append(message)

    def check_filter(self, name: str, text: str) -> None:
        """The filter finds those that have this very text, and no other."""
        if len(escape(text)) > LONGEST_FILTER:
            return
        with promptly():
            found = self.api.messages(**{name: text}, after=self.start, limit=1000)
        assert found == [m for m in self.messages if m[name] == text], (name, text)

    def check_filters(self) -> None:
        for name in ("From", "Content"):
            texts = {message[name] for message in self.messages}
            check_all({repr(t): t for t in texts}, lambda t: self.check_filter(name, t))

    def check_rows(self, database: Database) -> None:
        """The table has these very bytes, and no row more."""
        rows = database.run(
            "SELECT id, HEX(sender), HEX(content) FROM message"
            f" WHERE id > {self.start} ORDER BY id"
        )
        sent = [(m["ID"], m["From"].encode(), m["Content"].encode()) for m in self.messages]
        assert [(int(i), bytes.fromhex(s), bytes.fromhex(c)) for i, s, c in rows] == sent


@pytest.fixture
def ledger(api: Api, system: System) -> Iterator[Ledger]:
    """At the end all that was sent is there."""
    ledger = Ledger(api)
    yield ledger
    ledger.check_rows(system.database)


@pytest.mark.parametrize("kind", ENCODERS)
def test_naughty_strings_come_back(ledger: Ledger, kind: str, figure: Figure) -> None:
    texts = naughty.big_list() + list(naughty.UNICODE.values())
    cases = {repr(text): text for text in texts}
    count = check_all(cases, lambda text: ledger.send(kind, text[:255], text))
    if kind == "JSON":
        ledger.check_filters()
    figure(f"{count} of {len(cases)} strings came back byte for byte")


PIECES = st.one_of(
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40),
    st.sampled_from(naughty.SQL),
    st.sampled_from(list(naughty.UNICODE.values())),
    st.sampled_from(["%00", "\\u0000", "\r\n", "--", "&", "=", "+", ";", '"', "{", "From"]),
)
TEXTS = st.lists(PIECES, max_size=8).map("".join).filter(bool)


@pytest.mark.parametrize("kind", ENCODERS)
def test_any_text_comes_back(ledger: Ledger, kind: str, scale: Scale, figure: Figure) -> None:
    @settings(
        max_examples=scale(50, 2500),
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(sender=TEXTS, content=TEXTS)
    def check(sender: str, content: str) -> None:
        ledger.send(kind, sender[:255], content)

    check()
    ledger.check_filters()
    figure(f"{len(ledger.messages)} messages of any text came back byte for byte")


class Weak(Requester):
    """A service that does to text what others do."""

    def __init__(self, api: Requester, change: Callable[[str], str]) -> None:
        self.api = api
        self.change = change

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        if method == "POST" and body is not None:
            body = self.change(body.decode()).encode()
        return self.api.request(method, target, headers, body)


@pytest.mark.parametrize(
    "text, change",
    [
        ("e\u0301", lambda body: unicodedata.normalize("NFC", body)),
        ("\ufb01", lambda body: unicodedata.normalize("NFKC", body)),
        ("a ", lambda body: body.replace('a "', 'a"')),
        ("\ufeffa", lambda body: body.replace("\ufeff", "")),
        ("\U0001f600", lambda body: body.replace("\U0001f600", "\ufffd")),
        ("A", lambda body: body.replace('"A"', '"a"')),
        ("it's", lambda body: body.replace("'", "''")),
    ],
    ids=["composed", "compatible", "trimmed", "no mark", "replaced", "lower case", "escaped"],
)
def test_control_text_that_is_changed_is_noticed(
    api: Api, text: str, change: Callable[[str], str]
) -> None:
    for sender, content in ((text, "x"), ("x", text)):
        with pytest.raises(AssertionError):
            Ledger(Weak(api, change)).send("JSON", sender, content)


def test_control_a_row_that_was_not_sent_is_noticed(api: Api, system: System) -> None:
    ledger = Ledger(api)
    ledger.send("JSON", unique(), "sent")
    ledger.check_rows(system.database)
    api.store(unique(), "by somebody else")
    with pytest.raises(AssertionError):
        ledger.check_rows(system.database)


# Bodies that are refused


def refused(api: Requester, body: bytes, kind: str, code: str, *fields: str) -> None:
    with promptly():
        answer = api.post(body, kind)
    assert_problem(answer, 400, code, set(fields))


def member(value: bytes) -> bytes:
    """A message with one more member, which is ignored if it is JSON."""
    return b'{"From":"json","Content":"b","x":' + value + b"}"


def good_json() -> dict[str, bytes]:
    by_choice = naughty.json_test_suite(naughty.ACCEPTED_BY_CHOICE)
    return {**naughty.json_test_suite("y_"), **by_choice}


def bad_json() -> dict[str, bytes]:
    good = good_json()
    suite = naughty.json_test_suite("")
    return {name: text for name, text in suite.items() if name not in good}


def test_json_of_any_form_is_taken(api: Api, watch: Watch, figure: Figure) -> None:
    def check(text: bytes) -> None:
        answer = api.post(member(text))
        assert answer.status == 201, answer

    before = watch.messages()
    count = check_all(good_json(), check)
    assert watch.messages() == before + count
    figure(f"{count} texts that are JSON taken")


def test_what_is_not_json_is_refused(api: Api, watch: Watch, figure: Figure) -> None:
    def check(text: bytes) -> None:
        refused(api, text, JSON, "invalid_json")
        refused(api, member(text), JSON, "invalid_json")

    with watch.nothing_stored():
        count = check_all(bad_json(), check)
    figure(f"{count} texts that are not JSON refused, as a body and as a member")


def test_control_a_lax_parser_is_noticed(api: Api) -> None:
    """Python's own takes NaN and controls, and says all in strict JSON."""

    def lax(body: str) -> str:
        return json.dumps(json.loads(body.replace("NaN", "0"), strict=False))

    for text in (b"NaN", b'"\t"'):
        refused(api, member(text), JSON, "invalid_json")
        with pytest.raises(AssertionError):
            refused(Weak(api, lax), member(text), JSON, "invalid_json")


def test_what_is_not_utf8_is_refused(api: Api, watch: Watch, figure: Figure) -> None:
    def check(bad: bytes) -> None:
        for text in (bad, b"before" + bad, bad + b" after", b"\xc3\xb1" + bad + b"\xe2\x82\xac"):
            quoted = text.replace(b"\\", b"\\\\")
            for name, other in ((b"From", b"Content"), (b"Content", b"From")):
                field = name.decode()
                body = b'{"%s":"%s","%s":"x"}' % (name, quoted, other)
                refused(api, body, JSON, "invalid_message", field)
                fields: list[tuple[str | bytes, str | bytes]] = [(name, text), (other, "x")]
                refused(api, form_body(fields), FORM, "invalid_message", field)
                refused(api, multipart_body(fields), MULTIPART, "invalid_message", field)
                answer = api.get(f"/api/message?{field}={escape(text)}")
                assert_problem(answer, 400, "invalid_parameter", {field})
            refused(api, member(b'"' + quoted + b'"'), JSON, "invalid_json")
            body = b'{"From":"a","Content":"b","' + quoted + b'":1}'
            refused(api, body, JSON, "invalid_json")

    with watch.nothing_stored():
        count = check_all(naughty.NOT_UTF8, check)
    figure(f"{count} ways not to be UTF-8 refused in every place")


def test_nul_is_refused_wherever_it_stands(api: Api, watch: Watch) -> None:
    places = {"alone": "\0", "first": "\0a", "last": "a\0", "in the middle": "a\0b"}

    def check(text: str) -> None:
        for sender, content, field in ((text, "x", "From"), ("x", text, "Content")):
            for kind in ("JSON in ASCII", "form", "multipart"):
                body = ENCODERS[kind](sender, content)
                refused(api, body, TYPES[kind], "invalid_message", field)
            refused(api, json.dumps({"From": sender, "Content": content})
                    .replace("\\u0000", "\0").encode(), JSON, "invalid_json")  # fmt: skip

    with watch.nothing_stored():
        check_all(places, check)


# SQL


@pytest.mark.parametrize("kind", ENCODERS)
def test_sql_in_a_message_is_text(
    ledger: Ledger, watch: Watch, kind: str, figure: Figure
) -> None:
    def check(text: str) -> None:
        ledger.send(kind, text[:255], "x")
        ledger.send(kind, unique(), text)

    with watch.same_schema():
        count = check_all({text: text for text in naughty.SQL}, check)
        ledger.check_filters()
    figure(f"{count} pieces of SQL stored as what they are")


def is_visible(text: str) -> bool:
    """What a key and a request's ID may have."""
    return text.isascii() and text.isprintable() and " " not in text and len(text) <= 128


def test_sql_in_a_parameter_is_refused(api: Api, watch: Watch) -> None:
    def check(text: str) -> None:
        # In lower case, as words of SQL in an answer are taken for the service's own.
        text = text.lower()
        for name in ("ID", "after", "before", "limit", "order"):
            with promptly():
                answer = api.get(f"/api/message?{name}={escape(text)}")
            assert_problem(answer, 400, "invalid_parameter", {name})
        if text == "id":
            return
        with promptly():
            answer = api.get(f"/api/message?{escape(text)}=1")
        assert answer.status == 400, answer
        assert answer.json()["code"] == "invalid_parameter", answer

    with watch.same_schema(), watch.nothing_stored():
        check_all({text: text for text in naughty.SQL}, check)


def test_sql_in_a_header_or_a_path_does_nothing(api: Api, watch: Watch) -> None:
    printable = [text for text in naughty.SQL if is_visible(text.replace(" ", "_"))]

    def check(text: str) -> None:
        text = text.lower()
        names = ("X-Request-ID", "Accept", "Cookie", "Authorization", "User-Agent", "Referer")
        with promptly():
            answer = api.get("/api/message?limit=1", {name: text for name in names})
        assert answer.status == 200, answer
        assert (answer.header("X-Request-ID") == text) == is_visible(text), answer
        with promptly():
            assert_problem(api.get(f"/api/message/{escape(text)}x"), 404, "not_found")
            answer = api.post(json_body("a", "b"), text)
        assert_problem(answer, 415, "unsupported_media_type")

    with watch.same_schema(), watch.nothing_stored():
        check_all({text: text for text in printable}, check)


def test_sql_in_a_key_is_a_key(api: Api, watch: Watch) -> None:
    """Each is one key and no other: sent twice it is stored once."""
    keys = list(filter(is_visible, naughty.SQL))
    before = watch.messages()

    def check(key: str) -> None:
        with promptly():
            first = api.store("sql in a key", key, key)
            assert api.store("sql in a key", key, key) == first

    check_all({key: key for key in keys}, check)
    assert watch.messages() == before + len(keys)
    with watch.nothing_stored():
        for text in naughty.SQL:
            if " " in text.strip() and is_visible(text.replace(" ", "_")):
                answer = api.post_message("a", "b", text.lower())
                assert_problem(answer, 400, "invalid_header", {"Idempotency-Key"})


def test_control_sql_that_sleeps_is_noticed(system: System) -> None:
    with pytest.raises(AssertionError, match="too long"), promptly(0.3):
        system.database.run("SELECT SLEEP(0.4)")


# Bodies that are cut


def message_of(kind: str) -> bytes:
    return ENCODERS[kind](unique("cut"), "ñandú 😀 \\ \" & = % +")


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_body_cut_by_its_peer_is_refused(
    system: System, watch: Watch, kind: str, figure: Figure
) -> None:
    """FastCGI that ends before the length that it has told."""
    body = message_of(kind)
    headers = {"Content-Type": TYPES[kind]}
    pairs = parameters("POST", "/api/message", headers, len(body)).items()
    head = begin(keep=True) + stream(PARAMS, b"".join(name_value(n, v) for n, v in pairs))

    with watch.nothing_stored(), FastcgiApi(system.replica_socket()) as replica:
        assert replica.get("/api/test").status == 200
        connection = replica.connection
        assert connection is not None
        for length in range(len(body)):
            connection.send(head + stream(STDIN, body[:length]))
            answer = connection.read_reply().answer()
            assert_problem(answer, 400, "truncated_body")
    figure(f"{len(body)} lengths of a cut body refused")


def send_and_close(system: System, data: bytes) -> bytes:
    """What nginx says to a client that has nothing more to say."""
    with raw.socket.create_connection(("127.0.0.1", system.port), raw.SECONDS) as connection:
        connection.sendall(data)
        connection.shutdown(raw.socket.SHUT_WR)
        with connection.makefile("rb") as reader:
            return reader.read()


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("kind", ENCODERS)
def test_a_request_cut_by_its_client_stores_nothing(
    system: System, watch: Watch, kind: str, framing: str, scale: Scale, figure: Figure
) -> None:
    body = message_of(kind)
    lines = ["Host: a", f"Content-Type: {TYPES[kind]}"]
    if framing == "length":
        lines.append(f"Content-Length: {len(body)}")
    else:
        lines.append("Transfer-Encoding: chunked")
        body = raw.chunked(body, 16)
    whole = raw.request("POST /api/message HTTP/1.1", lines, body)
    lengths = range(0, len(whole), scale(5, 1))
    with watch.nothing_stored():
        for length in lengths:
            said = send_and_close(system, whole[:length])
            assert b" 201 " not in said, (length, said)
    figure(f"{len(lengths)} lengths of a cut request stored nothing")


@pytest.mark.parametrize("kind", ["JSON", "JSON in ASCII", "multipart"])
def test_a_shorter_body_that_says_so_is_no_message(
    api: Api, watch: Watch, kind: str, figure: Figure
) -> None:
    body = message_of(kind)
    # What ends a multipart is whole without its last line end.
    end = len(body) - 2 if kind == "multipart" else len(body)
    code = "invalid_form" if kind == "multipart" else "invalid_json"
    with watch.nothing_stored():
        for length in range(end):
            refused(api, body[:length], TYPES[kind], code)
    figure(f"{end} beginnings of a body refused")


# Requests that are odd


def test_odd_requests_get_what_was_promised(
    system: System, watch: Watch, figure: Figure
) -> None:
    def check(case: tuple[bytes, set[tuple[int, str | None]]]) -> None:
        data, outcomes = case
        with promptly():
            answer = raw.exchange(system.port, data)
        assert_common(answer, streamed=answer.header("Content-Length") is None)
        code = None if answer.status < 300 else answer.json()["code"]
        assert (answer.status, code) in outcomes, (answer, outcomes)
        if code is not None:
            fields = {fault["field"] for fault in answer.json().get("errors", [])}
            assert_problem(answer, answer.status, code, fields)

    with watch.nothing_stored():
        count = check_all(ODD, check)
    figure(f"{count} odd requests answered as promised")


def test_a_header_that_was_not_sent_alone_is_never_two_messages(
    system: System, watch: Watch
) -> None:
    """Versions of nginx differ in what they make of a header that is there twice."""
    body = json_body(unique(), "two keys")
    twice = ["Idempotency-Key: one", "Idempotency-Key: two"]
    lines = ["Host: a", f"Content-Type: {JSON}", f"Content-Length: {len(body)}", *twice]
    before = watch.messages()
    for _ in range(3):
        answer = raw.exchange(
            system.port, raw.request("POST /api/message HTTP/1.1", lines, body)
        )
        assert answer.status in (201, 400), answer
    assert watch.messages() - before <= 1


# The watch


STORED_MEANWHILE = {
    "a message": "INSERT INTO message (sender, content, stored_at) VALUES ('a', 'b', NOW(6))",
    "a change": "UPDATE message SET content = CONCAT(content, ' ') LIMIT 1",
    "a loss": "DELETE FROM message LIMIT 1",
    "a lock more": "INSERT INTO append_lock (id) VALUES (2)",
}

CHANGED_MEANWHILE = {
    "a default": "ALTER TABLE message ALTER COLUMN replayed SET DEFAULT TRUE",
    "a comment": "ALTER TABLE message MODIFY id BIGINT UNSIGNED AUTO_INCREMENT COMMENT 'x'",
    "a column": "ALTER TABLE message ADD COLUMN x INT",
    "a type": "ALTER TABLE message MODIFY content MEDIUMTEXT NOT NULL",
    "a collation": "ALTER TABLE message MODIFY sender CHAR(9) COLLATE utf8mb4_bin NOT NULL",
    "an index": "ALTER TABLE message DROP INDEX message_sender",
    "a table": "CREATE TABLE x (id INT)",
    "a table less": "DROP TABLE append_lock",
    "a view": "CREATE VIEW a_view AS SELECT 1",
    "a trigger": "CREATE TRIGGER x BEFORE INSERT ON message FOR EACH ROW SET NEW.content = 'x'",
    "a procedure": "CREATE PROCEDURE x() SELECT 1",
    "an event": "CREATE EVENT x ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1",
    "the database": "ALTER DATABASE CHARACTER SET latin1",
}


@pytest.fixture
def copy(system: System) -> Iterator[Watch]:
    """A database with the same tables and one message, to be broken."""
    name = unique("copy").replace("-", "_")
    original = system.database
    original.run(
        f"CREATE DATABASE {name}; CREATE TABLE {name}.message LIKE message;"
        f"CREATE TABLE {name}.append_lock LIKE append_lock;"
        f"INSERT INTO {name}.message (sender, content, stored_at) VALUES ('a', 'b', NOW(6))"
    )
    yield Watch(Database(original.socket, name))
    original.run(f"DROP DATABASE {name}")


def test_control_what_is_stored_is_noticed(copy: Watch) -> None:
    with copy.nothing_stored():
        copy.messages()
    for statement in STORED_MEANWHILE.values():
        with pytest.raises(AssertionError, match="stored"), copy.nothing_stored():
            copy.database.run(statement)


def test_control_what_changes_the_schema_is_noticed(copy: Watch) -> None:
    with copy.same_schema():
        copy.database.run(STORED_MEANWHILE["a message"])
    with pytest.raises(AssertionError, match="changed"), copy.same_schema():
        copy.database.run("ALTER TABLE message COMMENT = 'x'")
    before = copy.schema()
    for name, statement in CHANGED_MEANWHILE.items():
        copy.database.run(statement)
        after = copy.schema()
        assert after != before, name
        before = after


def test_control_a_right_more_is_noticed(copy: Watch) -> None:
    user = f"'{copy.database.name[:20]}'@'localhost'"
    try:
        with pytest.raises(AssertionError, match="changed"), copy.same_schema():
            copy.database.run(f"CREATE USER {user}")
        with pytest.raises(AssertionError, match="changed"), copy.same_schema():
            copy.database.run(f"GRANT UPDATE (content) ON message TO {user}")
    finally:
        copy.database.run(f"DROP USER {user}")
