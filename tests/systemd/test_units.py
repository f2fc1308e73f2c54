# SPDX-License-Identifier: MIT
"""buzon@.service and buzon@.socket, as installed, under a systemd of their own."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import run
from database import Database, Session
from http_client import JSON, json_body
from units import Unit, drop_in, exposure, is_within
from waiting import wait_until

# The highest exposure, tenfold as systemd-analyze takes it.
EXPOSURE = 15


def test_the_service_is_hardly_exposed() -> None:
    service = Unit("buzon@1").file()
    assert is_within(EXPOSURE, service), exposure(service)


def test_a_service_without_hardening_is(tmp_path: Path) -> None:
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/usr/bin/buzon\n")
    assert not is_within(EXPOSURE, bare)
    assert exposure(bare) > 9


def test_a_request_starts_it_and_is_answered(unit: Unit) -> None:
    assert unit.pid() == 0
    with unit.api() as api:
        assert api.get("/api/test").body == f"ALIVE {os.uname().nodename}\n".encode()
    assert unit.pid() != 0


def test_a_message_is_stored_and_read(unit: Unit) -> None:
    with unit.api() as api:
        wait_until(lambda: api.get("/api/health").status == 200, 10, "it has its database")
        stored = api.store("ana", "¡hola!")
        assert api.messages(ID=stored["ID"]) == [stored]


def test_one_that_is_killed_is_started_again_at_the_same_socket(unit: Unit) -> None:
    with unit.api() as api:
        assert api.get("/api/test").status == 200
    killed, socket = unit.pid(), unit.address.stat().st_ino
    os.kill(killed, signal.SIGKILL)
    # It waits in the socket meanwhile: nobody is refused.
    with unit.api() as api:
        assert api.get("/api/test").status == 200
    assert unit.pid() not in (0, killed)
    assert unit.address.stat().st_ino == socket


def test_a_restart_refuses_nobody(unit: Unit) -> None:
    with unit.api() as api:
        assert api.get("/api/test").status == 200
    restarting = subprocess.Popen(["systemctl", "restart", unit.service])
    while restarting.poll() is None:
        with unit.api() as api:
            assert api.get("/api/test").status == 200
    assert restarting.returncode == 0


def test_a_wrong_setting_is_not_tried_again(unit: Unit) -> None:
    with drop_in(unit, "[Service]\nEnvironment=BUZON_WORKERS=none\n"):
        run("systemctl", "start", unit.service)
        wait_until(lambda: unit.property("Result") == "exit-code", 10, "it has ended")
    assert unit.property("ExecMainStatus") == "78"
    assert unit.property("NRestarts") == "0"


def test_a_stop_that_leaves_a_request_without_its_answer_is_told(
    unit: Unit, database: Database
) -> None:
    waits = drop_in(unit, "[Service]\nEnvironment=BUZON_DB_TIMEOUT=20\n")
    with waits, unit.api() as api, Session(database) as lock_holder:
        wait_until(lambda: api.get("/api/health").status == 200, 10, "it has its database")
        api.store("ana", "¡hola!")
        lock_holder.hold_append_lock()
        api.send("POST", "/api/message", {"Content-Type": JSON}, json_body("ana", "late"))
        wait_until(database.waiting_for_lock, 5, "it waits for the lock")
        run("systemctl", "stop", unit.service)
        lock_holder.release()
    assert unit.property("Result") == "exit-code"
    assert unit.property("ExecMainStatus") == "75"
    assert unit.property("NRestarts") == "0"


def test_its_process_is_nobody(unit: Unit) -> None:
    with unit.api() as api:
        assert api.get("/api/test").status == 200
    assert "0" not in unit.status("Uid").split()
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(unit.status(name), 16) == 0, name
    assert unit.status("NoNewPrivs") == "1"
    assert unit.status("Seccomp") == "2"


# What whoever takes the program over would try: name and command.
ATTEMPTS = {
    "change a setting of the system": "touch /etc/attempt",
    "change a program": "touch /usr/bin/attempt",
    "leave a file": "touch /var/lib/attempt",
    "leave a socket beside its own": "touch /run/buzon/attempt",
    "make a program of another user": "cp /bin/true /tmp/attempt && chmod u+s /tmp/attempt",
    "read the file with the password": "cat /etc/buzon/db-password",
    "read home folders": "ls /root",
    "see other processes": "cat /proc/1/status",
    # To what it is already: this one is the whole machine's.
    "change the kernel": 'f=/proc/sys/vm/swappiness; old=$(<$f); echo "$old" >$f',
    "mount": "mount -t tmpfs none /mnt",
    "be another user": "setpriv --reuid=33 --clear-groups true",
    "make namespaces": "unshare --user true",
    "rename the machine": 'hostname "$(hostname)"',
    "see the devices of the network": "ip link show",
    "reach another address": "echo >/dev/udp/10.0.2.100/9",
}
PROBE = "".join(
    f"if ({command}) >/dev/null 2>&1; then echo 'can {name}'; fi\n"
    for name, command in ATTEMPTS.items()
)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A program that makes every attempt, where services can read it."""
    script = Path("/usr/local/bin/attempts")
    script.write_text(f"#!/bin/bash\n{PROBE}echo done\n")
    script.chmod(0o755)
    yield script
    script.unlink()
    for left in ("/etc", "/usr/bin", "/var/lib", "/run/buzon", "/tmp"):
        Path(left, "attempt").unlink(missing_ok=True)


def made_by(unit: Unit) -> set[str]:
    """The attempts that succeeded."""
    lines = run("journalctl", "--no-pager", "-o", "cat", f"--unit={unit.service}", "-b")
    words = lines.splitlines()
    assert "done" in words, lines
    return {line.removeprefix("can ") for line in words if line.startswith("can ")}


def test_nothing_else_can_be_done_from_it(unit: Unit, probe: Path) -> None:
    with drop_in(unit, f"[Service]\nExecStart=\nExecStart={probe}\nRestart=no\n"):
        run("systemctl", "start", unit.service)
        wait_until(lambda: unit.pid() == 0, 10, "the attempts are made")
        run("journalctl", "--sync")
        assert made_by(unit) == set()


def test_all_of_that_can_be_done_from_a_service_without_hardening(probe: Path) -> None:
    run("systemd-run", "--unit=bare", "--wait", str(probe))
    run("journalctl", "--sync")
    assert made_by(Unit("bare")) == set(ATTEMPTS)
