# SPDX-License-Identifier: MIT
"""scripts/up and scripts/down, as a person uses them."""

import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from http_client import unique
from system import ScriptError, System, free_port, is_alive, script, short_directory
from waiting import wait_until

PROCESS_FILES = "*.pid"


@pytest.fixture(scope="module")
def shared() -> Iterator[System]:
    """One system for the whole file; each test leaves it up with 2 replicas."""
    with System(replicas=2) as started:
        yield started


@pytest.fixture
def own(shared: System) -> Iterator[System]:
    yield shared
    shared.replicas = 2
    shared.up()


def processes_of(system: System) -> dict[int, str]:
    """Every process that has the system's folder in its command line or log."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = entry.joinpath("cmdline").read_bytes()
            paths = [os.readlink(fd) for fd in entry.joinpath("fd").iterdir()]
            paths.append(os.readlink(entry / "exe"))
        except OSError:
            continue
        where = str(system.var)
        if where.encode() in command or any(p.startswith(where) for p in paths):
            if is_alive(int(entry.name)) and int(entry.name) != os.getpid():
                found[int(entry.name)] = command.replace(b"\0", b" ").decode()
    return found


def pids(system: System) -> dict[str, int]:
    return {path.stem: int(path.read_text()) for path in system.run_directory.glob(PROCESS_FILES)}


def test_up_tells_what_to_try(own: System) -> None:
    printed = own.up()
    assert own.url in printed
    curls = [line.strip() for line in printed.splitlines() if line.strip().startswith("curl ")]
    assert len(curls) == 2
    for command in curls:
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, timeout=20, check=True
        )
        assert '"Content":' in done.stdout.replace(" ", "")


def test_up_twice_changes_nothing_that_runs(own: System) -> None:
    before = pids(own)
    assert {"buzon-1", "buzon-2", "mariadb", "nginx"} <= set(before)
    own.up()
    assert pids(own) == before


def test_up_brings_back_what_has_died(own: System) -> None:
    before = pids(own)
    os.kill(before["buzon-2"], 9)
    own.up()
    after = pids(own)
    assert after.pop("buzon-2") != before.pop("buzon-2")
    assert after == before


@pytest.mark.unchecked("it knows replicas by their command line")
def test_up_twice_at_once_is_up_once(own: System) -> None:
    own.down()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: script("up", *own.up_arguments()), range(2)))
    commands = [c for c in processes_of(own).values() if c.startswith(str(own.var / "bin"))]
    assert len(commands) == own.replicas


def test_down_leaves_no_process_and_keeps_the_messages(own: System) -> None:
    api = own.api()
    stored = [api.store(unique(), "kept ñ") for _ in range(3)]
    api.close()
    assert processes_of(own)
    own.down()
    assert processes_of(own) == {}
    with pytest.raises(ConnectionRefusedError):
        own.api().get("/api/test")
    assert "nothing" in own.down()
    own.up()
    api = own.api()
    for message in stored:
        assert api.messages(ID=message["ID"]) == [message]
    api.close()


def test_the_number_of_replicas_can_change(own: System) -> None:
    before = pids(own)
    for replicas in (4, 1, 2):
        own.replicas = replicas
        own.up()
        running = pids(own)
        names = {name for name in running if name.startswith("buzon-")}
        assert names == set(own.replica_names())
        assert running["nginx"] == before["nginx"]
        assert running["mariadb"] == before["mariadb"]
        api = own.api()
        assert {api.get("/api/test").status for _ in range(8)} == {200}
        api.close()


def test_settings_reach_the_replicas(own: System) -> None:
    own.up("--set", "BUZON_WORKERS=3", "--set", "BUZON_BODY_LIMIT=2048")
    settings = own.program_settings()
    assert settings["BUZON_WORKERS"] == "3"
    api = own.api()
    body = b'{"From": "a", "Content": "b"}'
    assert api.post(body.ljust(2049)).status == 413
    api.close()
    own.up("--set", "BUZON_WORKERS=4")
    assert own.program_settings()["BUZON_WORKERS"] == "4"


def test_a_wrong_setting_is_told(own: System) -> None:
    with pytest.raises(ScriptError) as caught:
        own.up("--set", "BUZON_WORKERS=none")
    assert "BUZON_WORKERS" in str(caught.value) and '"none"' in str(caught.value)
    own.up("--set", "BUZON_WORKERS=4")


def test_a_port_in_use_is_told() -> None:
    var = short_directory()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        try:
            with pytest.raises(ScriptError) as caught:
                script("up", "--var", str(var), "--port", str(port))
        finally:
            script("down", "--var", str(var), "--purge")
    said = str(caught.value)
    assert str(port) in said and "in use" in said and "--port" in said
    assert f"process {os.getpid()}" in said


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--proxy", "iis"], ["iis", "nginx"]),
        (["--replicas", "0"], ["--replicas", "1 to 100"]),
        (["--replicas", "many"], ["many", "1 to 100"]),
        (["--port", "70000"], ["70000", "65535"]),
        (["--port"], ["--port", "value"]),
        (["--set", "WORKERS=1"], ["WORKERS=1", "BUZON_"]),
        (["--frobnicate"], ["--frobnicate", "--help"]),
        (["--var", "/etc"], ["/etc", "--var"]),
    ],
)
def test_a_wrong_option_is_told(arguments: list[str], said: list[str]) -> None:
    with pytest.raises(ScriptError) as caught:
        if "--var" in arguments:
            script("up", "--port", str(free_port()), *arguments)
        else:
            script("up", "--var", "/tmp/buzon-never-made", *arguments)
    for text in said:
        assert text in str(caught.value)
    assert not Path("/tmp/buzon-never-made").exists()


def test_a_path_that_is_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    with pytest.raises(ScriptError) as caught:
        script("up", "--var", str(folder), "--port", str(free_port()))
    assert "107" in str(caught.value) and "--var" in str(caught.value)
    assert not folder.exists()


def test_down_touches_no_folder_of_others(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("x")
    with pytest.raises(ScriptError, match="not made by scripts/up"):
        script("down", "--var", str(tmp_path), "--purge")
    assert precious.exists()


def test_purge_removes_everything() -> None:
    system = System(replicas=1)
    try:
        system.up()
        assert processes_of(system)
    finally:
        system.down("--purge")
    assert processes_of(system) == {}
    assert not system.var.exists()


def test_only_the_web_server_reaches_the_program(own: System) -> None:
    for number in (1, 2):
        mode = own.replica_socket(number).stat().st_mode
        assert stat.S_ISSOCK(mode) and mode & 0o007 == 0
    api = own.api()
    assert api.get("/api/test").status == 200
    api.close()


@pytest.mark.parametrize("target", ["/api/test", "/api/message?limit=0", "/nothing"])
def test_the_web_server_logs_the_request_id_that_it_answers_with(
    own: System, target: str
) -> None:
    """The program's answers and its own alike."""
    api = own.api()
    request_id = api.get(target).header("X-Request-ID")
    api.close()
    log = own.var / "log" / "nginx-access.log"
    wait_until(lambda: f'"{request_id}"' in log.read_text(), 5, "it is logged")


def test_help_is_given() -> None:
    for name in ("up", "down"):
        assert f"Usage: scripts/{name}" in script(name, "--help")
