# SPDX-License-Identifier: MIT
"""Backups that are taken while messages come in, and a database that is lost."""

import re
import shutil
import time
from contextlib import closing
from pathlib import Path

import pytest

import server as servers
from commands import CommandError, attempt, run
from conftest import Site
from server import Server
from traffic import SecureApi, Traffic
from waiting import wait_until

FOLDER = Path("/var/backups/buzon")


def backups() -> list[Path]:
    return sorted(FOLDER.glob("[0-9]*Z"))


def stored(sender: str) -> list[int]:
    with closing(SecureApi(servers.URL)) as api:
        return [message["ID"] for message in api.messages(From=sender, limit=1000)]


def test_a_lost_database_comes_back_with_every_acknowledged_message(
    server: Server,
) -> None:
    with closing(SecureApi(servers.URL)) as api:
        sender = f"before the backup {time.time_ns()}"
        before = [api.store(sender, str(n))["ID"] for n in range(200)]
    with Traffic(servers.DOMAIN) as traffic:
        printed = server.play("backup.yml")
        traffic.go_on()
    traffic.assert_no_faults()
    assert str(backups()[-1]) in printed
    # A message of that time is there with all that came before it.
    during = {writer.sender: writer.ids for writer in traffic.writers}

    run("systemctl", "stop", "buzon-container@db")
    shutil.rmtree("/var/lib/lxc/db")
    shutil.rmtree("/var/lib/buzon/db")
    server.play("restore.yml")

    wait_until(servers.healthy, 30, "the database answers")
    assert stored(sender) == before
    for sender, ids in during.items():
        found = stored(sender)
        assert found == ids[: len(found)]
    with closing(SecureApi(servers.URL)) as api:
        assert api.store("after the restore", "x")["ID"] > before[-1]


def test_a_lost_container_comes_back_around_its_data(server: Server) -> None:
    with closing(SecureApi(servers.URL)) as api:
        sender = f"no backup {time.time_ns()}"
        before = [api.store(sender, str(n))["ID"] for n in range(200)]
    run("systemctl", "disable", "--now", "buzon-container@db")
    shutil.rmtree("/var/lib/lxc/db")
    with pytest.raises(CommandError, match="still has data"):
        server.play("restore.yml")
    server.play("site.yml")
    wait_until(servers.healthy, 30, "the database answers")
    assert stored(sender) == before


def test_only_the_newest_backups_are_kept(server: Server) -> None:
    for _ in range(3):
        server.play("backup.yml")
    assert len(backups()) == 2


def test_a_backup_is_for_root_alone(server: Server) -> None:
    server.play("backup.yml")
    for file in (backups()[-1], *backups()[-1].iterdir()):
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_backup_says_how_far_it_is(site: Site) -> None:
    done = attempt("buzon-backup", str(FOLDER), "2")
    assert done.returncode == 0
    assert re.search(r"^the database: \d+ %$", done.stderr, re.MULTILINE), done


def test_a_damaged_backup_is_refused_while_the_database_serves(server: Server) -> None:
    server.play("backup.yml")
    copy = Path("/root/tests/damaged")
    shutil.copytree(backups()[-1], copy)
    stream = copy / "database.mbstream.zst"
    content = bytearray(stream.read_bytes())
    content[len(content) // 2] ^= 1
    stream.write_bytes(content)
    with Traffic(servers.DOMAIN) as traffic:
        with pytest.raises(CommandError, match="is damaged"):
            run("buzon-restore", str(copy))
        traffic.go_on()
    traffic.assert_no_faults()
