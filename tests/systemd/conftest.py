# SPDX-License-Identifier: MIT
"""A server with the program installed, as `make install` leaves it, and its MariaDB."""

import os
import secrets
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import attempt, run
from database import Database
from units import Unit
from waiting import wait_until

SETTINGS = Path("/etc/buzon")
DATABASE_SOCKET = Path("/run/mysqld/mysqld.sock")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        report.sections.append(("journal", run("journalctl", "--no-pager", "-n", "60")))


def pytest_sessionstart() -> None:
    if os.environ.get("BUZON_TEST_SERVER") != "own":
        pytest.exit("start these tests by scripts/test systemd", returncode=4)


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    """As the unit's own comments say where it is."""
    data = "/var/lib/buzon-test-database"
    run("install", "--directory", "--owner=mysql", data, str(DATABASE_SOCKET.parent))
    run("mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}")
    run(
        *("systemd-run", "--unit=mariadb", "--", "mariadbd", "--no-defaults", "--user=mysql"),
        *(f"--datadir={data}", f"--socket={DATABASE_SOCKET}", "--skip-networking"),
    )
    database = Database(DATABASE_SOCKET)
    wait_until(lambda: Database(DATABASE_SOCKET, "mysql").answers(), 30, "MariaDB answers")
    yield database
    run("systemctl", "stop", "mariadb")


@pytest.fixture(scope="session")
def configured(database: Database) -> None:
    """The schema, the passwords and the settings, as an administrator makes them."""
    SETTINGS.mkdir()
    for name in ("db-password", "admin-password"):
        (SETTINGS / name).touch(0o600)
        (SETTINGS / name).write_text(f"{secrets.token_hex(16)}\n")
    (SETTINGS / "buzon.env").write_text(f"BUZON_DB_SOCKET={DATABASE_SOCKET}\n")
    run(
        "/usr/share/buzon/sql/migrate",
        environment={
            "PATH": os.environ["PATH"],
            "BUZON_DB_SOCKET": str(DATABASE_SOCKET),
            "BUZON_DB_PASSWORD_FILE": str(SETTINGS / "db-password"),
            "BUZON_ADMIN_PASSWORD_FILE": str(SETTINGS / "admin-password"),
        },
    )


@pytest.fixture
def unit(configured: None) -> Iterator[Unit]:
    """The first replica, whose socket listens."""
    unit = Unit("buzon@1")
    run("systemctl", "start", unit.socket)
    yield unit
    run("systemctl", "stop", unit.service, unit.socket)
    attempt("systemctl", "reset-failed", unit.service)
