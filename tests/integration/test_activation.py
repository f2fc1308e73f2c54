# SPDX-License-Identifier: MIT
"""A socket that somebody else keeps open, as systemd does: nobody is lost in its queue."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fastcgi import Connection, encode
from replica import Replica, environment
from system import System
from waiting import wait_until

DRAIN_SECONDS = 10
TEST = encode("GET", "/api/test", keep=True)


class Activated(Replica):
    """Gets its listening socket from the test, which keeps it."""

    def __init__(self, system: System, **settings: str) -> None:
        super().__init__(system, **settings)
        self.listening = socket.socket(socket.AF_UNIX)

    def spawn(self) -> None:
        self.listening.bind(str(self.address))
        self.listening.listen(64)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(self.program)],
                env=environment(self.settings),
                stdin=self.listening,
                stdout=log,
                stderr=log,
            )

    def __exit__(self, kind: object, *rest: object) -> None:
        self.listening.close()
        super().__exit__(kind, *rest)

    def processor_seconds(self) -> float:
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def replica(system: System) -> Iterator[Activated]:
    with Activated(system, BUZON_CONNECTIONS="4") as replica:
        yield replica


def is_draining(replica: Replica) -> bool:
    return '"event":"draining"' in replica.log()


def test_a_drain_rests_while_clients_wait_for_the_next_program(
    replica: Activated,
) -> None:
    with replica.connect() as half:
        half.send(TEST[:20])
        with replica.api() as api:
            assert api.get("/api/test").status == 200
        replica.terminate()
        wait_until(lambda: is_draining(replica), 5, "it drains")
        # It waits for the half request; this one is in the socket's queue.
        with replica.connect() as waiting:
            waiting.send(TEST)
            before, start = replica.processor_seconds(), time.monotonic()
            wait_until(lambda: time.monotonic() - start > 1, 3, "a second has passed")
            assert replica.processor_seconds() - before < 0.2
            half.send(TEST[20:])
            assert half.read_reply().answer().status == 200
            assert replica.wait(DRAIN_SECONDS) == 0
            # The next program takes it from the same queue.
            accepted, _ = replica.listening.accept()
            accepted.close()


def test_a_drain_serves_all_who_were_let_in_before_it(replica: Activated) -> None:
    """Also those for whom there was no room: 4 connections are all it may have."""
    with ExitStack() as stack:
        busy = [stack.enter_context(replica.connect()) for _ in range(4)]
        for connection in busy:
            connection.send(TEST[:20])
        waiting: list[Connection] = []
        for _ in range(8):
            waiting.append(stack.enter_context(replica.connect()))
            waiting[-1].send(TEST)
        replica.terminate()
        for connection in waiting:
            assert connection.read_reply().answer().status == 200
        for connection in busy:
            connection.send(TEST[20:])
            assert connection.read_reply().answer().status == 200
        assert replica.wait(DRAIN_SECONDS) == 0
