# SPDX-License-Identifier: MIT
"""The same service as others write it, behind the nginx of a system, to compare with.

peers/ has their code: Flask under gunicorn, PHP-FPM, Go. Each of them listens on a
Unix socket and speaks with the system's MariaDB as the program does.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

# Not at the top, because they are found by the path above only.
from nginx_lines import Nginx, NginxError  # noqa: E402
from system import ROOT, System, free_port, tail  # noqa: E402
from waiting import wait_until  # noqa: E402

CODE = HERE / "peers"
# Children of PHP-FPM, and connections of the Go program to the database: of 4, 8, 16, 32
# and 64, the ones with the best rates of POST and GET at 64 connections on two processors.
PHP_CHILDREN = 16
GO_CONNECTIONS = 32
# As root: who runs the program, and who runs the web server (scripts/lib/var.sh).
PROGRAM_USER, PROXY_GROUP = "nobody", "www-data"
BUILD_SECONDS = 300
STOP_SECONDS = 10


class PeerError(Exception):
    """A peer was not built, did not start or did not answer well; the text tells how."""


def base_environment() -> dict[str, str]:
    """Debian's programs and settings, whatever whoever measures has set."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def build_go(program: Path) -> None:
    """From Debian's packages alone: the network is not asked. What Go has compiled once
    stays in build/: the first time takes half a minute, and each next one a second."""
    cache = ROOT / "build" / "go-cache"
    cache.mkdir(parents=True, exist_ok=True)
    command = ["go", "build", "-o", str(program), str(program.parent / "main.go")]
    environment = {
        **base_environment(),
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(cache),
        "GOTMPDIR": str(program.parent),
        "CGO_ENABLED": "0",
    }
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise PeerError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")


def find_php_fpm() -> str:
    """The newest, whose name has its version in it."""
    found = {
        tuple(map(int, re.findall(r"\d+", path.name))): str(path)
        for path in Path("/usr/sbin").glob("php-fpm[0-9]*")
    }
    if not found:
        raise PeerError("there is no /usr/sbin/php-fpm8.2 or the like; run scripts/deps peers")
    return found[max(found)]


def ask(
    url: str, body: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Status and body of the answer to a GET, or to a POST of JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, dict(headers or {}))
    if data is not None:
        request.add_header("Content-Type", "application/json")
    # Whatever proxy whoever measures has set.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def expect(url: str, answer: tuple[int, str], status: int, right: bool, wanted: object) -> None:
    if answer[0] != status or not right:
        raise PeerError(f"{url} was answered with {answer}; expected {status} and {wanted!r}")


def as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def check_test(url: str) -> None:
    test = f"{url}/api/test"
    alive = f"ALIVE {socket.gethostname()}\n"
    answer = ask(test)
    expect(test, answer, 200, answer[1] == alive, alive)


def check_messages(url: str) -> None:
    """What is measured must be answered well. Stores one message."""
    message = f"{url}/api/message"
    sent = {"From": "peer \"ñ\" '€'", "Content": "It works. \U0001f600\n\\ </é>"}
    answer = ask(message, sent)
    stored = as_json(answer[1])
    right = isinstance(stored, dict) and {**stored, **sent} == stored
    expect(message, answer, 201, right and {"ID", "Date"} < set(stored), sent)

    before = f"{message}?before={stored['ID'] + 1}&after={stored['ID'] - 1}"
    for found in (f"{message}?ID={stored['ID']}", before):
        answer = ask(found)
        expect(found, answer, 200, as_json(answer[1]) == [stored], [stored])
    answer = ask(before, headers={"Accept": "application/x-ndjson"})
    right = answer[1].endswith("\n") and as_json(answer[1]) == stored
    expect(before, answer, 200, right, stored)


class Peers:
    """Inside `with` they run; of them nothing stays but five messages in the table."""

    names = ("flask", "php", "go")

    def __init__(self, system: System) -> None:
        self.system = system
        self.directory = system.var / "peers"
        self.ports = self._choose_ports("buzon-1", *self.names, "nginx")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.nginx: Nginx | None = None

    @staticmethod
    def _choose_ports(*names: str) -> dict[str, int]:
        ports: dict[str, int] = {}
        while len(ports) < len(names):
            port = free_port()
            if port not in ports.values():
                ports[names[len(ports)]] = port
        return ports

    def url(self, name: str) -> str:
        if name == "buzon-3":
            return self.system.url
        return f"http://127.0.0.1:{self.ports[name]}"

    def __enter__(self) -> "Peers":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            # Those whose system has gone have no nginx to tell.
            if self.nginx is not None and self.nginx.file.exists():
                self.nginx.restore()
        finally:
            for process in self.processes.values():
                process.terminate()
            for process in self.processes.values():
                self._end(process)
            shutil.rmtree(self.directory, ignore_errors=True)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)

    def _start(self) -> None:
        self._make_directory()
        build_go(self.directory / "go" / "peer")
        self._run("flask", ["gunicorn"], PYTHONDONTWRITEBYTECODE="1")
        php = self.directory / "php"
        self._run(
            "php",
            [find_php_fpm(), "--fpm-config", str(php / "fpm.conf")],
            # After Debian's own, which load mysqli and opcache.
            PHP_INI_SCAN_DIR=f":{php}",
            PEER_CHILDREN=str(PHP_CHILDREN),
        )
        self._run("go", ["./peer"], PEER_DB_CONNECTIONS=str(GO_CONNECTIONS))
        for name in self.names:
            wait_until(lambda name=name: self._listens(name), 20, f"{name} listens")
        self._add_to_nginx()
        for name in ("nginx", "buzon-3", "buzon-1", *self.names):
            self._check(name)

    def _check(self, name: str) -> None:
        try:
            check_test(self.url(name))
            if name != "nginx":
                check_messages(self.url(name))
        except (PeerError, OSError) as error:
            raise PeerError(f"{name}: {error}; its log:\n{tail(self._log(name))}") from None

    def _make_directory(self) -> None:
        """With a copy of the code: the users who run it may not enter every clone."""
        shutil.copytree(CODE, self.directory, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (self.directory, *self.directory.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        if os.geteuid() == 0:
            shutil.chown(self.directory, PROGRAM_USER, PROXY_GROUP)

    def _run(self, name: str, command: Sequence[str], **settings: str) -> None:
        environment = {
            **base_environment(),
            "PEER_SOCKET": str(self._socket(name)),
            "PEER_LOG": str(self._log(name)),
            "PEER_DB_SOCKET": str(self.system.run_directory / "mariadb.sock"),
            "PEER_DB_PASSWORD": (self.system.var / "secrets" / "db-password").read_text().strip(),
            **settings,
        }
        user: dict[str, Any] = {}
        self._log(name).touch()
        if os.geteuid() == 0:
            user = {"user": PROGRAM_USER, "group": PROXY_GROUP, "extra_groups": []}
            shutil.chown(self._log(name), PROGRAM_USER)
        with open(self._log(name), "ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=self.directory / name,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # The web server's group gets in.
                umask=0o007,
                **user,
            )

    def _socket(self, name: str) -> Path:
        return self.directory / f"{name}.sock"

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def _listens(self, name: str) -> bool:
        status = self.processes[name].poll()
        if status is not None:
            raise PeerError(f"{name} ended with {status}:\n{tail(self._log(name))}")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._socket(name)))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        return True

    def _add_to_nginx(self) -> None:
        try:
            self.nginx = Nginx(self.system)
            self.nginx.add(self._nginx_lines(self.nginx))
        except NginxError as error:
            raise PeerError(str(error)) from error

    def _nginx_lines(self, nginx: Nginx) -> str:
        lines = (CODE / "nginx.conf").read_text()
        lines = lines.replace("/run/peers/", f"{self.directory}/")
        lines = lines.replace("ALIVE hostname", f"ALIVE {socket.gethostname()}")
        for name, port in self.ports.items():
            lines = lines.replace(f"listen {name};", f"listen 127.0.0.1:{port};")
        return lines + nginx.first_replica_alone(self.ports["buzon-1"])
