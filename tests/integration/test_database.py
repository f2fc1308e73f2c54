# SPDX-License-Identifier: MIT
"""The database is away, comes back, is killed, stands still, hangs up."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from answers import Answer, assert_problem
from database import Database, DatabaseError
from fastcgi import FastcgiApi
from http_client import Api, Requester, query, unique
from replica import Replica
from mariadb_process import MariadbProcess
from system import System, short_directory
from waiting import wait_until

RECOVERY_SECONDS = 2
PROGRAM_USER = "buzon"


def assert_away(api: Requester) -> None:
    """Each answer of a program whose database cannot be reached."""
    assert api.get("/api/test").status == 200
    start = time.monotonic()
    health = api.get("/api/health")
    assert time.monotonic() - start < 1.1
    assert health.status == 503
    assert set(health.json()) == {"status", "database"}
    assert health.json()["database"] != "ok" and health.json()["status"] != "ok"
    assert (health.header("Retry-After") or "").isdigit()
    assert api.request("HEAD", "/api/health").status == 503
    assert_problem(api.post_message("a", "b"), 503, "database_unavailable")
    assert_problem(api.get("/api/message"), 503, "database_unavailable")
    # What needs no database to be refused is refused as ever.
    assert_problem(api.post(b"{"), 400, "invalid_json")
    assert_problem(api.get("/api/message?x=1"), 400, "invalid_parameter", {"x"})
    assert_problem(api.get("/api/nothing"), 404, "not_found")


def works(api: Requester) -> bool:
    return (
        api.get("/api/health").status == 200
        and api.post_message(unique(), "x").status == 201
        and api.get("/api/message?limit=1").status == 200
    )


def test_the_program_starts_without_its_database(fragile: System) -> None:
    nowhere = short_directory()
    real = fragile.run_directory / "mariadb.sock"
    link = nowhere / "db.sock"
    try:
        with Replica(fragile, BUZON_DB_SOCKET=str(link)) as replica:
            with replica.api() as api:
                for _ in range(3):
                    assert_away(api)
                link.symlink_to(real)
                wait_until(lambda: works(api), RECOVERY_SECONDS, "it works")
                assert works(api)
    finally:
        link.unlink(missing_ok=True)
        nowhere.rmdir()


def test_a_wrong_password_is_the_log_s_business(fragile: System) -> None:
    """The client reads nothing of it, the log does not show the password."""
    settings = {"BUZON_DB_PASSWORD": "not-the-secret", "BUZON_DB_PASSWORD_FILE": ""}
    with Replica(fragile, **settings) as replica, replica.api() as api:
        assert_away(api)
        wait_until(lambda: "Access denied" in replica.log(), 3, "the log tells why")
        assert "not-the-secret" not in replica.log()


def test_the_database_dies_and_comes_back(
    fragile: System, mariadb: MariadbProcess
) -> None:
    api = fragile.api()
    assert works(api)
    mariadb.kill()
    # The first request on a connection that is broken may be uncertain.
    wait_until(
        lambda: api.post_message("a", "b").json()["code"] == "database_unavailable",
        2,
        "the end is noticed",
    )
    assert_away(api)
    mariadb.start()
    mariadb.wait_until_it_answers()
    wait_until(lambda: works(api), RECOVERY_SECONDS, "it works again")
    for _ in range(10):
        assert works(api), "each replica has recovered"
    api.close()


class KeyWriter(threading.Thread):
    """Sends messages, each until it is acknowledged, with a key each."""

    def __init__(self, connect: Callable[[], Api], sender: str) -> None:
        super().__init__()
        self.connect = connect
        self.sender = sender
        self.acknowledged: list[tuple[int, str]] = []
        self.unexpected: list[object] = []
        self.finish = threading.Event()
        self.start()

    def run(self) -> None:
        api = self.connect()
        number = 0
        while not self.finish.is_set():
            content = str(number)
            answer = self.send_until_stored(api, content)
            if answer is None:
                break
            self.acknowledged.append((answer.json()["ID"], content))
            number += 1
        api.close()

    def send_until_stored(self, api: Api, content: str) -> Answer | None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            answer = api.post_message(
                self.sender, content, f"{self.sender}-{content}"
            )
            if answer.status == 201:
                return answer
            if answer.status != 503:
                break
        self.unexpected.append(answer)
        return None


@pytest.mark.parametrize("cycle", range(3))
def test_killed_under_writers_each_message_is_there_once(
    fragile: System, mariadb: MariadbProcess, cycle: int
) -> None:
    mark = unique(f"killed{cycle}")
    writers = [KeyWriter(fragile.api, f"{mark}-{number}") for number in range(8)]
    try:
        for _ in range(2):
            reached = total(writers) + 300
            wait_until(
                lambda: total(writers) > reached or any(w.unexpected for w in writers),
                30,
                "they write",
            )
            mariadb.kill()
            mariadb.start()
            mariadb.wait_until_it_answers()
        reached = total(writers) + 100
        wait_until(lambda: total(writers) > reached, 10, "they write again")
    finally:
        for writer in writers:
            writer.finish.set()
        for writer in writers:
            writer.join(35)
    assert [w.unexpected for w in writers] == [[]] * len(writers)
    assert stored_by(fragile.database, mark) == {
        writer.sender: writer.acknowledged for writer in writers
    }


def total(writers: list[KeyWriter]) -> int:
    return sum(len(writer.acknowledged) for writer in writers)


def stored_by(database: Database, mark: str) -> dict[str, list[tuple[int, str]]]:
    stored: dict[str, list[tuple[int, str]]] = {}
    rows = database.run(
        "SELECT sender, id, content FROM message"
        f" WHERE sender LIKE '{mark}-%' ORDER BY id"
    )
    for sender, message_id, content in rows:
        stored.setdefault(sender, []).append((int(message_id), content))
    return stored


def test_a_database_that_stands_still_gets_bounded_answers(
    fragile: System, mariadb: MariadbProcess
) -> None:
    with Replica(fragile) as replica, replica.api() as api:
        assert works(api)
        sender, key = unique(), unique("key")
        mariadb.stop_moving()
        started = time.monotonic()
        uncertain: list[Answer] = []
        while time.monotonic() - started < 5:
            uncertain += [bounded(lambda: api.post_message(sender, "x", key))]
            answer = bounded(lambda: api.get(query(From=sender)))
            assert_problem(answer, 503, "database_unavailable")
            assert bounded(lambda: api.get("/api/health"), 1.1).status == 503
            assert bounded(lambda: api.get("/api/test"), 0.05).status == 200
        codes = {answer.json()["code"] for answer in uncertain}
        assert codes <= {"write_uncertain", "database_unavailable"}
        # The one that was sent before anybody knew.
        assert uncertain[0].json()["code"] == "write_uncertain"
        mariadb.move_again()
        wait_until(lambda: works(api), RECOVERY_SECONDS, "it works again")
        again = api.store(sender, "x", key)
        assert api.messages(From=sender) == [again]


def test_what_waits_for_the_database_holds_up_nobody_else(
    fragile: System, mariadb: MariadbProcess
) -> None:
    """The gate's own thread has asked the database for the one that is looked up."""
    with Replica(fragile) as replica, replica.api() as api:
        stored = api.store(unique(), "x")
        # So that the statements are prepared: an append and a lookup of one.
        assert api.store(unique(), "x")["ID"] > stored["ID"]
        assert api.messages(ID=stored["ID"]) == [stored]
        mariadb.stop_moving()
        with ThreadPoolExecutor(2) as pool:
            waiting = [
                pool.submit(ask_apart, replica, lambda other: other.post_message("a", "b")),
                pool.submit(ask_apart, replica, lambda other: other.get(query(ID=stored["ID"]))),
            ]
            seconds = []
            while not all(answer.done() for answer in waiting):
                started = time.monotonic()
                assert api.get("/api/test").status == 200
                seconds.append(time.monotonic() - started)
        assert len(seconds) > 100
        assert sorted(seconds)[len(seconds) * 99 // 100] < 0.05
        assert_problem(waiting[0].result(), 503, "write_uncertain")
        assert_problem(waiting[1].result(), 503, "database_unavailable")
        mariadb.move_again()
        wait_until(lambda: works(api), RECOVERY_SECONDS, "it works again")
        assert api.messages(ID=stored["ID"]) == [stored]


def ask_apart(replica: Replica, ask: Callable[[Requester], Answer]) -> Answer:
    with replica.api() as api:
        return bounded(lambda: ask(api))


def bounded(ask: Callable[[], Answer], seconds: float = 4) -> Answer:
    start = time.monotonic()
    answer = ask()
    assert time.monotonic() - start < seconds
    return answer


def test_a_killed_connection_is_no_error_for_a_read(fragile: System) -> None:
    """What was cut between two requests is noticed and made again."""
    with Replica(fragile, BUZON_WORKERS="1") as replica, FastcgiApi(
        replica.address
    ) as api:
        for _ in range(5):
            sender = unique()
            stored = api.store(sender, "x")
            assert api.messages(From=sender) == [stored]
            fragile.database.disconnect(PROGRAM_USER)
            wait_until(
                lambda: fragile.database.connections(PROGRAM_USER) == 0, 5, "they are gone"
            )
            assert api.messages(From=sender) == [stored]


@pytest.fixture
def connected(fragile: System) -> Iterator[Replica]:
    """A replica that has stored, looked up and listed, so its connections are there."""
    with Replica(fragile, BUZON_WORKERS="1") as replica, replica.api() as api:
        stored = api.store(unique(), "warm")
        assert api.messages(ID=stored["ID"]) == [stored]
        assert works(api)
        yield replica


def lines_of(replica: Replica, error: int) -> int:
    return replica.log().count(f"error {error} ")


def test_a_read_only_server_refuses_and_is_read(
    fragile: System, connected: Replica
) -> None:
    database = fragile.database
    with connected.api() as api:
        stored = api.store(unique(), "x")
        before = database.connection_ids(PROGRAM_USER)
        database.run("SET GLOBAL read_only = 1")
        try:
            for _ in range(3):
                answer = api.post_message("a", "b")
                assert_problem(answer, 503, "database_refuses")
                assert "Nothing was stored" in answer.json()["detail"]
                health = api.get("/api/health")
                assert health.status == 503
                assert health.json() == {
                    "status": "unavailable",
                    "database": "refuses to write",
                }
                assert api.messages(From=stored["From"]) == [stored]
                assert api.messages(ID=stored["ID"]) == [stored]
        finally:
            database.run("SET GLOBAL read_only = 0")
        assert works(api)
        assert database.connection_ids(PROGRAM_USER) == before
    assert lines_of(connected, 1290) == 1
    assert "database_away" not in connected.log()


def test_a_table_that_is_missing_is_no_silence(
    fragile: System, connected: Replica
) -> None:
    database = fragile.database
    before = database.connection_ids(PROGRAM_USER)
    with connected.api() as api:
        database.run("RENAME TABLE message TO message_elsewhere")
        try:
            for _ in range(3):
                assert_problem(api.post_message("a", "b"), 503, "database_refuses")
                assert_problem(api.get("/api/message"), 503, "database_refuses")
                assert_problem(api.get(query(ID=1)), 503, "database_refuses")
        finally:
            database.run("RENAME TABLE message_elsewhere TO message")
        assert works(api)
    assert database.connection_ids(PROGRAM_USER) == before
    # One line of each: who appends, who lists, who looks up.
    assert lines_of(connected, 1146) == 3


def test_text_that_is_not_utf_8_leaves_json_whole(
    fragile: System, connected: Replica
) -> None:
    """MariaDB takes surrogates from whoever writes into the table, and nothing else."""
    put = (
        "INSERT INTO message (sender, content, stored_at)"
        " VALUES (_utf8mb4 x'{}', _utf8mb4 x'{}', UTC_TIMESTAMP(6)) RETURNING id"
    )
    for other in ("C080", "F4908080", "FF", "C3", "E28082C3"):
        with pytest.raises(DatabaseError, match="Invalid utf8mb4|Incorrect string"):
            fragile.database.run(put.format(other, "61"))
    message_id = fragile.database.number(put.format("EDA080", "61EDA080EDB0807A"))
    try:
        with connected.api() as api:
            for parameters in ({"ID": message_id}, {"after": message_id - 1}):
                (message,) = api.messages(**parameters)
                assert message["From"] == "\ufffd"
                assert message["Content"] == "a\ufffd\ufffdz"
        # One line of each: who lists, who looks up.
        assert connected.log().count('"invalid_text"') == 2
    finally:
        fragile.database.run(f"DELETE FROM message WHERE id = {message_id}")


def test_without_an_id_left_it_refuses(fragile: System, connected: Replica) -> None:
    database = fragile.database
    last = 2**64 - 1
    with connected.api() as api:
        newest = api.store(unique(), "x")["ID"]
        database.run(f"ALTER TABLE message AUTO_INCREMENT = {last}")
        try:
            for _ in range(2):
                assert_problem(api.post_message("a", "b"), 503, "database_refuses")
        finally:
            database.run(f"ALTER TABLE message AUTO_INCREMENT = {newest + 1}")
        assert api.newest_id() == newest
        assert api.store(unique(), "x")["ID"] == newest + 1
    assert lines_of(connected, 1467) == 1


LIMIT = 4


@pytest.fixture
def limited(fragile: System, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of a replica whose user may have LIMIT connections."""
    user = unique("l").replace("-", "_")
    accounts = f"{user}@'%', {user}@localhost"
    (tmp_path / "password").write_text("secret")
    fragile.database.run(
        f"CREATE USER {accounts} IDENTIFIED BY 'secret'"
        f" WITH MAX_USER_CONNECTIONS {LIMIT};"
        f"GRANT SELECT, INSERT, UPDATE ON buzon.message TO {accounts};"
        f"GRANT SELECT ON buzon.append_lock TO {accounts}"
    )
    yield {"BUZON_DB_USER": user, "BUZON_DB_PASSWORD_FILE": str(tmp_path / "password")}
    fragile.database.run(f"DROP USER {accounts}")


def test_a_limit_of_connections_stops_only_who_wants_one_more(
    fragile: System, limited: dict[str, str]
) -> None:
    """The probe, the appender and two of eight listing threads have one each."""
    with Replica(fragile, BUZON_WORKERS="8", **limited) as replica:
        with replica.api() as api:
            stored = api.store(unique(), "x")
        answers: list[Answer] = []
        with ThreadPoolExecutor(16) as pool:
            for _ in range(20):
                asked = [
                    pool.submit(ask_apart, replica, lambda api: api.get(query(From=stored["From"])))
                    for _ in range(16)
                ]
                answers += [answer.result() for answer in asked]
                with replica.api() as api:
                    assert api.get("/api/health").status == 200
                    assert api.post_message("a", "b").status == 201
        served = [answer for answer in answers if answer.status == 200]
        assert served and {len(answer.json()) for answer in served} == {1}
        refused = [answer for answer in answers if answer.status != 200]
        assert refused, "the limit was not met"
        for answer in refused:
            assert_problem(answer, 503, "database_unavailable")
            assert (answer.header("Retry-After") or "").isdigit()
        assert "database_away" not in replica.log()
        assert replica.log().count('"database_limit"') == 1
        assert replica.log().count("max_user_connections") == 1


TIMEOUT = 2


@pytest.fixture
def slow_table(fragile: System) -> Iterator[None]:
    """In place of the messages: each of 1,000 takes long to read."""
    fragile.database.run(
        "RENAME TABLE message TO message_elsewhere;"
        "CREATE TABLE message (id BIGINT UNSIGNED PRIMARY KEY, sender TEXT,"
        " stored_at DATETIME(6), content TEXT AS (SHA2(REPEAT('x', 8000000 + id), 512))"
        " VIRTUAL);"
        "INSERT INTO message (id, sender, stored_at)"
        " SELECT seq, 'a', NOW(6) FROM seq_1_to_1000"
    )
    yield
    fragile.database.run("DROP TABLE message; RENAME TABLE message_elsewhere TO message")


def test_a_listing_that_was_given_up_ends_in_the_server_too(
    fragile: System, slow_table: None
) -> None:
    listing = (
        "SELECT COUNT(*) FROM information_schema.processlist"
        " WHERE info LIKE 'SELECT id, sender, content%FROM message%'"
    )
    with Replica(fragile, BUZON_DB_TIMEOUT=str(TIMEOUT)) as replica:
        started = time.monotonic()
        answer = ask_apart(replica, lambda api: api.get("/api/message"))
        assert_problem(answer, 503, "database_unavailable")
        assert fragile.database.number(listing) > 0, "it takes no time"
        left = started + 2 * TIMEOUT + 1 - time.monotonic()
        wait_until(lambda: fragile.database.number(listing) == 0, left, "none goes on")
