# SPDX-License-Identifier: MIT
"""Notices when anything is stored, changed or made in a database."""

from collections.abc import Iterator
from contextlib import contextmanager

from database import Database

# What changes by use, without anybody's wish.
VOLATILE = {
    *("TABLE_ROWS", "AVG_ROW_LENGTH", "DATA_LENGTH", "MAX_DATA_LENGTH", "INDEX_LENGTH"),
    *("DATA_FREE", "AUTO_INCREMENT", "UPDATE_TIME", "CHECK_TIME", "CHECKSUM", "CARDINALITY"),
}

# What they have stands in SHOW CREATE TABLE as well, and some versions of MariaDB 10.11
# crash when they are asked while there is a view.
LEFT_OUT = ("TABLE_CONSTRAINTS", "KEY_COLUMN_USAGE", "REFERENTIAL_CONSTRAINTS")

# The columns that tell whose a row of information_schema is.
OWNER = "column_name REGEXP '^(TABLE|TRIGGER|ROUTINE|SPECIFIC|EVENT|CONSTRAINT)_SCHEMA$'"

# Who may what, and what other databases there are.
AROUND = (
    "SELECT * FROM mysql.global_priv ORDER BY host, user;"
    "SELECT * FROM mysql.db ORDER BY host, db, user;"
    "SELECT host, db, user, table_name, table_priv, column_priv FROM mysql.tables_priv"
    " ORDER BY host, db, user, table_name;"
    "SELECT host, db, user, table_name, column_name, column_priv FROM mysql.columns_priv"
    " ORDER BY host, db, user, table_name, column_name;"
    "SELECT * FROM information_schema.schemata ORDER BY schema_name;"
    "SELECT name, type FROM mysql.proc ORDER BY name;"
)

Rows = list[list[str]]


class Watch:
    """What is in a database, and how it is made."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.about = "".join(
            f"SELECT '{table}', {columns} FROM information_schema.{table}"
            f" WHERE {owner} = '{database.name}' ORDER BY {columns};"
            for table, owner, columns in self._tables()
        )

    def _tables(self) -> Rows:
        """Each table of information_schema, whose it is, and what in it is steady."""
        volatile = ", ".join(f"'{name}'" for name in VOLATILE)
        return self.database.run(
            f"SELECT table_name, MIN(IF({OWNER}, column_name, NULL)),"
            f" GROUP_CONCAT(IF(column_name IN ({volatile}), NULL,"
            " CONCAT('`', column_name, '`')) ORDER BY ordinal_position)"
            " FROM information_schema.columns WHERE table_schema = 'information_schema'"
            f" AND table_name NOT IN {LEFT_OUT} GROUP BY table_name"
            f" HAVING SUM({OWNER}) > 0 ORDER BY table_name"
        )

    def tables(self) -> list[str]:
        rows = self.database.run("SHOW FULL TABLES WHERE table_type = 'BASE TABLE'")
        return [name for name, _ in rows]

    def schema(self) -> Rows:
        """All of information_schema about it, what SHOW CREATE TABLE says, and rights."""
        questions = "".join(f"SHOW CREATE TABLE {name};" for name in self.tables())
        shown = self.database.run(questions)
        created = [[text.partition(" AUTO_INCREMENT=")[0] for text in row] for row in shown]
        return created + self.database.run(self.about) + self.database.run(AROUND)

    def messages(self) -> int:
        return self.database.number("SELECT COUNT(*) FROM message")

    def contents(self) -> Rows:
        """A sum over every table's rows; equal if, but for chance, these are."""
        return self.database.run(f"CHECKSUM TABLE {', '.join(self.tables())} EXTENDED")

    @contextmanager
    def nothing_stored(self) -> Iterator[None]:
        """Fails if a row of any table was added, changed or removed meanwhile."""
        before = self.contents(), self.messages()
        yield
        assert (self.contents(), self.messages()) == before, "something was stored"

    @contextmanager
    def same_schema(self) -> Iterator[None]:
        """Fails if anything but rows was made, changed or removed meanwhile."""
        before = self.schema()
        yield
        after = self.schema()
        changed = [row for row in after if row not in before]
        changed += [row for row in before if row not in after]
        assert after == before, f"the schema has changed: {changed}"
