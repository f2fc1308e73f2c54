# SPDX-License-Identifier: MIT
"""sql/migrate, applied to a database of its own."""

import os
import subprocess
from pathlib import Path

from database import Database, DatabaseError
from http_client import unique
from system import ROOT, System

MIGRATE = ROOT / "sql" / "migrate"

# What is in the file, and what sql/migrate and the program say to it.
BAD_PASSWORD_FILES = [
    (b"", "it is empty"),
    (b"\n", "it is empty"),
    (b"\r\n", "it is empty"),
    (b"a\n\n", "there is a control character in it"),
    (b"a\r", "there is a control character in it"),
    (b"a\0b", "there is a control character in it"),
    (b"a\0", "there is a control character in it"),
    (b"a\x7f", "there is a control character in it"),
    (b"x" * 4097, "it is too long"),
]


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

    def options(self, user: str) -> list[str]:
        """For Database.run_as: "program" or "admin"."""
        name = {"program": self.user, "admin": self.admin}[user]
        password = (self.directory / user).read_text().rstrip("\n")
        return [f"--user={name}", f"--password={password}"]
