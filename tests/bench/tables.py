# SPDX-License-Identifier: MIT
"""The table of messages: filled to a size, and held there."""

import subprocess
import time

from database import Database
from waiting import wait_until

FILL_SECONDS = 3600
# Percent: about as full as random keys leave the pages of an index that has grown. Sorted
# keys would fill them up, and each of the first messages then had to split some of them.
FILL_FACTOR = 70
# Rows beyond its size that a table may have when a measurement begins, as a share.
SURPLUS = 0.25
DELETED_AT_ONCE = 50_000
# Deleted rows that wait to be cleared away.
HISTORY = 100


class FillError(Exception):
    """The table could not be filled; the text is the client's."""


def fill(database: Database, rows: int) -> None:
    """The messages 1 to ROWS, of 100 senders and 100 distinct bytes each."""
    # Into an empty table, and with these off, MariaDB sorts the keys first, which takes
    # half the time; see FILL_FACTOR for how full it makes the pages then.
    sql = (
        "SET unique_checks = 0, foreign_key_checks = 0;"
        "TRUNCATE TABLE message;"
        "INSERT INTO message (id, sender, content, stored_at)"
        " SELECT seq, CONCAT('sender-', LPAD(seq % 100, 2, '0')),"
        " CONCAT(SHA2(seq, 256), LPAD(seq, 36, '0')), UTC_TIMESTAMP(6)"
        f" FROM seq_1_to_{rows};"
        "ANALYZE TABLE message;"
    )
    done = subprocess.run(
        [*database.command(), database.name],
        input=sql,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=FILL_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise FillError(f"could not store {rows} messages: {done.stdout.strip()}")


def trim(database: Database, rows: int) -> None:
    """Deletes what was stored beyond ROWS, where that is more than a little."""
    surplus = database.number(f"SELECT COUNT(*) FROM message WHERE id > {rows}")
    if surplus <= rows * SURPLUS:
        return
    for _ in range(0, surplus, DELETED_AT_ONCE):
        database.run(f"DELETE FROM message WHERE id > {rows} LIMIT {DELETED_AT_ONCE}")
    wait_until(lambda: cleared(database), 120, "MariaDB has cleared away what was deleted")


def write_back(database: Database) -> None:
    """MariaDB writes to its files what they do not have yet; otherwise it would do so while
    others are measured."""
    database.run("FLUSH TABLES message FOR EXPORT; UNLOCK TABLES")


def cleared(database: Database) -> bool:
    # Each question is a transaction of its own, and holds up what it waits for.
    time.sleep(0.1)
    return database.status("Innodb_history_list_length").popitem()[1] <= HISTORY
