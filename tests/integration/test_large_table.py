# SPDX-License-Identifier: MIT
"""1,000,000 messages: the cost of a request does not grow with the table."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from answers import Answer
from fastcgi import FastcgiApi
from http_client import NDJSON, escape, unique
from replica import Replica
from system import System
from test_list import next_page

ROWS = 1_000_000
WALKED = 200_000
MEMORY_GROWTH_KIB = 4 * 1024
PAGE = 1000

# The first test waits for the rows, too.
pytestmark = pytest.mark.timeout(240)

# 1,000 senders and 5,000 contents; one sender and one content hold half each.
SEED = """
INSERT INTO message (sender, content, stored_at)
SELECT IF(seq % 2, 'busy', CONCAT('sender-', seq % 1000)),
       IF(seq % 4 < 2, 'frequent', CONCAT('content-', seq % 5000)),
       UTC_TIMESTAMP(6)
FROM seq_1_to_{rows}
"""


class LargeTable:
    def __init__(self, system: System) -> None:
        self.database = system.database
        number = self.database.number
        self.next_id = number("SELECT COALESCE(MAX(id), 0) + 1 FROM message")
        self.seeded_after = self.next_id - 1
        self.database.run(SEED.format(rows=ROWS))
        self.database.run("ANALYZE TABLE message")
        self.last_id = number("SELECT MAX(id) FROM message")
        self.middle_id = number(
            f"SELECT id FROM message WHERE id > {self.seeded_after}"
            f" ORDER BY id LIMIT 1 OFFSET {ROWS // 2}"
        )

    def rows_read(self) -> int:
        """How many rows the storage engine has given out, all sessions."""
        reads = self.database.status("Handler_read_%")
        return sum(n for name, n in reads.items() if name != "Handler_read_retry")


@pytest.fixture(scope="module")
def large_table(system: System) -> Iterator[LargeTable]:
    table = LargeTable(system)
    yield table
    # Quicker than to delete them; the IDs go on where they were.
    table.database.run(
        "TRUNCATE TABLE message;"
        f"ALTER TABLE message AUTO_INCREMENT = {table.last_id + 1}"
    )


@pytest.fixture(scope="module")
def replica(system: System) -> Iterator[Replica]:
    with Replica(system) as replica:
        yield replica


@pytest.fixture
def direct(replica: Replica) -> Iterator[FastcgiApi]:
    with replica.api(60) as api:
        yield api


COMBINATIONS = [
    combination
    for count in range(5)
    for combination in itertools.combinations(
        ["From", "Content", "after", "before"], count
    )
]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    "filters", COMBINATIONS, ids=lambda names: "+".join(names) or "none"
)
def test_a_page_reads_no_more_rows_than_it_has(
    large_table: LargeTable, direct: FastcgiApi, filters: tuple[str, ...], order: str
) -> None:
    """Frequent values and rare ones, and ones that match nothing together."""
    limit = 10
    for sender, content in [
        ("busy", "frequent"),
        ("sender-2", "content-2"),
        ("sender-0", "content-1"),
        ("busy", unique("nothing")),
        (unique("nobody"), "frequent"),
    ]:
        values = {
            "From": sender,
            "Content": content,
            "after": str(large_table.middle_id - 2000),
            "before": str(large_table.middle_id + 2000),
        }
        parts = [f"{name}={escape(values[name])}" for name in filters]
        target = "/api/message?" + "&".join([*parts, f"order={order}", f"limit={limit}"])
        direct.get(target)  # what a new connection asks once is not counted
        idle = cost(large_table, lambda: None)
        rows = cost(large_table, lambda: check_page(direct.get(target), filters, values))
        # One more row tells that there is a next page; a few find the place.
        assert rows - idle <= 2 * (limit + 1) + 8, f"{target} read {rows - idle} rows"


def cost(table: LargeTable, action: Callable[[], object]) -> int:
    before = table.rows_read()
    action()
    return table.rows_read() - before


@pytest.fixture
def statements(large_table: LargeTable) -> Iterator[Callable[[], list[str]]]:
    """What the program asks the database from now on, its values filled in."""
    database = large_table.database
    database.run(
        "SET GLOBAL log_output = 'TABLE'; TRUNCATE TABLE mysql.general_log;"
        "SET GLOBAL general_log = ON"
    )
    # Statements that were prepared before are logged without their values.
    database.disconnect("buzon")
    yield lambda: [
        text.replace("\\\\", "\\")
        for (text,) in database.run(
            "SELECT argument FROM mysql.general_log WHERE command_type = 'Execute'"
        )
    ]
    database.run(
        "SET GLOBAL general_log = OFF; TRUNCATE TABLE mysql.general_log;"
        "SET GLOBAL log_output = 'FILE'"
    )


def test_no_statement_scans_the_table_or_sorts(
    large_table: LargeTable,
    direct: FastcgiApi,
    statements: Callable[[], list[str]],
) -> None:
    """Every combination of filters, and an ID, by what EXPLAIN says of it."""
    limit = 10
    values = {
        "From": "sender-2",
        "Content": "frequent",
        "after": str(large_table.seeded_after),
        "before": str(large_table.last_id),
    }
    for filters in COMBINATIONS:
        parts = [f"{name}={escape(values[name])}" for name in filters]
        for order in ("asc", "desc"):
            query = "&".join([*parts, f"order={order}", f"limit={limit}"])
            assert direct.get(f"/api/message?{query}").status == 200
    assert direct.get(f"/api/message?ID={large_table.middle_id}").status == 200
    asked = sorted(set(statements()))
    assert len(asked) > 2 * len(COMBINATIONS)
    for statement in asked:
        rows = large_table.database.run(f"EXPLAIN {statement}")
        assert len(rows) == 1, statement
        _, _, table, access, _, key, _, _, examined, extra = rows[0]
        if table == "NULL":
            continue  # answered from the index alone, or known to be empty
        assert access in ("const", "ref", "range", "index"), (statement, rows)
        assert key != "NULL", (statement, rows)
        assert "filesort" not in extra and "temporary" not in extra, (statement, rows)
        # Without a filter the newest or oldest are read in the key's order.
        assert access != "index" or int(examined) <= limit + 1, (statement, rows)


def check_page(answer: Answer, filters: tuple[str, ...], values: dict[str, str]) -> None:
    assert answer.status == 200, answer
    for message in answer.json():
        for name in ("From", "Content"):
            assert name not in filters or message[name] == values[name]


def test_one_id_is_one_row(large_table: LargeTable, direct: FastcgiApi) -> None:
    target = f"/api/message?ID={large_table.middle_id}"
    direct.get(target)
    idle = cost(large_table, lambda: None)
    assert cost(large_table, lambda: direct.get(target)) - idle <= 3


def test_the_rows_of_other_senders_cost_nothing(
    large_table: LargeTable, direct: FastcgiApi
) -> None:
    """One sender of a 1,000th of the table, whole: nobody else is read."""
    target = "/api/message?From=sender-2"
    found = direct.get(target, {"Accept": NDJSON}).body.count(b"\n")
    idle = cost(large_table, lambda: None)
    rows = cost(large_table, lambda: direct.get(target, {"Accept": NDJSON}))
    assert found == ROWS // 1000
    assert rows - idle <= 2 * found + 20


def growth_kib(replica: Replica, action: Callable[[], object]) -> int:
    """By how much an action raises the replica's memory at its highest."""
    before = replica.memory_kib()
    replica.forget_highest_memory()
    action()
    return replica.memory_kib("VmHWM") - before


@pytest.mark.unchecked("sanitizers keep memory that was freed")
def test_200_000_messages_page_by_page_in_constant_memory(
    large_table: LargeTable, replica: Replica, direct: FastcgiApi
) -> None:
    first = large_table.middle_id - WALKED // 2
    end = f"&before={first + WALKED + 1}&limit={PAGE}"

    def walk() -> None:
        following: str | None = f"/api/message?after={first}{end}"
        position, found = first, 0
        while following is not None:
            answer = direct.get(following)
            for message in answer.json():
                assert message["ID"] > position
                position = message["ID"]
                found += 1
            following = next_page(answer)
        assert found == large_table.database.number(
            f"SELECT COUNT(*) FROM message WHERE id > {first}"
            f" AND id < {first + WALKED + 1}"
        )

    for _ in range(8):
        direct.get(f"/api/message?after={first}&limit={PAGE}")
    assert growth_kib(replica, walk) < MEMORY_GROWTH_KIB


@pytest.mark.unchecked("sanitizers keep memory that was freed")
def test_200_000_messages_as_a_stream_in_constant_memory(
    large_table: LargeTable, replica: Replica, direct: FastcgiApi
) -> None:
    first = large_table.middle_id - WALKED // 2
    target = f"/api/message?after={first}&before={first + WALKED + 1}"

    def stream() -> None:
        lines = direct.get(target, {"Accept": NDJSON}).lines()
        ids = [message["ID"] for message in lines]
        assert ids == sorted(set(ids))
        assert len(ids) == large_table.database.number(
            f"SELECT COUNT(*) FROM message WHERE id > {first}"
            f" AND id < {first + WALKED + 1}"
        )

    direct.get(f"/api/message?after={first}&limit={PAGE}", {"Accept": NDJSON})
    assert growth_kib(replica, stream) < MEMORY_GROWTH_KIB


def test_a_page_is_quick_anywhere(
    large_table: LargeTable, direct: FastcgiApi
) -> None:
    """The last page of the table costs what the first one does."""
    for place in (large_table.seeded_after, large_table.middle_id, large_table.last_id - 20):
        for order in ("asc", "desc"):
            target = f"/api/message?after={place}&order={order}&limit=10"
            direct.get(target)
            rows = cost(large_table, lambda: direct.get(target))
            assert rows - cost(large_table, lambda: None) <= 30
