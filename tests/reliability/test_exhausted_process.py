# SPDX-License-Identifier: MIT
"""The program gets no more descriptors, or no more threads."""

import os
import re
import resource
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from conftest import cannot_run
from fastcgi import FastcgiApi, encode
from http_client import unique
from replica import Replica
from system import System, short_directory
from waiting import wait_until

PROGRAM_USER = "buzon"
WORKERS = 4
# And one each: the gate, which is the first, the appender, the finder and the probe.
THREADS = WORKERS + 4
SYSTEM_ERROR = 71

# No process of the machine runs as this one.
LIMITED_USER = 61_234


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def limit_descriptors(pid: int, soft: int) -> None:
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


ALIVE = encode("GET", "/api/test", keep=True)


def test_without_descriptors_who_is_connected_is_served_and_others_later(
    system: System,
) -> None:
    with Replica(system) as replica, replica.api() as api, ExitStack() as stack:
        api.store(unique(), "warm")
        few = descriptors(replica.pid) + 8
        limit_descriptors(replica.pid, few)
        others = [stack.enter_context(replica.connect()) for _ in range(40)]
        for other in others:
            other.send(ALIVE)
        wait_until(lambda: "accept_failed" in replica.log(), 10, "it cannot accept")
        assert re.search(r"no new connection for \d+ ms: Too many open files", replica.log())
        assert descriptors(replica.pid) <= few
        for _ in range(5):
            api.store(unique(), "x")
        # The first ones were taken; when they leave, the next ones are.
        for other in others:
            assert other.read_reply().answer().status == 200
            other.close()
        wait_until(lambda: descriptors(replica.pid) < few, 10, "descriptors are free")
        api.store(unique(), "x")


def test_without_descriptors_a_lost_database_is_found_again_later(system: System) -> None:
    with Replica(system) as replica, replica.api() as api:
        sender = unique()
        kept = api.store(sender, "x")
        few = descriptors(replica.pid)
        limit_descriptors(replica.pid, 3)
        system.database.disconnect(PROGRAM_USER)
        wait_until(lambda: api.post_message(unique(), "x").status == 503, 10, "none is left")
        assert api.get("/api/test").status == 200
        limit_descriptors(replica.pid, few + 8)
        wait_until(lambda: api.post_message(unique(), "x").status == 201, 5, "it stores again")
        assert api.messages(From=sender) == [kept]


class Limited:
    """The program as a user who may have so many threads, inside `with`."""

    def __init__(self, system: System, threads: int) -> None:
        self.directory = short_directory()
        self.address = self.directory / "socket"
        self.log_path = self.directory / "log"
        password = Path(system.program_settings()["BUZON_DB_PASSWORD_FILE"]).read_text()
        self.settings = {
            "PATH": os.environ["PATH"],
            "BUZON_DB_SOCKET": str(system.run_directory / "mariadb.sock"),
            "BUZON_DB_PASSWORD": password.rstrip("\n"),
            "BUZON_WORKERS": str(WORKERS),
        }
        user = str(LIMITED_USER)
        self.command = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"]
        self.command += ["prlimit", f"--nproc={threads}", "--"]
        self.command += ["spawn-fcgi", "-n", "-s", str(self.address), "--"]
        self.command.append(str(system.program()))

    def __enter__(self) -> "Limited":
        os.chown(self.directory, LIMITED_USER, LIMITED_USER)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(15)
        self.address.unlink(missing_ok=True)
        self.log_path.unlink()
        self.directory.rmdir()

    def log(self) -> str:
        return self.log_path.read_text()


@pytest.fixture
def reachable(system: System) -> Iterator[System]:
    """By any user."""
    if os.geteuid() != 0:
        cannot_run("who may have how many threads is told by user, and that needs root")
    for directory in (system.var, system.run_directory, system.program().parent):
        directory.chmod(0o755)
    yield system


@pytest.mark.parametrize("threads", range(1, THREADS))
def test_without_a_thread_that_it_needs_it_says_so_and_ends(
    reachable: System, threads: int
) -> None:
    with Limited(reachable, threads) as limited:
        assert limited.process.wait(15) == SYSTEM_ERROR, limited.log()
        assert '"event":"start_failed"' in limited.log()
        assert "thread" in limited.log(), limited.log()


def test_with_just_as_many_as_it_needs_it_does_everything(reachable: System) -> None:
    with Limited(reachable, THREADS) as limited:
        wait_until(lambda: '"event":"database_here"' in limited.log(), 15, "it has started")
        with FastcgiApi(limited.address) as api:
            sender = unique()
            stored = api.store(sender, "x")
            reachable.database.disconnect(PROGRAM_USER)
            wait_until(lambda: api.post_message(unique(), "x").status == 201, 5, "it stores")
            assert api.messages(From=sender) == [stored]
            assert api.get("/api/health").status == 200
