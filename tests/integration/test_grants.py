# SPDX-License-Identifier: MIT
"""What each database user may do, and that the administrator could."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from database import Database, DatabaseError, Session
from mariadb_process import MariadbProcess
from migration import Migration
from system import System, is_alive
from waiting import wait_until

NEW_ROW = "INSERT INTO message (id, sender, content, stored_at) VALUES (1, 'a', 'b', NOW(6))"

# {name}: of the database; users and databases that begin with it are removed afterwards.
# Each can be done after those before it, by who may.
FORBIDDEN = [
    "DELETE FROM message WHERE id = 2",
    "UPDATE message SET content = 'x'",
    "UPDATE message SET sender = 'x' WHERE id = 1",
    "UPDATE message SET stored_at = '2020-01-01'",
    "UPDATE message SET idempotency_key = 'x'",
    f"{NEW_ROW} ON DUPLICATE KEY UPDATE content = 'x'",
    f"{NEW_ROW.replace('INSERT', 'REPLACE')}",
    "UPDATE message SET id = id + 1",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE message (sender)"
    " SET content = 'x', stored_at = NOW(6)",
    "ALTER TABLE message ADD COLUMN new INT",
    "LOCK TABLES message WRITE",
    "CREATE INDEX new ON message (stored_at)",
    "CREATE TABLE new_table (id INT)",
    "CREATE TEMPORARY TABLE new_table (id INT)",
    "CREATE VIEW new_view AS SELECT * FROM message",
    "CREATE PROCEDURE new_procedure() SELECT 1",
    "CREATE FUNCTION new_function() RETURNS INT RETURN 1",
    "CREATE EVENT new_event ON SCHEDULE EVERY 1 DAY DO DELETE FROM message",
    "CREATE TRIGGER new_trigger BEFORE INSERT ON message FOR EACH ROW SET NEW.content = 'x'",
    "DROP TRIGGER message_is_final",
    "UPDATE append_lock SET id = 3",
    "INSERT INTO append_lock (id) VALUES (2)",
    "DELETE FROM append_lock",
    "SELECT * FROM schema_migration",
    "INSERT INTO schema_migration VALUES (99, 'x', NOW(6))",
    "SELECT * FROM mysql.global_priv",
    "SELECT * FROM mysql.user",
    "CREATE DATABASE {name}_new",
    "CREATE USER {name}_new",
    "GRANT ALL PRIVILEGES ON {name}.* TO {program}",
    "SET PASSWORD FOR {admin} = PASSWORD('x')",
    "SET GLOBAL max_connections = @@GLOBAL.max_connections",
    "FLUSH TABLES",
    "SELECT 1 INTO OUTFILE '/tmp/{name}'",
    "TRUNCATE TABLE message",
    "RENAME TABLE append_lock TO new_name",
    "DROP TABLE message",
    "DROP DATABASE {name}",
]

# All that the statements would change.
EVERYTHING = (
    "SHOW TABLES; SHOW CREATE TABLE message; SHOW CREATE TABLE append_lock;"
    "SHOW TRIGGERS; SHOW PROCEDURE STATUS; SHOW FUNCTION STATUS; SHOW EVENTS;"
    "SELECT * FROM message; SELECT * FROM append_lock; SELECT * FROM schema_migration;"
    "SELECT * FROM mysql.global_priv"
)


@contextmanager
def with_one_message(migration: Migration) -> Iterator[Migration]:
    """Its ID is 1."""
    migration.run()
    migration.database.run(NEW_ROW, migration.name)
    yield migration
    migration.database.run(
        f"DROP DATABASE IF EXISTS {migration.name}_new;"
        f" DROP USER IF EXISTS {migration.name}_new"
    )
    Path(f"/tmp/{migration.name}").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def granted(
    system: System, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Migration]:
    """One for all tests, none of which may change it."""
    migration = Migration(system, tmp_path_factory.mktemp("granted"))
    with with_one_message(migration):
        yield migration
    migration.remove()


def as_program(granted: Migration, sql: str) -> list[list[str]]:
    return granted.database.run_as(granted.options("program"), sql, granted.name)


def fill_in(template: str, migration: Migration) -> str:
    return template.format(
        name=migration.name, program=migration.user, admin=migration.admin
    )


@pytest.mark.parametrize("template", FORBIDDEN)
def test_the_program_s_user_may_not(granted: Migration, template: str) -> None:
    """By rights, or by the trigger that keeps a message as it is."""
    before = granted.database.run(EVERYTHING, granted.name)
    with pytest.raises(DatabaseError, match="denied|a message is final"):
        as_program(granted, fill_in(template, granted))
    assert granted.database.run(EVERYTHING, granted.name) == before


def test_the_administrator_of_the_server_may_all_of_that(migration: Migration) -> None:
    with with_one_message(migration):
        for template in FORBIDDEN:
            migration.database.run(fill_in(template, migration), migration.name)


def test_the_program_s_user_appends_and_reads(migration: Migration) -> None:
    with with_one_message(migration):
        as_program(migration, NEW_ROW.replace("(1,", "(2,"))
        assert as_program(migration, "SELECT id FROM message") == [["1"], ["2"]]


def test_the_program_s_user_reads_no_files(granted: Migration) -> None:
    read = "SELECT LOAD_FILE('/etc/passwd')"
    assert as_program(granted, read) == [["NULL"]]
    assert granted.database.run(read) != [["NULL"]]


def test_the_program_s_user_sees_no_other_database(granted: Migration) -> None:
    shown = {name for (name,) in as_program(granted, "SHOW DATABASES")}
    assert shown == {granted.name, "information_schema"}
    assert {"mysql", "buzon"} < {name for (name,) in granted.database.run("SHOW DATABASES")}


def test_the_program_s_user_neither_sees_nor_ends_others(granted: Migration) -> None:
    with Session(Database(granted.database.socket, "mysql")) as other:
        ((connection,),) = other.run("SELECT CONNECTION_ID()")
        seen = "SELECT COUNT(*) FROM information_schema.processlist WHERE id ="
        assert as_program(granted, f"{seen} {connection}") == [["0"]]
        with pytest.raises(DatabaseError, match="not owner"):
            as_program(granted, f"KILL {connection}")
        assert granted.database.run(f"{seen} {connection}") == [["1"]]
        granted.database.run(f"KILL {connection}")
        with pytest.raises(DatabaseError):
            other.run("SELECT 1")


def test_the_program_s_user_may_not_stop_the_server(
    fragile: System, mariadb: MariadbProcess
) -> None:
    password = (fragile.var / "secrets" / "db-password").read_text().strip()
    with pytest.raises(DatabaseError, match="denied"):
        fragile.database.run_as(["--user=buzon", f"--password={password}"], "SHUTDOWN")
    assert is_alive(mariadb.pid)
    fragile.database.run("SHUTDOWN")
    wait_until(lambda: not is_alive(mariadb.pid), 30, "the administrator has stopped it")


def test_the_administration_user_has_all_of_one_database(granted: Migration) -> None:
    options = granted.options("admin")
    granted.database.run_as(
        options,
        "CREATE TABLE of_the_admin (id INT PRIMARY KEY);"
        "INSERT INTO of_the_admin VALUES (1); UPDATE of_the_admin SET id = 2;"
        "ALTER TABLE of_the_admin ADD x INT; DELETE FROM of_the_admin;"
        "CREATE VIEW a_view AS SELECT * FROM of_the_admin; DROP VIEW a_view;"
        "TRUNCATE of_the_admin; DROP TABLE of_the_admin;"
        "SELECT COUNT(*) FROM message",
        granted.name,
    )
    for statement in (
        f"CREATE DATABASE {granted.name}_new",
        "CREATE TABLE mysql.x (id INT)",
        "SELECT * FROM mysql.global_priv",
        f"CREATE USER {granted.name}_new",
        "SHUTDOWN",
        f"SELECT 1 INTO OUTFILE '/tmp/{granted.name}'",
    ):
        with pytest.raises(DatabaseError, match="denied"):
            granted.database.run_as(options, statement, granted.name)


# {name}: of the database, {to}: of whom; {name}_role is a role.
SURPLUS = [
    "GRANT ALL PRIVILEGES ON *.* TO {to} WITH GRANT OPTION",
    "GRANT PROCESS, FILE ON *.* TO {to}",
    "GRANT USAGE ON *.* TO {to} WITH GRANT OPTION",
    "GRANT SELECT ON mysql.* TO {to} WITH GRANT OPTION",
    "GRANT SELECT ON `{escaped}`.* TO {to} WITH GRANT OPTION",
    "GRANT DELETE, INSERT, UPDATE ON `{name}`.message TO {to}",
    "GRANT SELECT ON `{name}`.message TO {to} WITH GRANT OPTION",
    "GRANT INSERT ON `{name}`.append_lock TO {to}",
    "GRANT SELECT ON mysql.global_priv TO {to}",
    "GRANT UPDATE (id) ON `{name}`.append_lock TO {to}",
    "GRANT REFERENCES (content_digest), SELECT (id) ON `{name}`.message TO {to}",
    "GRANT EXECUTE ON PROCEDURE mysql.AddGeometryColumn TO {to}",
    "GRANT {name}_role TO {to}",
]


def sorted_columns(match: re.Match[str]) -> str:
    return f"({', '.join(sorted(match[1].split(', ')))})"


def rights(migration: Migration) -> dict[str, set[str]]:
    """What each account has, without its password; columns have no order of their own."""
    return {
        account: {
            re.sub(
                r"\(([^)]*)\)",
                sorted_columns,
                re.sub(" IDENTIFIED BY PASSWORD '[^']*'", "", row[0]),
            )
            for row in migration.database.run(f"SHOW GRANTS FOR {account}")
        }
        for user in (migration.user, migration.admin)
        for account in (f"'{user}'@'%'", f"'{user}'@'localhost'")
    }


def grant(migration: Migration, template: str) -> None:
    names = {"name": migration.name, "escaped": migration.name.replace("_", "\\_")}
    for account in rights(migration):
        migration.database.run(template.format(to=account, **names))


def test_after_each_run_rights_are_what_the_file_says(migration: Migration) -> None:
    migration.run()
    granted = rights(migration)
    migration.database.run(f"CREATE ROLE {migration.name}_role")
    try:
        for template in SURPLUS:
            grant(migration, template)
            assert rights(migration) != granted, template
            migration.run()
            assert rights(migration) == granted, template
        for template in SURPLUS:
            grant(migration, template)
        migration.run()
        assert rights(migration) == granted
    finally:
        migration.database.run(f"DROP ROLE {migration.name}_role")
