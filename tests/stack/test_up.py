# SPDX-License-Identifier: MIT
"""`docker compose up` and `down`, as they are typed by a person."""

import http.client
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from http_client import unique
from stack import CommandError, Stack, docker, inspect
from system import ROOT
from waiting import wait_until

BUILD_SECONDS = 300
UP_SECONDS = 30

# The first start of MariaDB writes its files, as fast as the disk takes them. Where that
# alone is slow the whole may take so many times as long.
UP_RATIO = 5

PROXIES = ["nginx", "caddy"]
DATABASE = "mariadb:11.8"

# Who owns the files of a clone is seldom the user of a container.
SOMEBODY = 12345


def database_alone_seconds() -> float:
    began = time.monotonic()
    name = docker("run", "--detach", "--env", "MARIADB_RANDOM_ROOT_PASSWORD=1", DATABASE)
    try:
        check = ("exec", name.strip(), "healthcheck.sh", "--connect")
        wait_until(lambda: succeeds(*check), BUILD_SECONDS, f"{DATABASE} is ready")
        return time.monotonic() - began
    finally:
        docker("rm", "--force", "--volumes", name.strip())


def succeeds(*arguments: str) -> bool:
    try:
        docker(*arguments)
    except CommandError:
        return False
    return True


def assert_soon_up(measure: Callable[[], float]) -> None:
    # Before and after, for what else the disk has to do comes and goes.
    alone = database_alone_seconds()
    seconds = measure()
    print(f"stored after {seconds:.1f} s, MariaDB alone {alone:.1f} s")
    if seconds > UP_SECONDS:
        alone = max(alone, database_alone_seconds())
        assert seconds <= UP_RATIO * alone, f"{seconds:.1f} s, MariaDB alone {alone:.1f} s"


def test_the_first_build_is_soon_done(build_seconds: float) -> None:
    print(f"built in {build_seconds:.1f} s")
    assert build_seconds <= BUILD_SECONDS


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_first_message_is_soon_stored(build_seconds: float, proxy: str) -> None:
    def store() -> float:
        began = time.monotonic()
        with Stack(proxy) as stack:
            api = stack.api()
            # Whoever waited for --wait need not try twice.
            api.store(unique(), "first")
            api.close()
            return time.monotonic() - began

    assert_soon_up(store)


def is_stored(stack: Stack) -> bool:
    """A message; if not, then for a reason that passes."""
    api = stack.api()
    try:
        answer = api.post_message(unique(), "x")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        api.close()
    assert answer.status in (201, 502, 503, 504), answer
    return answer.status == 201


def test_who_does_not_wait_is_soon_served_too(build_seconds: float) -> None:
    def store() -> float:
        stack = Stack()
        try:
            began = time.monotonic()
            stack.compose("up", "--detach")
            wait_until(lambda: is_stored(stack), 4 * UP_SECONDS, "a message is stored")
            return time.monotonic() - began
        finally:
            stack.remove()

    assert_soon_up(store)


def test_a_port_in_use_is_named_and_another_can_be_set(build_seconds: float) -> None:
    stack = Stack()
    with socket.create_server(("0.0.0.0", 0)) as taken:
        free, port = stack.port, taken.getsockname()[1]
        stack.settings["BUZON_HTTP_PORT"] = str(port)
        try:
            with pytest.raises(CommandError, match=rf"\b{port}\b") as error:
                stack.up()
            assert "in use" in str(error.value) or "already allocated" in str(error.value)
            stack.settings["BUZON_HTTP_PORT"] = str(free)
            stack.up()
            assert is_stored(stack)
        finally:
            stack.remove()


def list_files() -> list[Path]:
    """The files of the project: what a clone or a tarball has."""
    if not (ROOT / ".git").exists():
        return [file.relative_to(ROOT) for file in ROOT.rglob("*") if file.is_file()]
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    command += ["--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    return [Path(name) for name in names.decode().split("\0") if (ROOT / name).is_file()]


def clone(folder: Path, file_mode: int, script_mode: int, folder_mode: int) -> Path:
    """A copy of the project with other modes, owned by somebody else."""
    for file in list_files():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, folder / file)
        executable = os.access(ROOT / file, os.X_OK)
        (folder / file).chmod(script_mode if executable else file_mode)
    for place in [folder, *folder.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(place, SOMEBODY, SOMEBODY)
        if place.is_dir():
            place.chmod(folder_mode)
    return folder


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_clone_without_executable_files_comes_up(
    build_seconds: float, tmp_path: Path, proxy: str
) -> None:
    """As on exFAT."""
    folder = clone(tmp_path / "clone", 0o644, 0o644, 0o755)
    with Stack(proxy, files=(str(folder / "compose.yaml"),)) as stack:
        assert is_stored(stack)
        mounts = inspect(stack.container("proxy"))["Mounts"]
        assert any(mount["Source"].startswith(str(folder)) for mount in mounts)


# What the containers of each proxy cannot read then.
UNREADABLE = {"nginx": "/etc/nginx/nginx.conf", "caddy": "/etc/caddy/start-caddy"}


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_clone_that_only_its_owner_can_read_is_told_and_can_be_mended(
    build_seconds: float, tmp_path: Path, proxy: str
) -> None:
    """As with umask 077: no container runs as the owner of a clone."""
    folder = clone(tmp_path / "clone", 0o600, 0o700, 0o700)
    stack = Stack(proxy, files=(str(folder / "compose.yaml"),))
    try:
        with pytest.raises(CommandError):
            stack.up()
        for service, file in (("migrate", "/sql/migrate"), ("proxy", UNREADABLE[proxy])):
            log = stack.compose("logs", service)
            assert re.search(rf"{file}.*Permission denied", log), log
        subprocess.run(["chmod", "-R", "go+rX", folder], check=True)
        # A container that waits to be started again counts as unhealthy until then.
        stack.compose("rm", "--stop", "--force", "proxy")
        stack.up()
        assert is_stored(stack)
    finally:
        stack.remove()


def test_a_proxy_that_does_not_exist_is_named() -> None:
    stack = Stack("apache")
    try:
        with pytest.raises(CommandError, match="apache"):
            stack.up()
    finally:
        stack.settings.pop("COMPOSE_PROFILES")
        stack.remove()


def left_of(stack: Stack) -> list[str]:
    """What the engine has of this project."""
    only = ("--filter", f"label=com.docker.compose.project={stack.name}", "--quiet")
    return [
        *docker("ps", "--all", *only).split(),
        *docker("network", "ls", *only).split(),
        *docker("volume", "ls", *only).split(),
    ]


def test_down_with_volumes_leaves_nothing(build_seconds: float) -> None:
    with Stack() as stack:
        assert left_of(stack)
        stack.down("--volumes")
        assert left_of(stack) == []
        named = docker("volume", "ls", "--quiet", "--filter", f"name={stack.name}")
        assert named.split() == []


@pytest.fixture
def own(build_seconds: float) -> Iterator[Stack]:
    """A stack that a test may change as it likes."""
    with Stack() as stack:
        yield stack


def server(stack: Stack) -> str | None:
    api = stack.api()
    try:
        return api.get("/api/test").header("Server")
    finally:
        api.close()


def stored(stack: Stack, sender: str) -> list[str]:
    api = stack.api()
    try:
        return [message["Content"] for message in api.messages(From=sender)]
    finally:
        api.close()


def test_the_proxy_can_be_changed_and_messages_stay(own: Stack) -> None:
    sender, sent = unique(), []
    replicas = set(own.containers("api"))
    for proxy, name in (("nginx", "nginx"), ("caddy", "Caddy"), ("nginx", "nginx")):
        own.settings["COMPOSE_PROFILES"] = proxy
        own.up()
        image = inspect(own.container("proxy"))["Config"]["Image"]
        assert image.startswith(f"{proxy}:")
        assert server(own) in (name, None)
        assert stored(own, sender) == sent
        api = own.api()
        api.store(sender, proxy)
        api.close()
        sent.append(proxy)
    assert stored(own, sender) == sent
    assert set(own.containers("api")) == replicas, "other services were made anew"
