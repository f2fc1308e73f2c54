# SPDX-License-Identifier: MIT
"""What the program cannot do any more once it serves, tried inside of it."""

import errno
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from http_client import NDJSON, unique
from replica import Replica
from system import System, short_directory
from waiting import wait_until

SOURCE = Path(__file__).with_name("attempts.c")
LAST_ATTEMPT = "attempt make_a_namespace"
REFUSED = {errno.EPERM, errno.EACCES}

# What comes of each without the sandbox; None: it depends on what is around us.
ATTEMPTS: dict[str, int | None] = {
    "run_a_program": 0,
    "start_a_process": 0,
    "make_a_file": 0,
    "write_a_file": 0,
    "read_the_password": 0,
    "read_the_accounts": 0,
    "remove_a_file": 0,
    "make_a_netlink_socket": 0,
    "open_a_port": 0,
    "make_code": 0,
    "signal_another_process": 0,
    "trace_another_process": errno.ESRCH,
    "make_a_namespace": None,
}
# Those that only Landlock refuses.
READING = {"read_the_password", "read_the_accounts"}

Library = Path


class Attacked:
    """A replica that has made all the attempts, and what came of them."""

    def __init__(self, system: System, library: Library, **settings: str) -> None:
        with Replica(system, LD_PRELOAD=str(library), **settings) as replica:
            wait_until(lambda: LAST_ATTEMPT in replica.log(), 20, "the attempts are made")
            with replica.api() as api:
                self.stored = api.post_message(unique(), "after the attempts").status
            self.log = replica.log()
        self.outcomes = {
            name: int(number)
            for name, number in re.findall(r"^attempt (\w+) (\d+)$", self.log, re.MULTILINE)
        }


@pytest.fixture(scope="module", autouse=True)
def not_with_sanitizers(system: System) -> None:
    log = (system.var / "log" / "buzon-1.log").read_text()
    if "a build with sanitizers" in log:
        pytest.skip("a build with sanitizers has no sandbox")


def build(system: System, directory: Path, name: str, *options: str) -> Library:
    library = directory / name
    secret = system.program_settings()["BUZON_DB_PASSWORD_FILE"]
    subprocess.run(
        [
            *("gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Werror", "-shared", "-fPIC"),
            *(f'-DSECRET="{secret}"', f'-DNEW_FILE="{directory}/new"', *options),
            *("-o", str(library), str(SOURCE)),
        ],
        check=True,
    )
    return library


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    made = short_directory()
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def library(system: System, directory: Path) -> Library:
    return build(system, directory, "attempts.so")


@pytest.fixture(scope="module")
def confined(system: System, library: Library) -> Attacked:
    return Attacked(system, library)


@pytest.fixture(scope="module")
def free(system: System, library: Library) -> Attacked:
    return Attacked(system, library, BUZON_SANDBOX="off")


@pytest.mark.parametrize("name", ATTEMPTS)
def test_what_it_has_no_use_for_is_refused(confined: Attacked, name: str) -> None:
    if name in READING and "no Landlock here" in confined.log:
        pytest.skip("this kernel has no Landlock")
    assert confined.outcomes[name] in REFUSED, confined.log


def test_without_the_sandbox_nothing_of_it_is_refused(free: Attacked) -> None:
    wanted = {n: code for n, code in ATTEMPTS.items() if code is not None}
    assert {n: free.outcomes[n] for n in wanted} == wanted
    assert "BUZON_SANDBOX is off" in free.log


def test_it_serves_with_and_without(confined: Attacked, free: Attacked) -> None:
    assert (confined.stored, free.stored) == (201, 201)


def test_a_kernel_without_landlock_is_told_of_and_served_on(
    system: System, directory: Path
) -> None:
    library = build(system, directory, "hidden.so", "-DHIDE_LANDLOCK")
    attacked = Attacked(system, library)
    assert attacked.stored == 201
    lines = [line for line in attacked.log.splitlines() if '"event":"sandbox"' in line]
    assert len(lines) == 1 and '"level":"warning"' in lines[0], lines
    assert "no Landlock here: Function not implemented" in lines[0]
    # The other wall stands.
    refused = {n for n, code in attacked.outcomes.items() if code in REFUSED}
    assert refused == set(ATTEMPTS) - READING


def thread_states(pid: int) -> list[dict[str, int]]:
    """NoNewPrivs and Seccomp_filters of each thread of a process."""
    found = []
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        found.append({n: int(lines[n]) for n in ("NoNewPrivs", "Seccomp_filters")})
    return found


def own_filters() -> int:
    """A container around us may have filters of its own."""
    return thread_states(int(Path("/proc/self").readlink().name))[0]["Seccomp_filters"]


def test_every_thread_is_confined_unless_set_otherwise(system: System) -> None:
    states = thread_states(system.pid("buzon-1"))
    # Those that serve, append, find and probe, and four that list.
    assert len(states) >= 8
    assert states == [{"NoNewPrivs": 1, "Seccomp_filters": own_filters() + 1}] * len(states)
    with Replica(system, BUZON_SANDBOX="off") as replica:
        states = thread_states(replica.pid)
        assert {state["Seccomp_filters"] for state in states} == {own_filters()}


def test_one_line_says_what_is_in_force(system: System) -> None:
    with Replica(system) as replica:
        lines = [line for line in replica.log().splitlines() if '"event":"sandbox"' in line]
    assert len(lines) == 1
    assert "no new privileges; " in lines[0]
    assert "system calls are filtered (seccomp)" in lines[0]


def test_everything_works_while_confined(fragile: System) -> None:
    with Replica(fragile) as replica:
        with replica.api() as api:
            sender = unique()
            stored = [api.store(sender, f"{n}" * 20_000) for n in range(3)]
            assert api.get(f"/api/message?ID={stored[0]['ID']}").json() == stored[:1]
            assert api.messages(From=sender) == stored
            stream = api.get(f"/api/message?From={sender}", {"Accept": NDJSON})
            assert len(stream.body.splitlines()) == 3
            # Each connection to the database is made anew, by a confined thread.
            fragile.database.disconnect("buzon")
            wait_until(lambda: api.get("/api/health").status == 200, 20, "it is well again")
            assert api.messages(From=sender) == stored
            stored.append(api.store(sender, "again"))
        replica.terminate()
        assert replica.wait(12) == 0, replica.log()
