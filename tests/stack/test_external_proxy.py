# SPDX-License-Identifier: MIT
"""docker/compose.external-proxy.yaml: behind a proxy that is there already."""

import contextlib
import re
import secrets
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import reach
from http_client import Api, unique
from stack import SERVICES, CommandError, Stack, docker, inspect
from system import ROOT, free_port
from waiting import wait_until

FILES = ("docker/compose.yaml", "docker/compose.external-proxy.yaml")


@dataclass
class OtherProxy:
    """Somebody's nginx, with networks of its own: no part of the stack."""

    container: str
    api_network: str
    adminer_network: str
    port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"


def configuration() -> str:
    """docker/proxy/nginx.conf, with the names that the services have here."""
    text = (ROOT / "docker" / "proxy" / "nginx.conf").read_text()
    for host in ("api:9000", "adminer:8080"):
        text, count = re.subn(rf"\bserver {host}\b", f"server buzon-{host}", text)
        assert count == 1, f"docker/proxy/nginx.conf names {host} {count} times"
    return text


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherProxy]:
    mark = f"buzon-test-{secrets.token_hex(4)}"
    proxy = OtherProxy(f"{mark}-proxy", f"{mark}-api", f"{mark}-adminer", free_port())
    file: Path = tmp_path_factory.mktemp("proxy") / "nginx.conf"
    file.write_text(configuration())
    file.chmod(0o644)
    with contextlib.ExitStack() as cleanup:
        for network in (proxy.api_network, proxy.adminer_network):
            docker("network", "create", "--internal", network)
            cleanup.callback(docker, "network", "rm", network)
        docker(
            *("create", "--name", proxy.container),
            *("--publish", f"127.0.0.1:{proxy.port}:80"),
            *("--volume", f"{file}:/etc/nginx/nginx.conf:ro"),
            *("--volume", f"{ROOT}/webserver-configs/nginx/buzon:/etc/nginx/buzon:ro"),
            "nginx:1.30",
        )
        cleanup.callback(docker, "rm", "--force", "--volumes", proxy.container)
        for network in (proxy.api_network, proxy.adminer_network):
            docker("network", "connect", network, proxy.container)
        docker("start", proxy.container)
        yield proxy


@pytest.fixture(scope="module")
def behind(other: OtherProxy, build_seconds: float) -> Iterator[Stack]:
    """The stack behind that proxy."""
    settings = {
        "BUZON_API_NETWORK": other.api_network,
        "BUZON_ADMINER_NETWORK": other.adminer_network,
    }
    with Stack(files=FILES, settings=settings) as stack:
        yield stack


@pytest.fixture
def api(other: OtherProxy, behind: Stack) -> Iterator[Api]:
    connection = Api(other.url)
    yield connection
    connection.close()


def test_messages_go_through_it(api: Api) -> None:
    stored = api.store(unique(), "detrás de otro")
    assert api.messages(ID=stored["ID"]) == [stored]


def test_the_panel_goes_through_it(other: OtherProxy, behind: Stack) -> None:
    with urllib.request.urlopen(f"{other.url}/db/", timeout=30) as answer:
        page = answer.read().decode()
    assert 'name="auth[password]"' in page
    assert 'value="dbuserwriter"' in page


def hosts(api: Api) -> set[bytes]:
    return {api.get("/api/test").body for _ in range(30)}


def test_it_reaches_every_replica(behind: Stack, api: Api) -> None:
    for replicas in (5, 3):
        behind.up("--scale", f"api={replicas}")
        wait_until(
            lambda: len(hosts(api)) == replicas, 30, f"{replicas} replicas answer in turn"
        )


def test_there_is_no_other_proxy_and_no_open_port(behind: Stack) -> None:
    services = behind.compose("ps", "--all", "--services").split()
    assert set(services) == set(SERVICES) - {"proxy"}
    for service in services:
        for container in behind.containers(service):
            found = inspect(container)
            assert not any(found["NetworkSettings"]["Ports"].values())
            assert not found["HostConfig"]["PortBindings"]
    networks = docker(
        *("network", "ls", "--format", "{{.Name}}"),
        *("--filter", f"label=com.docker.compose.project={behind.name}"),
    )
    assert set(networks.split()) == {behind.network("api-db"), behind.network("adminer-db")}


PORTS = {"api": 9000, "adminer": 8080, "db": 3306}


@pytest.mark.parametrize("source", ["other", *PORTS])
def test_isolation_is_the_same(other: OtherProxy, behind: Stack, source: str) -> None:
    reached = {
        ("other", "api"): {other.api_network},
        ("other", "adminer"): {other.adminer_network},
        ("api", "db"): {behind.network("api-db")},
        ("adminer", "db"): {behind.network("adminer-db")},
    }
    containers = {service: behind.running_containers(service)[0] for service in PORTS}
    containers["other"] = other.container
    for target in PORTS.keys() - {source}:
        networks = inspect(containers[target])["NetworkSettings"]["Networks"]
        targets = {
            (network["IPAddress"], PORTS[target]): name
            for name, network in networks.items()
        }
        found = reach.probe_nearby(containers[source], targets)
        connected = {targets[t] for t, what in found.items() if what == reach.CONNECTED}
        assert connected == reached.get((source, target), set())


def test_a_network_that_is_missing_is_named(build_seconds: float) -> None:
    missing = f"buzon-test-{secrets.token_hex(4)}"
    settings = {"BUZON_API_NETWORK": missing, "BUZON_ADMINER_NETWORK": missing}
    stack = Stack(files=FILES, settings=settings)
    try:
        with pytest.raises(CommandError, match=f"network {missing} .*not .*found"):
            stack.up()
    finally:
        stack.remove()
