# SPDX-License-Identifier: MIT
"""The stack as a person has it: `docker compose` in this repository."""

import json
import os
import secrets
import socket
import subprocess
from collections.abc import Mapping
from typing import Any

from http_client import Api
from system import ROOT, free_port

# The engine was started for the tests alone, in a network of its own
# (tests/stack/engine): ports 80 and 443 are the stack's there.
OWN_ENGINE = os.environ.get("BUZON_TEST_ENGINE") == "own"

SERVICES = ("secrets", "db", "migrate", "api", "adminer", "proxy")
LASTING_SERVICES = ("db", "api", "adminer", "proxy")

# What a person may have set must not reach the tests.
OURS = ("BUZON_", "COMPOSE_")

# Every stack that runs now; conftest.py looks after them.
running: list["Stack"] = []


class CommandError(Exception):
    """A command failed; the text holds what it printed."""


def run(
    *command: str,
    environment: Mapping[str, str] | None = None,
    timeout: float = 280,
) -> str:
    """Runs a command in the repository and returns what it wrote to stdout."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(
            f"{' '.join(command)} ended with {done.returncode}:"
            f"\n{done.stdout}\n{done.stderr}"
        )
    return done.stdout


def docker(*arguments: str, timeout: float = 60) -> str:
    return run("docker", *arguments, timeout=timeout)


def inspect(identifier: str) -> dict[str, Any]:
    """What `docker inspect` tells of a container, a network, a volume, an image."""
    return json.loads(docker("inspect", identifier))[0]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


class Stack:
    """A project of its own; `with` brings it up and removes all of it."""

    def __init__(
        self,
        proxy: str = "nginx",
        files: tuple[str, ...] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.name = f"buzon-test-{secrets.token_hex(4)}"
        self.proxy = proxy
        self.files = files
        # Only what differs from the defaults is set, so that these are tested.
        self.settings = dict(settings or {})
        if proxy != "nginx":
            self.settings["COMPOSE_PROFILES"] = proxy
        default_ports = OWN_ENGINE and proxy == "nginx" and is_free(80) and is_free(443)
        self.port = 80 if default_ports else free_port()
        self.tls_port = 443 if default_ports else free_port()
        if not default_ports:
            self.settings["BUZON_HTTP_PORT"] = str(self.port)
            self.settings["BUZON_HTTPS_PORT"] = str(self.tls_port)

    @property
    def url(self) -> str:
        return "http://localhost" + ("" if self.port == 80 else f":{self.port}")

    def api(self) -> Api:
        """A new connection to the stack; close() is the caller's."""
        return Api(self.url)

    def environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(OURS)
        }
        return inherited | self.settings

    def compose(self, *arguments: str, timeout: float = 280) -> str:
        files = [word for file in self.files for word in ("--file", file)]
        return run(
            *("docker", "compose", "--project-name", self.name, *files, *arguments),
            environment=self.environment(),
            timeout=timeout,
        )

    def up(self, *more: str) -> None:
        try:
            self.compose("up", "--detach", "--wait", *more)
        except CommandError as error:
            error.add_note(self.health())
            raise

    def down(self, *more: str) -> None:
        self.compose("down", "--remove-orphans", *more)

    def containers(self, service: str) -> list[str]:
        """The containers of a service, those that have ended included."""
        return self.compose("ps", "--all", "--quiet", service).split()

    def running_containers(self, service: str) -> list[str]:
        return self.compose("ps", "--quiet", service).split()

    def container(self, service: str) -> str:
        found = self.containers(service)
        assert len(found) == 1, f"{service} has {len(found)} containers, not one"
        return found[0]

    def network(self, name: str) -> str:
        """The full name of one of the stack's networks."""
        return f"{self.name}_{name}"

    def address(self, container: str, network: str) -> str:
        """The address of a container on one of the stack's networks."""
        networks = inspect(container)["NetworkSettings"]["Networks"]
        return networks[self.network(network)]["IPAddress"]

    def secret(self, name: str) -> str:
        folder = "program" if name == "program-password" else "administration"
        service = "api" if folder == "program" else "db"
        return self.compose(
            "exec", "--no-TTY", service, "cat", f"/secrets/{folder}/{name}"
        ).strip()

    def sql(self, statement: str) -> str:
        """Asks the database as root; rows as lines, columns apart by tabs."""
        return self.compose(
            *("exec", "--no-TTY", "db", "bash", "-c"),
            'MYSQL_PWD=$(</secrets/administration/root-password) exec mariadb'
            ' --user=root --batch --skip-column-names --execute "$0" buzon',
            statement,
        )

    def health(self) -> str:
        """What the health checks said of those containers that are not well."""
        try:
            return "".join(
                f"{container}: {json.dumps(state['Health'])}\n"
                for container in self.compose("ps", "--all", "--quiet").split()
                if (state := inspect(container)["State"]).get("Health")
                and state["Health"]["Status"] != "healthy"
            )
        except (CommandError, subprocess.TimeoutExpired) as error:
            return f"(no health: {error})"

    def logs(self) -> str:
        try:
            return self.compose("ps", "--all") + self.compose(
                "logs", "--no-color", "--tail", "25"
            )
        except (CommandError, subprocess.TimeoutExpired) as error:
            return f"(no logs: {error})"

    def remove(self) -> None:
        self.down("--volumes", "--timeout", "5")

    def __enter__(self) -> "Stack":
        running.append(self)
        try:
            self.up()
        except BaseException as error:
            error.add_note(self.logs())
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        running.remove(self)
        self.remove()
