# SPDX-License-Identifier: MIT
"""The disk of MariaDB is full: what cannot be stored is refused, until there is room."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from answers import assert_problem
from conftest import Figure, cannot_run
from http_client import Api, unique
from mariadb_process import MariadbProcess
from system import System, is_alive
from waiting import wait_until

DISK_MIB = 400
CONTENT = "x" * 60_000
RECOVERY_SECONDS = 2
REFUSED = 6
LEFT_BYTES = 2_000_000


@pytest.fixture
def small_disk() -> Iterator[MariadbProcess]:
    """Its data are on a disk of their own, where it can be in a namespace of these tests,
    which takes it away however they end."""
    if os.geteuid() != 0:
        cannot_run("only root can mount a small disk")
    with System(3) as system:
        mariadb = MariadbProcess(system)
        data, was = data_of(system), system.var / "data.was"
        mariadb.end()
        data.rename(was)
        data.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "buzon-test", str(data))
        try:
            run("cp", "-a", "-T", str(was), str(data))
            mariadb.start()
            mariadb.wait_until_it_answers()
            yield mariadb
        finally:
            if is_alive(mariadb.pid):
                mariadb.kill()
            wait_until(lambda: unmounted(data), 20, "nobody uses the disk any more")


def unmounted(data: Path) -> bool:
    """Threads of a process that was killed may have files open a moment longer than it."""
    return subprocess.run(["umount", str(data)], timeout=20, check=False).returncode == 0


def data_of(system: System) -> Path:
    return system.var / "data"


def run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=20)


class Ballast:
    """Inside `with`, little is left of the disk."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "ballast"

    def __enter__(self) -> "Ballast":
        with open(self.file, "wb") as file:
            free = os.statvfs(self.file).f_bavail * os.statvfs(self.file).f_frsize
            os.posix_fallocate(file.fileno(), 0, free - LEFT_BYTES)
        return self

    def __exit__(self, *_: object) -> None:
        self.file.unlink(missing_ok=True)


def post_until_refused(api: Api, sender: str) -> tuple[set[int], Counter[str]]:
    """The IDs of those that were stored before, and the codes of those that were not."""
    ids: set[int] = set()
    codes: Counter[str] = Counter()

    def refused() -> bool:
        answer = api.post_message(sender, CONTENT)
        if answer.status == 201:
            ids.add(answer.json()["ID"])
        else:
            codes[answer.json()["code"]] += 1
            assert_problem(answer, 503, answer.json()["code"])
        return codes.total() >= REFUSED

    wait_until(refused, 90, f"{REFUSED} are refused")
    return ids, codes


def looked_after(mariadb: MariadbProcess) -> bool:
    """It may end by "[FATAL] InnoDB: Error (Out of disk space) in rollback". Whoever looks
    after it, like systemd and Docker, starts it then."""
    if not is_alive(mariadb.pid):
        mariadb.start()
    return mariadb.system.database.answers()


@pytest.mark.timeout(200)
def test_a_full_disk_refuses_and_recovers_without_help(
    small_disk: MariadbProcess, figure: Figure
) -> None:
    system, sender = small_disk.system, unique("full")
    with closing(system.api()) as api:
        kept = api.store(unique(), "before")
        with Ballast(data_of(system)):
            ids, codes = post_until_refused(api, sender)
            assert api.get("/api/test").status == 200
        assert set(codes) <= {"database_refuses", "database_unavailable", "write_uncertain"}
        was = small_disk.pid
        wait_until(lambda: looked_after(small_disk), 60, "MariaDB answers")
        wait_until(
            lambda: api.post_message(sender, CONTENT).status == 201,
            RECOVERY_SECONDS,
            "it stores again",
        )
        assert api.messages(ID=kept["ID"]) == [kept]
        stored = {message["ID"] for message in api.messages(From=sender, limit=1000)}
        assert stored >= ids
        assert len(stored - ids) <= codes["write_uncertain"] + 1
    figure(
        f"{len(ids)} stored, then {dict(codes)}; MariaDB {'went on' if small_disk.pid == was else 'died'};"
        " stored again when there was room"
    )
