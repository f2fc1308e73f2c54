# SPDX-License-Identifier: MIT
"""The environment and the command line of the program."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastcgi import FastcgiApi
from migration import BAD_PASSWORD_FILES
from replica import Replica, environment
from system import ROOT, System

EX_USAGE = 64
EX_CONFIG = 78


@pytest.fixture(scope="module")
def program(system: System) -> Path:
    return system.program()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        yield listening


def run(
    program: Path, *arguments: str, stdin: object = subprocess.DEVNULL, **settings: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(program), *arguments],
        env=environment(settings),
        stdin=stdin,  # type: ignore[call-overload]  # a number or a file
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


# setting, value, what the message says is allowed
WRONG_SETTINGS = [
    ("BUZON_DB_PORT", "0", ["1", "65535"]),
    ("BUZON_DB_PORT", "65536", ["1", "65535"]),
    ("BUZON_DB_PORT", "mysql", ["1", "65535"]),
    ("BUZON_DB_TLS", "maybe", ["off", "required", "verified"]),
    ("BUZON_DB_TLS", "OFF", ["off", "required", "verified"]),
    ("BUZON_DB_TIMEOUT", "1", ["2", "60"]),
    ("BUZON_DB_TIMEOUT", "61", ["2", "60"]),
    ("BUZON_DB_TIMEOUT", "2s", ["2", "60"]),
    ("BUZON_WORKERS", "0", ["1", "64"]),
    ("BUZON_WORKERS", "65", ["1", "64"]),
    ("BUZON_WORKERS", "-1", ["1", "64"]),
    ("BUZON_WORKERS", "+1", ["1", "64"]),
    ("BUZON_WORKERS", " 1", ["1", "64"]),
    ("BUZON_WORKERS", "1.5", ["1", "64"]),
    ("BUZON_WORKERS", "0x4", ["1", "64"]),
    ("BUZON_QUEUE", "0", ["1", "65536"]),
    ("BUZON_QUEUE", "65537", ["1", "65536"]),
    ("BUZON_QUEUE", "99999999999999999999", ["1", "65536"]),
    ("BUZON_APPEND_ROWS", "0", ["1", "256"]),
    ("BUZON_APPEND_ROWS", "257", ["1", "256"]),
    ("BUZON_CONNECTIONS", "0", ["1", "1000000"]),
    ("BUZON_BODY_LIMIT", "1023", ["1024", "16777216"]),
    ("BUZON_BODY_LIMIT", "128k", ["1024", "16777216"]),
    ("BUZON_STALL_TIMEOUT", "601", ["1", "600"]),
    ("BUZON_REQUEST_TIMEOUT", "0", ["1", "3600"]),
    ("BUZON_LOG_LEVEL", "loud", ["error", "warning", "info", "debug"]),
    ("BUZON_LOG_REQUESTS", "yes", ["on", "off"]),
    ("BUZON_DB_PASSWORD_FILE", "/nonexistent/file", ["file"]),
    ("BUZON_DB_PASSWORD_FILE", "/", ["file"]),
]


@pytest.mark.parametrize("name, value, allowed", WRONG_SETTINGS)
def test_a_wrong_setting_is_named(
    program: Path, listener: socket.socket, name: str, value: str, allowed: list[str]
) -> None:
    done = run(program, stdin=listener, **{name: value})
    assert done.returncode == EX_CONFIG
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert name in line and f'"{value}"' in line
    for text in allowed:
        assert re.search(rf"\b{text}\b", line), f"{text} is not in {line}"


@pytest.mark.parametrize("content, fault", BAD_PASSWORD_FILES)
def test_a_bad_password_file_is_named(
    program: Path, listener: socket.socket, tmp_path: Path, content: bytes, fault: str
) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    done = run(program, stdin=listener, BUZON_DB_PASSWORD_FILE=str(path))
    assert done.returncode == EX_CONFIG
    (line,) = done.stderr.splitlines()
    assert str(path) in line and fault in line


def test_all_wrong_settings_are_named_at_once(
    program: Path, listener: socket.socket
) -> None:
    wrong = {"BUZON_WORKERS": "0", "BUZON_QUEUE": "x", "BUZON_DB_TLS": "?"}
    done = run(program, stdin=listener, **wrong)
    assert done.returncode == EX_CONFIG
    assert len(done.stderr.splitlines()) == 3
    for name in wrong:
        assert name in done.stderr


def test_a_setting_that_does_not_exist_is_named(
    program: Path, listener: socket.socket
) -> None:
    done = run(program, stdin=listener, BUZON_WORKER="4")
    assert done.returncode == EX_CONFIG
    assert "BUZON_WORKER " in done.stderr and "BUZON_WORKERS" in done.stderr


def test_it_shares_an_environment_with_the_migration(system: System) -> None:
    others = {"BUZON_ADMIN_USER": "x", "BUZON_ADMIN_PASSWORD_FILE": "/nonexistent"}
    with Replica(system, **others) as replica, replica.api() as api:
        assert api.get("/api/test").status == 200


def test_a_password_is_never_shown(program: Path, listener: socket.socket) -> None:
    done = run(
        program,
        stdin=listener,
        BUZON_DB_PASSWORD="open-sesame",
        BUZON_DB_PASSWORD_FILE="/nonexistent/file",
    )
    assert done.returncode == EX_CONFIG
    assert "BUZON_DB_PASSWORD_FILE" in done.stderr
    assert "open-sesame" not in done.stdout + done.stderr


def settings_of_help(program: Path) -> set[str]:
    done = run(program, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    return set(re.findall(r"\bBUZON_[A-Z_]+\b", done.stdout))


def test_help_lists_every_setting(program: Path) -> None:
    listed = settings_of_help(program)
    assert {name for name, _, _ in WRONG_SETTINGS} <= listed
    assert {"BUZON_DB_SOCKET", "BUZON_DB_HOST", "BUZON_DB_PASSWORD"} <= listed


def test_help_and_the_source_and_the_manual_agree(program: Path) -> None:
    listed = settings_of_help(program)
    sources = (ROOT / "fcgi-app/system/settings_table.c").read_text()
    manual = (ROOT / "man/buzon.8.in").read_text()
    assert set(re.findall(r'"(BUZON_[A-Z_]*[A-Z])"', sources)) == listed
    assert set(re.findall(r"\bBUZON_[A-Z_]+\b", manual)) == listed


def test_version(program: Path) -> None:
    done = run(program, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"buzon \d+\.\d+\.\d+\S*\n", done.stdout)


@pytest.mark.parametrize("arguments", [["--halp"], ["start"], ["--help", "me"]])
def test_an_unknown_argument_is_named(program: Path, arguments: list[str]) -> None:
    done = run(program, *arguments)
    assert done.returncode == EX_USAGE
    assert arguments[-1] in done.stderr and "--help" in done.stderr


def test_without_a_fastcgi_socket_it_says_how_to_start(program: Path) -> None:
    connected, other = socket.socketpair()
    with connected, other:
        for stdin in (subprocess.DEVNULL, subprocess.PIPE, connected):
            done = run(program, stdin=stdin)
            assert done.returncode == EX_USAGE
            assert "spawn-fcgi" in done.stderr
            assert "socket" in done.stderr


def test_the_password_may_stand_in_the_environment(system: System) -> None:
    password = Path(system.program_settings()["BUZON_DB_PASSWORD_FILE"]).read_text()
    settings = {"BUZON_DB_PASSWORD_FILE": "", "BUZON_DB_PASSWORD": password.rstrip("\n")}
    with Replica(system, **settings) as replica, replica.api() as api:
        assert api.get("/api/health").status == 200


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_password_file_may_end_in_a_line_end(
    system: System, tmp_path: Path, end: str
) -> None:
    password = Path(system.program_settings()["BUZON_DB_PASSWORD_FILE"]).read_text()
    path = tmp_path / "password"
    path.write_bytes((password.rstrip("\n") + end).encode())
    with Replica(system, BUZON_DB_PASSWORD_FILE=str(path)) as replica:
        with FastcgiApi(replica.address) as api:
            assert api.get("/api/health").status == 200


def test_another_body_limit_holds(system: System) -> None:
    with Replica(system, BUZON_BODY_LIMIT="1024") as replica, replica.api() as api:
        body = b'{"From": "a", "Content": "b"}'
        assert api.post(body.ljust(1024)).status == 201
        assert api.post(body.ljust(1025)).status == 413


def test_sigint_ends_it_as_well(system: System) -> None:
    with Replica(system) as replica:
        assert replica.process is not None
        replica.process.send_signal(signal.SIGINT)
        assert replica.wait(10) == 0
