# SPDX-License-Identifier: MIT
"""What each container is, may do and has: no more than it needs."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes import processes
from release import ADMINER_IMAGE, APP_IMAGE, version
from stack import LASTING_SERVICES, SERVICES, Stack, docker, inspect
from system import ROOT

TASKS = ("secrets", "migrate")

MEGABYTE = 1_000_000

NET_BIND_SERVICE = 1 << 10

SECRETS = ("root-password", "dbuserwriter-password", "program-password")

# Where something is mounted, and whether it can be written to. What has no name is
# a file or folder of the repository.
MOUNTS: dict[str, set[tuple[str, str, bool]]] = {
    "secrets": {
        ("administration-secrets", "/secrets/administration", True),
        ("program-secrets", "/secrets/program", True),
        ("certificates", "/data", True),
    },
    "db": {
        ("database", "/var/lib/mysql", True),
        ("database-socket", "/run/mysqld", True),
        ("administration-secrets", "/secrets/administration", False),
    },
    "migrate": {
        ("", "/sql", False),
        ("database-socket", "/run/mysqld", True),
        ("administration-secrets", "/secrets/administration", False),
        ("program-secrets", "/secrets/program", False),
    },
    "api": {("program-secrets", "/secrets/program", False)},
    "adminer": set(),
    "nginx": {
        ("", "/etc/nginx/nginx.conf", False),
        ("", "/etc/nginx/buzon", False),
    },
    "caddy": {
        ("", "/etc/caddy/Caddyfile", False),
        ("", "/etc/caddy/start-caddy", False),
        ("certificates", "/data", True),
    },
}

each_service = pytest.mark.parametrize("service", SERVICES)
each_lasting_service = pytest.mark.parametrize("service", LASTING_SERVICES)


def try_in(container: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in a container as root, and says how it went."""
    return subprocess.run(
        ["docker", "exec", "--user", "root", container, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


@each_service
def test_no_container_runs_as_root(each_stack: Stack, service: str) -> None:
    containers = each_stack.containers(service)
    assert containers
    for container in containers:
        user = inspect(container)["Config"]["User"]
        assert user.partition(":")[0] not in ("", "0", "root")


@each_lasting_service
def test_no_process_has_a_right_to_spare(each_stack: Stack, service: str) -> None:
    # Caddy's binary carries this one, and cannot be started where it is ruled out.
    bound = NET_BIND_SERVICE if (service, each_stack.proxy) == ("proxy", "caddy") else 0
    for container in each_stack.running_containers(service):
        for process in processes(container):
            status = process.status
            what = f"{process.command_line}: {status}"
            # Real, effective, saved and file system's.
            assert "0" not in status["Uid"].split(), what
            assert "0" not in status["Gid"].split(), what
            assert "0" not in status["Groups"].split(), what
            assert process.capabilities("Bnd") == bound, what
            for kind in ("Eff", "Prm", "Inh", "Amb"):
                assert process.capabilities(kind) & ~bound == 0, what
            assert status["NoNewPrivs"] == "1", what
            # A filter of system calls.
            assert status["Seccomp"] == "2", what


@each_service
def test_nothing_of_the_host_is_shared(each_stack: Stack, service: str) -> None:
    added = ["CAP_NET_BIND_SERVICE"] if each_stack.proxy == "caddy" else None
    for container in each_stack.containers(service):
        settings = inspect(container)["HostConfig"]
        assert settings["CapDrop"] == ["ALL"]
        given = settings["CapAdd"] and [
            name if name.startswith("CAP_") else f"CAP_{name}"
            for name in settings["CapAdd"]
        ]
        assert given == (added if service == "proxy" else None)
        assert settings["SecurityOpt"] == ["no-new-privileges:true"]
        assert not settings["Privileged"]
        assert not settings["Devices"]
        assert settings["PidMode"] == ""
        assert settings["UTSMode"] == ""
        assert settings["IpcMode"] in ("private", "none")
        assert settings["NetworkMode"] != "host"


@each_lasting_service
def test_the_root_file_system_is_read_only(each_stack: Stack, service: str) -> None:
    for container in each_stack.running_containers(service):
        done = try_in(container, "touch", "/written")
        assert done.returncode != 0 and "Read-only file system" in done.stdout
        # It is the file system that refuses, not every one.
        done = try_in(container, "sh", "-c", "touch /tmp/written && rm /tmp/written")
        assert done.returncode == 0, done.stdout


@each_service
def test_only_what_is_named_can_be_written_to(each_stack: Stack, service: str) -> None:
    wanted = MOUNTS[each_stack.proxy if service == "proxy" else service]
    for container in each_stack.containers(service):
        found = inspect(container)
        assert found["HostConfig"]["ReadonlyRootfs"]
        mounts = {
            (
                mount.get("Name", "").removeprefix(f"{each_stack.name}_"),
                mount["Destination"],
                mount["RW"],
            )
            for mount in found["Mounts"]
        }
        assert mounts == wanted
        for where, options in found["HostConfig"]["Tmpfs"].items():
            assert "size=" in options, f"{where} may fill the machine's memory"


@each_service
def test_memory_and_processes_are_limited(each_stack: Stack, service: str) -> None:
    for container in each_stack.containers(service):
        settings = inspect(container)["HostConfig"]
        assert 0 < settings["Memory"] <= 2**30
        assert 0 < settings["PidsLimit"] <= 512


@each_lasting_service
def test_the_limits_are_in_force(each_stack: Stack, service: str) -> None:
    for container in each_stack.running_containers(service):
        settings = inspect(container)["HostConfig"]
        # Version 2 of control groups, or version 1.
        script = (
            "cd /sys/fs/cgroup;"
            " cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes;"
            " cat pids.max 2>/dev/null || cat pids/pids.max"
        )
        limits = docker("exec", container, "sh", "-c", script).split()
        assert limits == [str(settings["Memory"]), str(settings["PidsLimit"])]


@each_service
def test_logs_are_rotated(each_stack: Stack, service: str) -> None:
    for container in each_stack.containers(service):
        log = inspect(container)["HostConfig"]["LogConfig"]
        assert log["Type"] == "json-file"
        assert log["Config"] == {"max-size": "10m", "max-file": "3"}


@each_lasting_service
def test_containers_last_and_are_watched(each_stack: Stack, service: str) -> None:
    for container in each_stack.running_containers(service):
        found = inspect(container)
        assert found["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        assert found["Config"]["Healthcheck"]["Test"][0] in ("CMD", "CMD-SHELL")
        assert found["State"]["Health"]["Status"] == "healthy"
        assert found["RestartCount"] == 0
        # Seconds between SIGTERM and SIGKILL: chosen, whatever the default is.
        assert found["Config"]["StopTimeout"] in range(5, 121)


@pytest.mark.parametrize("service", TASKS)
def test_tasks_run_once_and_succeed(each_stack: Stack, service: str) -> None:
    found = inspect(each_stack.container(service))
    assert found["State"]["Status"] == "exited"
    assert found["State"]["ExitCode"] == 0
    assert found["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")


@pytest.mark.parametrize(
    "service, image",
    [("secrets", APP_IMAGE), ("api", APP_IMAGE), ("adminer", ADMINER_IMAGE)],
)
def test_our_images_say_what_they_are(stack: Stack, service: str, image: str) -> None:
    for container in stack.containers(service):
        assert inspect(container)["Config"]["Image"] == image
    labels = inspect(image)["Config"]["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}version"] == version()
    assert labels[f"{prefix}title"]
    assert labels[f"{prefix}description"]
    assert "MIT" in labels[f"{prefix}licenses"].split()
    assert labels[f"{prefix}base.name"].endswith("debian:trixie-slim")


def test_the_app_image_is_small(stack: Stack) -> None:
    assert inspect(APP_IMAGE)["Size"] <= 130 * MEGABYTE


def test_passwords_are_random(stack: Stack, fragile: Stack) -> None:
    found = [each.secret(name) for each in (stack, fragile) for name in SECRETS]
    assert len(found) == len(set(found)) == 2 * len(SECRETS)
    for password in found:
        # 22 characters of 64 kinds are 132 bits.
        assert re.fullmatch("[A-Za-z0-9_-]{22,}", password), "too short, or not as made"
        assert len(set(password)) >= 10


@pytest.mark.parametrize(
    "service, folder, names",
    [
        ("db", "administration", {"root-password", "dbuserwriter-password"}),
        ("api", "program", {"program-password"}),
    ],
)
def test_passwords_are_for_their_owner_and_group(
    each_stack: Stack, service: str, folder: str, names: set[str]
) -> None:
    for container in each_stack.running_containers(service):
        # No others are there.
        listed = docker("exec", container, "find", "/secrets", "-type", "f").split()
        paths = {f"/secrets/{folder}/{name}" for name in names}
        assert set(listed) == paths
        for path in [f"/secrets/{folder}", *paths]:
            mode = docker("exec", container, "stat", "--format=%a %u %g", path).split()
            assert mode[1:] == ["10001", "10001"]
            assert int(mode[0], 8) & 0o027 == 0, f"{path} has {mode[0]}"


def all_that_is_told(stack: Stack) -> Iterator[tuple[str, str]]:
    """Whatever a person, a tool or another container gets to see."""
    images, volumes, networks = set(), set(), set()
    for service in SERVICES:
        for container in stack.containers(service):
            found = inspect(container)
            yield f"inspect of {service}", json.dumps(found)
            yield f"logs of {service}", logs(container)
            images.add(found["Image"])
            volumes |= {m["Name"] for m in found["Mounts"] if "Name" in m}
            networks |= set(found["NetworkSettings"]["Networks"])
    for name in images | volumes | networks:
        yield f"inspect of {name}", json.dumps(inspect(name))
    for image in images:
        yield f"history of {image}", docker("history", "--no-trunc", image)
    yield "compose config", stack.compose("config")
    yield "compose ps", stack.compose("ps", "--all", "--no-trunc")


def logs(container: str) -> str:
    done = subprocess.run(
        ["docker", "logs", container],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_no_password_is_told(each_stack: Stack) -> None:
    passwords = {name: each_stack.secret(name) for name in SECRETS}
    for where, text in all_that_is_told(each_stack):
        assert text.strip(), f"{where} is empty"
        for name, password in passwords.items():
            assert password not in text, f"{name} is in the {where}"


# The official image of MariaDB reads the files that hold its passwords into its
# environment, and its server inherits that. It names no way around. Only the
# user who runs the server can read it there, who can read the files as well.
TOLD_TO_ITSELF = {("db", "root-password"), ("db", "dbuserwriter-password")}


@each_lasting_service
def test_no_process_shows_a_password(each_stack: Stack, service: str) -> None:
    passwords = {name: each_stack.secret(name) for name in SECRETS}
    for container in each_stack.running_containers(service):
        for process in processes(container):
            # Otherwise nothing would ever be found there.
            assert process.pid != 1 or process.environment is not None
            for name, password in passwords.items():
                what = f"of process {process.pid} of {service} shows {name}"
                assert password not in " ".join(process.command_line), f"command {what}"
                if (service, name) not in TOLD_TO_ITSELF:
                    shown = " ".join(process.environment or [])
                    assert password not in shown, f"environment {what}"


def state(stack: Stack) -> dict[str, object]:
    """All that a second `up` has no reason to change."""
    seen: dict[str, object] = {name: stack.secret(name) for name in SECRETS}
    for service in SERVICES:
        containers = stack.containers(service)
        seen[service] = sorted(containers)
        if service in LASTING_SERVICES:
            for container in containers:
                found = inspect(container)["State"]
                seen[container] = (found["StartedAt"], found["Pid"], found["Status"])
    seen["newest"] = stack.sql("SELECT MAX(id) FROM message")
    seen["schema"] = stack.sql("SELECT * FROM schema_migration")
    return seen


def test_a_second_up_changes_nothing(each_stack: Stack) -> None:
    before = state(each_stack)
    each_stack.up()
    assert state(each_stack) == before


def test_a_second_up_changes_nothing_if_the_first_has_built(fragile: Stack) -> None:
    fragile.up("--build")
    before = state(fragile)
    fragile.up()
    assert state(fragile) == before


@pytest.mark.parametrize(
    "user, secret, outcome",
    [
        ("dbuserwriter", "dbuserwriter-password", "dbuserwriter@%"),
        # By its socket alone, which no container on a network has but its own.
        ("root", "root-password", "ERROR 1045 (28000)"),
    ],
)
def test_root_cannot_come_by_network(
    stack: Stack, user: str, secret: str, outcome: str
) -> None:
    database = stack.container("db")
    script = (
        f"MYSQL_PWD=$(cat /secrets/administration/{secret}) exec mariadb --protocol=tcp"
        f" --skip-ssl --host={stack.address(database, 'adminer-db')} --user={user}"
        " --batch --skip-column-names --execute='SELECT CURRENT_USER()'"
    )
    assert try_in(database, "bash", "-c", script).stdout.startswith(outcome)


def test_the_program_is_built_with_its_protections(stack: Stack, tmp_path: Path) -> None:
    program = tmp_path / "buzon"
    docker("cp", f"{stack.containers('api')[0]}:/usr/bin/buzon", str(program))
    check = ROOT / "tests" / "hardening" / "check-program"
    done = subprocess.run([check, program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
