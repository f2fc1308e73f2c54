# SPDX-License-Identifier: MIT
"""When a POST is answered, and what it waits for."""

import threading
from collections.abc import Iterator

import pytest

from answers import Answer, assert_problem
from database import Session
from http_client import Api, unique
from replica import Replica
from system import System
from waiting import wait_until


def test_answered_means_committed(system: System, api: Api) -> None:
    """Another connection of the database sees it at once."""
    sender = unique()
    with Session(system.database) as other:
        for number in range(200):
            stored = api.store(sender, str(number))
            rows = other.run(
                f"SELECT sender, content FROM message WHERE id = {stored['ID']}"
            )
            assert rows == [[sender, str(number)]]


def test_committed_means_readable_from_every_replica(system: System) -> None:
    writer = system.api()
    readers = [system.api() for _ in range(6)]
    for number in range(50):
        stored = writer.store(unique(), str(number))
        for reader in readers:
            assert reader.messages(ID=stored["ID"]) == [stored]
    for api in [writer, *readers]:
        api.close()


class Post(threading.Thread):
    """A POST on its way."""

    def __init__(self, replica: Replica, sender: str, content: str, key: str | None = None):
        super().__init__()
        self.arguments = (sender, content, key)
        self.replica = replica
        self.answer: Answer | None = None
        self.start()

    def run(self) -> None:
        with self.replica.api() as api:
            self.answer = api.post_message(*self.arguments)

    def result(self) -> Answer:
        self.join(20)
        assert self.answer is not None, "no answer"
        return self.answer


@pytest.fixture
def lock_holder(fragile: System) -> Iterator[Session]:
    with Session(fragile.database) as session:
        yield session


def test_ids_wait_for_the_lock(fragile: System, lock_holder: Session) -> None:
    database = fragile.database
    with Replica(fragile, BUZON_DB_TIMEOUT="20") as replica, replica.api() as api:
        api.store(unique(), "warm")
        lock_holder.hold_append_lock()
        sender = unique()
        newest = api.newest_id()
        post = Post(replica, sender, "waits")
        wait_until(database.waiting_for_lock, 5, "the append waits for the lock")
        # Whoever has the lock stores first and has the smaller ID.
        lock_holder.run(
            "INSERT INTO message (sender, content, stored_at)"
            f" VALUES ('{sender}', 'first', UTC_TIMESTAMP(6))"
        )
        assert post.is_alive() and api.newest_id() == newest
        lock_holder.run("COMMIT")
        answer = post.result()
        assert answer.status == 201, answer
        contents = [m["Content"] for m in api.messages(From=sender)]
        assert contents == ["first", "waits"]


def test_a_lock_wait_timeout_is_tried_again(
    fragile: System, lock_holder: Session
) -> None:
    """Error 1205: the statement was not done, and is done again."""
    database = fragile.database
    # The program waits for a lock for a second less than for an answer.
    with Replica(fragile, BUZON_DB_TIMEOUT="2") as replica, replica.api() as api:
        sender = unique()
        before = database.lock_waits()
        lock_holder.hold_append_lock()
        post = Post(replica, sender, "again")
        wait_until(
            lambda: database.lock_waits() >= before + 2 or not post.is_alive(),
            10,
            "a second wait for the lock",
        )
        assert post.is_alive(), f"answered without a second try: {post.answer}"
        lock_holder.release()
        assert post.result().status == 201
        assert len(api.messages(From=sender)) == 1


def test_a_lock_that_is_never_released_is_not_waited_for(
    fragile: System, lock_holder: Session
) -> None:
    """The wait for it ends before that for an answer, also at the least that may be set,
    so it is known that nothing was stored."""
    with Replica(fragile, BUZON_DB_TIMEOUT="2") as replica, replica.api() as api:
        api.store(unique(), "warm")
        lock_holder.hold_append_lock()
        sender = unique()
        answer = Post(replica, sender, "x").result()
        assert_problem(answer, 503, "database_unavailable")
        lock_holder.release()
        assert api.messages(From=sender) == [], "it was said not to be stored"
        stored = api.store(sender, "x")
        assert api.messages(From=sender) == [stored]
        assert "database_away" not in replica.log()


def post_until_stored(api: Api, sender: str, key: str) -> Answer | None:
    answer = api.post_message(sender, "x", key)
    assert answer.status in (201, 503), answer
    return answer if answer.status == 201 else None


def test_a_cut_connection_during_the_commit_is_uncertain(
    fragile: System, lock_holder: Session
) -> None:
    database = fragile.database
    with Replica(fragile, BUZON_DB_TIMEOUT="20") as replica, replica.api() as api:
        api.store(unique(), "warm")
        lock_holder.hold_append_lock()
        sender, key = unique(), unique("key")
        post = Post(replica, sender, "x", key)
        wait_until(database.waiting_for_lock, 5, "the append waits for the lock")
        victims = database.run(
            "SELECT id FROM information_schema.processlist"
            " WHERE user = 'buzon' AND info LIKE 'INSERT%'"
        )
        assert len(victims) == 1
        database.run(f"KILL CONNECTION {victims[0][0]}")
        answer = post.result()
        assert_problem(answer, 503, "write_uncertain")
        lock_holder.release()
        again = wait_until(
            lambda: post_until_stored(api, sender, key), 5, "stored at last"
        )
        assert api.messages(From=sender) == [again.json()]
