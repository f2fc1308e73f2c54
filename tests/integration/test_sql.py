# SPDX-License-Identifier: MIT
"""sql/migrate and what each database user may do."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from database import Database, DatabaseError
from http_client import unique
from replica import Replica
from system import ROOT, System

MIGRATE = ROOT / "sql" / "migrate"


class Migration:
    """A database of its own on the system's server."""

    def __init__(self, system: System, directory: Path) -> None:
        mark = unique("b").replace("-", "_")
        self.database = Database(system.database.socket, "mysql")
        self.name = f"test_{mark}"
        self.user = f"p_{mark}"
        self.admin = f"a_{mark}"
        self.directory = directory
        for name in ("program", "admin"):
            (directory / name).write_text(f"secret '\"\\of {name}\n")

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "BUZON_DB_SOCKET": str(self.database.socket),
            "BUZON_DB_NAME": self.name,
            "BUZON_DB_USER": self.user,
            "BUZON_DB_PASSWORD_FILE": str(self.directory / "program"),
            "BUZON_ADMIN_USER": self.admin,
            "BUZON_ADMIN_PASSWORD_FILE": str(self.directory / "admin"),
        }

    def run(self, script: Path = MIGRATE, **more: str) -> str:
        done = subprocess.run(
            [str(script)],
            env={**self.environment(), **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise DatabaseError(done.stderr)
        assert done.stderr == ""
        return done.stdout

    def schema(self) -> list[list[str]]:
        """All that makes up the tables, without what changes by use."""
        rows = []
        for (table,) in self.database.run("SHOW TABLES", self.name):
            (row,) = self.database.run(f"SHOW CREATE TABLE {table}", self.name)
            rows.append([table, row[1].partition(" AUTO_INCREMENT=")[0]])
        return rows

    def remove(self) -> None:
        self.database.run(
            f"DROP DATABASE IF EXISTS {self.name};"
            f"DROP USER IF EXISTS {self.user}, {self.user}@localhost,"
            f" {self.admin}, {self.admin}@localhost"
        )


@pytest.fixture
def migration(system: System, tmp_path: Path) -> Iterator[Migration]:
    migration = Migration(system, tmp_path)
    yield migration
    migration.remove()


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


def as_user(system: System, user: str, secret: str) -> list[str]:
    password = (system.var / "secrets" / secret).read_text().strip()
    return [f"--user={user}", f"--password={password}"]


FORBIDDEN = [
    "DELETE FROM message",
    "UPDATE message SET content = 'x'",
    "UPDATE message SET id = id + 1",
    "UPDATE message SET sender = 'x' WHERE id = @id",
    "UPDATE message SET stored_at = NOW(6)",
    "INSERT INTO message (id, sender, content, stored_at) VALUES (@id, 'a', 'b', NOW(6))"
    " ON DUPLICATE KEY UPDATE content = 'x'",
    "REPLACE INTO message (id, sender, content, stored_at) VALUES (@id, 'a', 'b', NOW(6))",
    "TRUNCATE TABLE message",
    "DROP TABLE message",
    "ALTER TABLE message ADD COLUMN x INT",
    "CREATE TABLE x (id INT)",
    "CREATE INDEX x ON message (stored_at)",
    "INSERT INTO append_lock (id) VALUES (2)",
    "DELETE FROM append_lock",
    "UPDATE append_lock SET id = 2",
    "SELECT * FROM schema_migration",
    "SELECT * FROM mysql.global_priv",
    "CREATE DATABASE x",
    "CREATE USER x",
    "GRANT SELECT ON buzon.* TO CURRENT_USER",
    "SELECT 1 INTO OUTFILE '/tmp/buzon-forbidden'",
    "SET GLOBAL max_connections = 10",
    "CREATE TRIGGER t BEFORE INSERT ON message FOR EACH ROW SET NEW.content = 'x'",
    "CREATE PROCEDURE p() SELECT 1",
    "SHUTDOWN",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_program_s_user_may_not(system: System, statement: str) -> None:
    """By rights, or by the trigger that keeps a message as it is."""
    api = system.api()
    stored = api.store(unique(), "final")
    options = as_user(system, "buzon", "db-password")
    with pytest.raises(DatabaseError, match="denied|a message is final"):
        system.database.run_as(options, f"SET @id = {stored['ID']}; {statement}")
    assert api.messages(ID=stored["ID"]) == [stored]
    api.close()


def test_the_program_s_user_reads_no_files(system: System) -> None:
    options = as_user(system, "buzon", "db-password")
    rows = system.database.run_as(options, "SELECT LOAD_FILE('/etc/passwd')")
    assert rows == [["NULL"]]


def test_the_program_s_user_sees_no_other_database(system: System) -> None:
    options = as_user(system, "buzon", "db-password")
    shown = {name for (name,) in system.database.run_as(options, "SHOW DATABASES")}
    assert shown == {"buzon", "information_schema"}


def test_the_administration_user_has_all_of_one_database(system: System) -> None:
    options = as_user(system, "dbuserwriter", "db-admin-password")
    system.database.run_as(
        options,
        "CREATE TABLE of_the_admin (id INT PRIMARY KEY);"
        "INSERT INTO of_the_admin VALUES (1); UPDATE of_the_admin SET id = 2;"
        "ALTER TABLE of_the_admin ADD x INT; DELETE FROM of_the_admin;"
        "CREATE VIEW a_view AS SELECT * FROM of_the_admin; DROP VIEW a_view;"
        "TRUNCATE of_the_admin; DROP TABLE of_the_admin;"
        "SELECT COUNT(*) FROM message",
    )
    for statement in (
        "CREATE DATABASE buzon2",
        "CREATE TABLE mysql.x (id INT)",
        "SELECT * FROM mysql.global_priv",
        "CREATE USER x",
        "SHUTDOWN",
        "SELECT 1 INTO OUTFILE '/tmp/buzon-forbidden'",
    ):
        with pytest.raises(DatabaseError, match="denied"):
            system.database.run_as(options, statement)


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
