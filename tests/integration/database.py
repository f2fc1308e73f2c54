# SPDX-License-Identifier: MIT
"""The database as its administrator sees it, by the mariadb client."""

import subprocess
from pathlib import Path


class DatabaseError(Exception):
    """The client refused; the text is its own."""


class Database:
    """One-off statements as the operating-system user, who is administrator."""

    def __init__(self, socket: Path, name: str = "buzon") -> None:
        self.socket = socket
        self.name = name

    def command(self, *options: str) -> list[str]:
        return [
            "mariadb",
            "--no-defaults",
            f"--socket={self.socket}",
            "--default-character-set=utf8mb4",
            "--batch",
            "--skip-column-names",
            *options,
        ]

    def run(self, sql: str, database: str | None = None) -> list[list[str]]:
        """The rows of the statements' results, as text, a newline as \\n."""
        return self.run_as([], sql, database)

    def run_as(
        self, options: list[str], sql: str, database: str | None = None
    ) -> list[list[str]]:
        """The same as another user: options for --user, --password …"""
        done = subprocess.run(
            [*self.command(*options), database or self.name],
            input=sql.encode(),
            capture_output=True,
            timeout=100,
            check=False,
        )
        if done.returncode != 0:
            raise DatabaseError(done.stderr.decode(errors="replace").strip())
        rows = done.stdout.decode("utf-8", errors="replace").split("\n")
        return [row.split("\t") for row in rows[:-1]]

    def value(self, sql: str) -> str:
        rows = self.run(sql)
        assert len(rows) == 1 and len(rows[0]) == 1, rows
        return rows[0][0]

    def number(self, sql: str) -> int:
        return int(self.value(sql))

    def status(self, pattern: str) -> dict[str, int]:
        rows = self.run(f"SHOW GLOBAL STATUS LIKE '{pattern}'")
        return {name: int(value) for name, value in rows}

    def answers(self) -> bool:
        try:
            return self.value("SELECT 1") == "1"
        except DatabaseError:
            return False

    def disconnect(self, user: str) -> None:
        """Cuts every connection of this user."""
        for connection in self.connection_ids(user):
            try:
                self.run(f"KILL CONNECTION {connection}")
            except DatabaseError as error:
                # It went by itself meanwhile.
                if "Unknown thread id" not in str(error):
                    raise

    def connections(self, user: str) -> int:
        return len(self.connection_ids(user))

    def connection_ids(self, user: str) -> set[int]:
        """Of those that are open now; a new connection has a new one."""
        rows = self.run(
            f"SELECT id FROM information_schema.processlist WHERE user = '{user}'"
        )
        return {int(connection) for (connection,) in rows}

    def waiting_for_lock(self) -> int:
        """How many transactions wait for a row lock at this moment."""
        # information_schema.innodb_trx is cached for whoever asks often.
        return self.status("Innodb_row_lock_current_waits").popitem()[1]

    def lock_waits(self) -> int:
        """How many waits for a row lock there ever were."""
        return self.status("Innodb_row_lock_waits").popitem()[1]


class Session:
    """One connection that stays, for locks and transactions."""

    END = "end-of-statement"

    def __init__(self, database: Database) -> None:
        self.client = subprocess.Popen(
            [*database.command("--unbuffered", "--skip-reconnect"), database.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, sql: str) -> list[list[str]]:
        assert self.client.stdin and self.client.stdout and self.client.stderr
        self.client.stdin.write(f"{sql};\nSELECT '{self.END}';\n".encode())
        self.client.stdin.flush()
        rows = []
        while True:
            line = self.client.stdout.readline().decode("utf-8")
            if not line:
                raise DatabaseError(self.client.stderr.read().decode())
            if line.rstrip("\n") == self.END:
                return rows
            rows.append(line.rstrip("\n").split("\t"))

    def hold_append_lock(self) -> None:
        self.run("BEGIN")
        assert self.run("SELECT id FROM append_lock WHERE id = 1 FOR UPDATE") == [["1"]]

    def release(self) -> None:
        self.run("ROLLBACK")

    def close(self) -> None:
        self.client.kill()
        self.client.communicate()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
