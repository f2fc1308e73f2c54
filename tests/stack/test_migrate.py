# SPDX-License-Identifier: MIT
"""Volumes: new ones, those of another release, and those that came to harm."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from http_client import unique
from load import ALIVE, NEWEST, Load
from stack import LASTING_SERVICES, CommandError, Stack, inspect
from system import ROOT

# What `docker compose up` reads where the images are there already.
RELEASE = ("compose.yaml", "docker", "sql", "webserver-configs")

KNOWN = len(list((ROOT / "sql").glob("[0-9]*.sql")))


@pytest.fixture
def release(tmp_path: Path, build_seconds: float) -> Path:
    """A copy of this release, which a test may turn into another one."""
    for name in RELEASE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name)
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


@pytest.fixture
def own(release: Path) -> Iterator[Stack]:
    """A stack of that copy, not yet up."""
    stack = Stack(files=(str(release / "compose.yaml"),))
    try:
        yield stack
    finally:
        stack.remove()


def add_migration(release: Path, sql: str) -> Path:
    """Makes of a release the one that follows it."""
    path = release / "sql" / f"{KNOWN + 1:03}-later.sql"
    path.write_text(sql)
    # Whoever migrates is another user, and the umask may be a strict one.
    path.chmod(0o644)
    return path


LATER = "ALTER TABLE message ADD COLUMN IF NOT EXISTS note TEXT NULL;\n"


def version(stack: Stack) -> int:
    return int(stack.sql("SELECT MAX(version) FROM schema_migration"))


def schema(stack: Stack) -> str:
    """All that migrating is about: tables, triggers, users and rights."""
    return stack.sql(
        "SELECT * FROM information_schema.columns WHERE table_schema = 'buzon';"
        # Not how many values there are, which MariaDB estimates anew now and then.
        " SELECT table_name, index_name, seq_in_index, non_unique, column_name, collation,"
        "   sub_part, nullable, index_type FROM information_schema.statistics"
        "   WHERE table_schema = 'buzon' ORDER BY 1, 2, 3;"
        " SELECT * FROM information_schema.triggers WHERE trigger_schema = 'buzon';"
        " SELECT * FROM schema_migration;"
        " SELECT user, host, authentication_string FROM mysql.user ORDER BY 1, 2;"
        " SHOW GRANTS FOR buzon; SHOW GRANTS FOR dbuserwriter"
    )


def post_some(stack: Stack, count: int = 5) -> list[dict[str, object]]:
    sender = unique("migrate")
    api = stack.api()
    try:
        return [api.store(sender, f"número {n}", f"{sender}-{n}") for n in range(count)]
    finally:
        api.close()


def all_are_there(stack: Stack, posted: list[dict[str, object]]) -> bool:
    """The same messages, and what comes after them has a greater ID."""
    api = stack.api()
    try:
        sender = str(posted[0]["From"])
        there = api.messages(From=sender) == posted
        return there and api.store(unique(), "x")["ID"] > posted[-1]["ID"]
    finally:
        api.close()


def start_times(stack: Stack, service: str) -> list[str]:
    containers = sorted(stack.running_containers(service))
    return [inspect(container)["State"]["StartedAt"] for container in containers]


def test_a_fresh_volume_gets_the_schema(stack: Stack) -> None:
    assert version(stack) == KNOWN
    posted = post_some(stack)
    assert all_are_there(stack, posted)
    settings = "SELECT @@character_set_server, @@collation_server"
    assert stack.sql(settings).split() == ["utf8mb4", "utf8mb4_nopad_bin"]


def test_migrating_again_changes_nothing(stack: Stack) -> None:
    before = schema(stack)
    posted = post_some(stack)
    printed = stack.compose("run", "--rm", "--no-deps", "--no-TTY", "migrate")
    assert "applied" not in printed
    assert f"schema is at version {KNOWN}" in printed
    assert schema(stack) == before
    assert all_are_there(stack, posted)


def test_a_volume_of_an_older_release_gets_what_it_lacks(
    own: Stack, release: Path
) -> None:
    own.up()
    posted = post_some(own)
    add_migration(release, LATER)
    own.up()
    assert version(own) == KNOWN + 1
    assert "note" in own.sql("SHOW COLUMNS FROM message")
    assert f"applied {KNOWN + 1:03}-later.sql" in own.compose("logs", "migrate")
    assert all_are_there(own, posted)


def test_a_volume_of_a_newer_release_is_left_alone(own: Stack, release: Path) -> None:
    later = add_migration(release, LATER)
    own.up()
    posted = post_some(own)
    before = schema(own)
    started = {service: start_times(own, service) for service in LASTING_SERVICES}
    later.unlink()
    with Load(own.url) as load, pytest.raises(CommandError, match="migrate"):
        own.up()
    load.assert_reads(ALIVE, seconds=5)
    load.assert_reads(NEWEST, seconds=5)
    api = own.api()
    load.assert_stored_once(api)
    api.close()
    told = own.compose("logs", "--no-log-prefix", "migrate")
    assert f"buzon is at version {KNOWN + 1}, but only {KNOWN} are known here" in told
    assert "use the sql/ of a newer release" in told
    assert inspect(own.container("migrate"))["State"]["ExitCode"] == 1
    # What ran goes on, untouched, and serves.
    assert started == {service: start_times(own, service) for service in LASTING_SERVICES}
    assert schema(own) == before
    assert all_are_there(own, posted)


def test_a_volume_that_was_never_migrated_is_finished(own: Stack) -> None:
    """The first start was interrupted when there was a database and nothing in it."""
    own.compose("up", "--detach", "--wait", "db")
    assert own.sql("SHOW TABLES") == ""
    own.down()
    own.up()
    assert version(own) == KNOWN
    assert all_are_there(own, post_some(own))


def test_messages_outlive_the_containers(own: Stack) -> None:
    own.up()
    posted = post_some(own)
    passwords = [own.secret("dbuserwriter-password"), own.secret("program-password")]
    containers = {c for service in LASTING_SERVICES for c in own.containers(service)}
    own.compose("stop")
    # Each ended by itself when it was asked to; 137 is SIGKILL.
    codes = {c: inspect(c)["State"]["ExitCode"] for c in containers}
    assert set(codes.values()) == {0}, codes
    own.down()
    own.up()
    assert not containers & {
        c for service in LASTING_SERVICES for c in own.containers(service)
    }
    assert all_are_there(own, posted)
    assert passwords == [
        own.secret("dbuserwriter-password"),
        own.secret("program-password"),
    ]
    assert log_in(own) == "dbuserwriter@%"


def log_in(stack: Stack) -> str:
    """Logs into the database as Adminer does, with the password in the volume."""
    address = stack.address(stack.container("db"), "adminer-db")
    return stack.compose(
        *("exec", "--no-TTY", "db", "bash", "-c"),
        "MYSQL_PWD=$(</secrets/administration/dbuserwriter-password) exec mariadb"
        f" --protocol=tcp --skip-ssl --host={address} --user=dbuserwriter"
        " --batch --skip-column-names --execute='SELECT CURRENT_USER()' buzon",
    ).strip()
