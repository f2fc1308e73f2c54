# SPDX-License-Identifier: MIT
"""Writers that keep a record of what they were told, and what the database says to it."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from database import Database
from http_client import json_body, unique
from waiting import wait_until
from writers import WriteFailed, read_answer

# How a writer treats an answer that is not 201: it sends the message again with its key,
# sends it again without one, or leaves it at that.
KEYED, BLIND, ONCE = "keyed", "blind", "once"

PAUSE_SECONDS = 0.005
ANSWER_SECONDS = 30
GIVE_UP_SECONDS = 60

# Of these codes API.md says that nothing was stored.
NOT_STORED = ("database_refuses", "database_unavailable", "overloaded")


@dataclass
class Told:
    """What one writer knows of its messages, by their content."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)


@dataclass
class Verdict:
    """What became of the messages."""

    acknowledged: int = 0
    refused: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    # Stored although the answer said that it was not.
    unwanted: list[str] = field(default_factory=list)

    def assert_good(self) -> None:
        assert not self.lost, f"{len(self.lost)} lost: {self.lost[:5]}"
        assert not self.twice, f"{len(self.twice)} stored twice: {self.twice[:5]}"
        assert not self.unwanted, f"{len(self.unwanted)} refused and stored: {self.unwanted[:5]}"

    def __str__(self) -> str:
        return (
            f"{self.acknowledged} acknowledged, {len(self.lost)} lost,"
            f" {len(self.twice)} twice; {self.refused} refused for certain,"
            f" {len(self.unwanted)} of them stored"
        )


class Witnesses:
    """Inside `with`, they write."""

    def __init__(self, port: int, kinds: dict[str, int]) -> None:
        """kinds: how many writers of each kind."""
        self.mark = unique("witness")
        self.senders = {
            f"{self.mark}-{kind}-{number}": kind
            for kind, count in kinds.items()
            for number in range(count)
        }
        self.port = port
        self.directory = tempfile.TemporaryDirectory(prefix="buzon-witnesses-")
        self.processes: list[subprocess.Popen[bytes]] = []

    def record(self, sender: str) -> Path:
        return Path(self.directory.name, sender)

    def __enter__(self) -> "Witnesses":
        for sender, kind in self.senders.items():
            with open(self.record(sender), "wb") as record:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, __file__, str(self.port), sender, kind],
                        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                        stdin=subprocess.DEVNULL,
                        stdout=record,
                    )
                )
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.directory.cleanup()

    def acknowledged(self) -> int:
        """How many messages were acknowledged until now."""
        return sum(
            (b"\n" + self.record(sender).read_bytes()).count(b"\n201 ") for sender in self.senders
        )

    def wait_for(self, count: int, seconds: float = 60) -> None:
        """Until so many more are acknowledged."""
        goal = self.acknowledged() + count
        wait_until(
            lambda: self.acknowledged() >= goal, seconds, f"{count} more are acknowledged"
        )

    def finish(self) -> None:
        """Every writer ends once its last message has its answer."""
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process, sender in zip(self.processes, self.senders):
            assert process.wait(GIVE_UP_SECONDS + 10) == 0, f"{sender} has failed"

    def told(self, sender: str) -> Told:
        told = Told()
        for line in self.record(sender).read_text().splitlines():
            status, content, message_id = line.split()
            if status == "201":
                told.acknowledged[content] = int(message_id)
            else:
                told.refused.add(content)
        return told

    def verdict(self, database: Database) -> Verdict:
        """Holds what they were told against the table. After finish()."""
        rows = database.run(
            "SELECT id, sender, content FROM message"
            f" WHERE sender > '{self.mark}' AND sender < '{self.mark}~'"
        )
        stored = {(sender, content): int(message_id) for message_id, sender, content in rows}
        times = Counter((sender, content) for _, sender, content in rows)
        verdict = Verdict(twice=[str(message) for message, n in times.items() if n > 1])
        for sender, kind in self.senders.items():
            told = self.told(sender)
            verdict.acknowledged += len(told.acknowledged)
            verdict.refused += len(told.refused)
            for content, message_id in told.acknowledged.items():
                # Without a key the copy that has another ID is as good.
                if (sender, content) not in times or (
                    kind != BLIND and stored[sender, content] != message_id
                ):
                    verdict.lost.append(f"{sender} {content} {message_id}")
            verdict.unwanted += [f"{sender} {c}" for c in told.refused if times[sender, c]]
        return verdict


class Client:
    """A connection that is made anew after every failure."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connection: socket.socket | None = None

    def post(self, sender: str, content: str, key: str) -> tuple[int, bytes]:
        """Status and body; 0 where there was no answer."""
        body = json_body(sender, content)
        key_line = f"Idempotency-Key: {key}\r\n".encode() if key else b""
        request = (
            b"POST /api/message HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
            b"%bContent-Length: %d\r\n\r\n%b" % (key_line, len(body), body)
        )
        try:
            if self.connection is None:
                self.connection = socket.create_connection(
                    ("127.0.0.1", self.port), ANSWER_SECONDS
                )
                self.reader = self.connection.makefile("rb")
            self.connection.sendall(request)
            head, answer = read_answer(self.reader)
        except (OSError, WriteFailed, ValueError):
            self.close()
            return 0, b""
        if b"connection: close" in head.lower():
            self.close()
        return int(head.split()[1]), answer

    def close(self) -> None:
        if self.connection is not None:
            self.reader.close()
            self.connection.close()
            self.connection = None


def certainly_not_stored(status: int, body: bytes) -> bool:
    try:
        return status == 503 and json.loads(body).get("code") in NOT_STORED
    except ValueError:
        return False


def write_one(client: Client, sender: str, content: str, kind: str) -> None:
    key = secrets.token_hex(16) if kind == KEYED else ""
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while True:
        status, body = client.post(sender, content, key)
        if status == 201:
            tell(f"201 {content} {json.loads(body)['ID']}")
            return
        if kind == ONCE:
            if certainly_not_stored(status, body):
                tell(f"503 {content} 0")
            return
        if time.monotonic() > give_up:
            sys.exit(f"{sender}: no 201 for {GIVE_UP_SECONDS} s, but {status} {body!r}")
        time.sleep(PAUSE_SECONDS)


def tell(line: str) -> None:
    # At once: what was acknowledged counts also when this process is killed.
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def write_until_told_to_end(port: int, sender: str, kind: str) -> None:
    ending = False

    def end(*_: object) -> None:
        nonlocal ending
        ending = True

    signal.signal(signal.SIGTERM, end)
    client = Client(port)
    number = 0
    while not ending:
        write_one(client, sender, str(number), kind)
        number += 1
    client.close()


if __name__ == "__main__":
    write_until_told_to_end(int(sys.argv[1]), sys.argv[2], sys.argv[3])
