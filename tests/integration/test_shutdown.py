# SPDX-License-Identifier: MIT
"""SIGTERM: what is under way is answered, then the replica ends well."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from database import Session
from fastcgi import STDOUT, Connection, ConnectionEnded, FastcgiApi, encode, record
from http_client import JSON, NDJSON, json_body, unique
from mariadb_process import MariadbProcess
from replica import Replica
from system import System
from waiting import wait_until

DRAIN_SECONDS = 10
CUT = 75  # the exit status of a drain that left requests without an answer
QUEUED = 32


@pytest.fixture
def replica(fragile: System) -> Iterator[Replica]:
    with Replica(fragile, BUZON_DB_TIMEOUT="20") as replica:
        yield replica


def refuses_connections(replica: Replica) -> bool:
    try:
        replica.connect(1).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    return False


def test_queued_posts_are_stored_and_answered(
    fragile: System, replica: Replica
) -> None:
    sender = unique()
    with ExitStack() as stack, Session(fragile.database) as lock_holder:
        idle = stack.enter_context(replica.api())
        idle.store(unique(), "warm")
        lock_holder.hold_append_lock()
        asking = [stack.enter_context(replica.api()) for _ in range(QUEUED)]
        for number, api in enumerate(asking):
            api.send(
                "POST",
                "/api/message",
                {"Content-Type": JSON},
                json_body(sender, str(number)),
            )
        wait_until(fragile.database.waiting_for_lock, 5, "they wait for the lock")
        start = time.monotonic()
        replica.terminate()
        wait_until(lambda: refuses_connections(replica), 2, "no new connections")
        assert idle.connection is not None
        assert idle.connection.wait_for_end() == b""
        assert replica.runs(), "it has not waited for its queue"
        lock_holder.release()
        answers = [api.receive() for api in asking]
        assert {answer.status for answer in answers} == {201}
        assert replica.wait(DRAIN_SECONDS) == 0
        assert time.monotonic() - start < DRAIN_SECONDS
    rows = fragile.database.run(
        f"SELECT id FROM message WHERE sender = '{sender}' ORDER BY id"
    )
    assert [int(row[0]) for row in rows] == sorted(a.json()["ID"] for a in answers)


class Client(threading.Thread):
    """Asks without a pause until the replica is gone."""

    def __init__(self, replica: Replica, sender: str) -> None:
        super().__init__()
        self.replica = replica
        self.sender = sender
        self.stored: list[str] = []
        self.trouble: list[object] = []
        self.start()

    def run(self) -> None:
        number = 0
        try:
            while True:
                with self.replica.connect() as connection:
                    # A few over each connection, so that some are always new.
                    for _ in range(5):
                        self.ask(connection, str(number))
                        number += 1
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except OSError as error:
            self.trouble.append(error)

    def ask(self, connection: Connection, content: str) -> None:
        request = encode(
            "POST",
            "/api/message",
            {"Content-Type": JSON},
            json_body(self.sender, content),
            keep=True,
        )
        try:
            connection.send(request)
            answer = connection.read_reply().answer()
        except (ConnectionEnded, BrokenPipeError):
            # Closed while it was idle, before the request was read: the
            # message must not be there, and a web server would ask another.
            raise ConnectionRefusedError from None
        if answer.status == 201:
            self.stored.append(content)
        else:
            self.trouble.append(answer)


def test_under_load_nothing_is_lost(fragile: System, replica: Replica) -> None:
    """What was answered is stored, and nothing else is."""
    mark = unique("load")
    clients = [Client(replica, f"{mark}-{number}") for number in range(16)]
    wait_until(
        lambda: all(len(client.stored) > 20 for client in clients), 20, "there is load"
    )
    start = time.monotonic()
    replica.terminate()
    assert replica.wait(DRAIN_SECONDS) == 0
    assert time.monotonic() - start < DRAIN_SECONDS
    for client in clients:
        client.join(10)
    assert [client.trouble for client in clients] == [[]] * len(clients)
    rows = fragile.database.run(
        f"SELECT sender, content FROM message WHERE sender LIKE '{mark}-%' ORDER BY id"
    )
    for client in clients:
        stored = [content for sender, content in rows if sender == client.sender]
        assert stored == client.stored


def test_a_half_sent_request_is_still_served(replica: Replica) -> None:
    """A web server that is just sending is waited for."""
    sender = unique()
    body = json_body(sender, "late")
    request = encode("POST", "/api/message", {"Content-Type": JSON}, body, keep=True)
    with replica.connect() as connection, replica.api() as api:
        connection.send(request[:-30])
        # Whatever was sent before this answer has been read.
        assert api.get("/api/test").status == 200
        replica.terminate()
        wait_until(lambda: refuses_connections(replica), 2, "no new connections")
        connection.send(request[-30:])
        assert connection.read_reply().answer().status == 201
    assert replica.wait(DRAIN_SECONDS) == 0


@pytest.mark.parametrize(
    ("server", "keep", "behind"),
    [
        ("nginx", True, record(STDOUT, b"")),
        ("nginx/1.22.1", True, record(STDOUT, b"")),
        ("nginx", False, b""),
        ("Apache/2.4.62", True, b""),
        ("not nginx", True, b""),
        ("", True, b""),
    ],
)
def test_nginx_is_told_which_answer_is_the_last(
    replica: Replica, server: str, keep: bool, behind: bytes
) -> None:
    """It keeps a connection unless a record follows the answer, and then the next request
    may meet the end of the connection."""
    request = encode("GET", "/api/test", keep=keep, server=server)
    with replica.connect() as connection, replica.api() as api:
        connection.send(request[:-8])
        # Whatever was sent before this answer has been read.
        assert api.get("/api/test").status == 200
        replica.terminate()
        wait_until(lambda: refuses_connections(replica), 2, "no new connections")
        connection.send(request[-8:])
        assert connection.read_reply().answer().status == 200
        assert connection.wait_for_end() == behind
    assert replica.wait(DRAIN_SECONDS) == 0


def test_before_that_nothing_follows_an_answer(replica: Replica) -> None:
    request = encode("GET", "/api/test", keep=True, server="nginx")
    with replica.connect() as connection:
        for _ in range(2):
            connection.send(request)
            assert connection.read_reply().answer().status == 200
        replica.terminate()
        assert connection.wait_for_end() == b""


def test_whoever_stalls_does_not_hold_it_up(fragile: System, replica: Replica) -> None:
    with ExitStack() as stack:
        for _ in range(4):
            half = stack.enter_context(replica.connect())
            half.send(encode("GET", "/api/test")[:-20])
            idle = stack.enter_context(replica.api())
            assert idle.get("/api/test").status == 200
        start = time.monotonic()
        replica.terminate()
        assert replica.wait(DRAIN_SECONDS) == 0
        assert time.monotonic() - start < DRAIN_SECONDS
    assert '"event":"dropped","detail":"4 requests' in replica.log()


def test_a_reader_that_never_reads_does_not_hold_it_up(
    fragile: System, replica: Replica
) -> None:
    sender = unique("large")
    fragile.database.run(
        "INSERT INTO message (sender, content, stored_at)"
        f" SELECT '{sender}', REPEAT('x', 50000), UTC_TIMESTAMP(6)"
        " FROM seq_1_to_200"
    )
    try:
        with replica.connect() as reader:
            target = f"/api/message?From={sender}"
            reader.send(encode("GET", target, {"Accept": NDJSON}))
            reader.read_record()
            start = time.monotonic()
            replica.terminate()
            assert replica.wait(DRAIN_SECONDS) == CUT
            assert time.monotonic() - start < DRAIN_SECONDS
            assert '"event":"cut_short","detail":"1 requests' in replica.log()
    finally:
        fragile.database.run(f"DELETE FROM message WHERE sender = '{sender}'")


def test_idle_it_ends_at_once(replica: Replica) -> None:
    with FastcgiApi(replica.address) as api:
        assert api.get("/api/health").status == 200
        start = time.monotonic()
        replica.terminate()
        assert replica.wait(DRAIN_SECONDS) == 0
        assert time.monotonic() - start < 2
        assert api.connection is not None
        assert api.connection.wait_for_end() == b""


def test_without_a_database_it_ends_as_well(fragile: System) -> None:
    settings = {"BUZON_DB_SOCKET": "/nonexistent/db.sock"}
    with Replica(fragile, **settings) as replica:
        with replica.api() as api:
            assert api.get("/api/message").status == 503
        replica.terminate()
        assert replica.wait(DRAIN_SECONDS) == 0


def test_a_database_that_hangs_does_not_hold_it_up(
    replica: Replica, mariadb: MariadbProcess
) -> None:
    """All is answered, and the probe still waits for what was asked."""
    with replica.api() as api:
        api.store(unique(), "warm")
        mariadb.stop_moving()
        assert api.get("/api/health").status == 503
        start = time.monotonic()
        replica.terminate()
        assert replica.wait(DRAIN_SECONDS) == 0
        assert time.monotonic() - start < DRAIN_SECONDS
    assert "all requests that came in whole were answered" in replica.log()


def test_a_second_signal_changes_nothing(fragile: System, replica: Replica) -> None:
    sender = unique()
    with replica.api() as api, Session(fragile.database) as lock_holder:
        api.store(unique(), "warm")
        lock_holder.hold_append_lock()
        api.send(
            "POST", "/api/message", {"Content-Type": JSON}, json_body(sender, "x")
        )
        wait_until(fragile.database.waiting_for_lock, 5, "it waits for the lock")
        replica.terminate()
        wait_until(lambda: refuses_connections(replica), 2, "no new connections")
        replica.terminate()
        lock_holder.release()
        assert api.receive().status == 201
        assert replica.wait(DRAIN_SECONDS) == 0
