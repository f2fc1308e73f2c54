# SPDX-License-Identifier: MIT
"""sql/migrate, and who may come in."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from database import DatabaseError
from migration import BAD_PASSWORD_FILES, Migration
from replica import Replica
from system import ROOT, System

def version_of(migration: Migration) -> int:
    rows = migration.database.run(
        "SELECT MAX(version) FROM schema_migration", migration.name
    )
    return int(rows[0][0])


def test_an_empty_server_gets_the_schema(system: System, migration: Migration) -> None:
    assert "applied 001-" in migration.run()
    assert version_of(migration) == len(list((ROOT / "sql").glob("[0-9]*.sql")))
    settings = {
        "BUZON_DB_NAME": migration.name,
        "BUZON_DB_USER": migration.user,
        "BUZON_DB_PASSWORD_FILE": str(migration.directory / "program"),
    }
    with Replica(system, **settings) as replica, replica.api() as api:
        stored = api.store("a", "b", "key")
        assert api.messages() == [stored]


def test_a_second_time_changes_nothing(migration: Migration) -> None:
    migration.run()
    migration.database.run(
        "INSERT INTO message (sender, content, stored_at) VALUES ('a', 'b', NOW(6))",
        migration.name,
    )
    schema = migration.schema()
    assert "applied" not in migration.run()
    assert migration.schema() == schema
    rows = migration.database.run("SELECT sender, content FROM message", migration.name)
    assert rows == [["a", "b"]]


def test_several_at_once_are_as_one(migration: Migration) -> None:
    with ThreadPoolExecutor(4) as pool:
        printed = list(pool.map(lambda _: migration.run(), range(4)))
    assert sum("applied 001-" in text for text in printed) == 1
    assert version_of(migration) >= 1


def test_an_interrupted_migration_is_finished(migration: Migration) -> None:
    """The file was applied, but nobody wrote that down."""
    migration.run()
    schema = migration.schema()
    migration.database.run("DELETE FROM schema_migration", migration.name)
    assert "applied 001-" in migration.run()
    assert migration.schema() == schema


def later_release(migration: Migration, sql: str) -> Path:
    """A copy of sql/ with one more migration in it; returns its script."""
    folder = migration.directory / "sql"
    folder.mkdir()
    for path in (ROOT / "sql").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    number = len(list(folder.glob("[0-9]*.sql"))) + 1
    (folder / f"{number:03}-later.sql").write_text(sql)
    script = folder / "migrate"
    script.chmod(0o755)
    return script


def test_an_older_database_gets_what_it_lacks(migration: Migration) -> None:
    migration.run()
    before = version_of(migration)
    script = later_release(
        migration, "ALTER TABLE message ADD COLUMN IF NOT EXISTS note TEXT NULL;\n"
    )
    printed = migration.run(script)
    assert f"applied {before + 1:03}-later.sql" in printed
    assert "applied 001-" not in printed
    assert version_of(migration) == before + 1
    columns = migration.database.run("SHOW COLUMNS FROM message", migration.name)
    assert "note" in [column[0] for column in columns]


def test_a_newer_database_is_left_alone(migration: Migration) -> None:
    migration.run()
    migration.database.run(
        "INSERT INTO schema_migration VALUES (999, '999-future.sql', NOW(6))",
        migration.name,
    )
    schema = migration.schema()
    with pytest.raises(DatabaseError, match="999.*newer"):
        migration.run()
    assert migration.schema() == schema


def test_a_broken_migration_is_named_and_can_be_mended(migration: Migration) -> None:
    script = later_release(migration, "ALTER TABLE no_such_table ADD x INT;\n")
    with pytest.raises(DatabaseError, match="later.sql.*no_such_table"):
        migration.run(script)
    applied = version_of(migration)
    broken = next(script.parent.glob("*-later.sql"))
    broken.write_text("CREATE TABLE IF NOT EXISTS later (id INT PRIMARY KEY);\n")
    migration.run(script)
    assert version_of(migration) == applied + 1


WRONG = [
    ({"BUZON_DB_NAME": "a`b"}, "BUZON_DB_NAME is 'a`b'"),
    ({"BUZON_DB_USER": "x'; --"}, "BUZON_DB_USER"),
    ({"BUZON_DB_PASSWORD_FILE": "/nonexistent"}, "/nonexistent"),
    ({"BUZON_ADMIN_PASSWORD_FILE": ""}, "BUZON_ADMIN_PASSWORD_FILE is not set"),
    ({"BUZON_DB_SOCKET": "/nonexistent/db.sock"}, "/nonexistent/db.sock"),
    ({"BUZON_DB_PORT": "0"}, "from 1 to 65535"),
    ({"BUZON_DB_PORT": "65536"}, "from 1 to 65535"),
    ({"BUZON_DB_TLS": "perhaps"}, "off, required or verified"),
]


@pytest.mark.parametrize("settings, said", WRONG)
def test_a_wrong_setting_is_named(
    migration: Migration, settings: dict[str, str], said: str
) -> None:
    with pytest.raises(DatabaseError) as caught:
        migration.run(**settings)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", [b"a b", b"a\n", b"a\r\n", "ñ\n".encode()])
def test_a_password_file_is_read_as_the_program_reads_it(
    system: System, migration: Migration, content: bytes
) -> None:
    path = migration.directory / "program"
    path.write_bytes(content)
    migration.run()
    settings = {
        "BUZON_DB_NAME": migration.name,
        "BUZON_DB_USER": migration.user,
        "BUZON_DB_PASSWORD_FILE": str(path),
    }
    with Replica(system, **settings) as replica, replica.api() as api:
        assert api.get("/api/health").status == 200


@pytest.mark.parametrize("content, fault", BAD_PASSWORD_FILES)
def test_a_password_file_is_refused_as_the_program_refuses_it(
    migration: Migration, content: bytes, fault: str
) -> None:
    (migration.directory / "program").write_bytes(content)
    with pytest.raises(DatabaseError) as caught:
        migration.run()
    assert fault in str(caught.value)


@pytest.mark.parametrize("user", ["buzon", "dbuserwriter"])
@pytest.mark.parametrize("password", ["", "wrong"])
def test_nobody_comes_in_without_the_password(
    system: System, user: str, password: str
) -> None:
    with pytest.raises(DatabaseError, match="Access denied"):
        system.database.run_as([f"--user={user}", f"--password={password}"], "SELECT 1")


def test_passwords_are_readable_by_their_user_alone(system: System) -> None:
    for path in (system.var / "secrets").iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert len(path.read_text().strip()) >= 24
    assert (system.var / "secrets").stat().st_mode & 0o077 == 0
