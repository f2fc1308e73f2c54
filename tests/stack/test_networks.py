# SPDX-License-Identifier: MIT
"""Which container reaches which, and the internet: by address, pair by pair."""

import functools
import itertools
import socket
from collections.abc import Iterator

import pytest

import reach
from stack import LASTING_SERVICES, SERVICES, Stack, inspect

# FastCGI, MariaDB, HTTP.
PORTS = {"api": 9000, "db": 3306, "adminer": 8080, "proxy": 80}

# TLS is not listened for by every proxy.
MAY_BE_OPEN = {"proxy": {443}}

NETWORKS = {
    "api": {"proxy-api", "api-db"},
    "db": {"api-db", "adminer-db"},
    "adminer": {"proxy-adminer", "adminer-db"},
    "proxy": {"public-gateway", "proxy-api", "proxy-adminer"},
    "secrets": set(),
    "migrate": set(),
}

# The networks by which the first reaches the port of the second. No other pair
# does, on any network.
REACHED = {
    ("proxy", "api", 9000): {"proxy-api"},
    ("proxy", "adminer", 8080): {"proxy-adminer"},
    ("api", "db", 3306): {"api-db"},
    ("adminer", "db", 3306): {"adminer-db"},
    # The proxy serves whoever is on a network with it.
    ("api", "proxy", 80): {"proxy-api"},
    ("adminer", "proxy", 80): {"proxy-adminer"},
}

PAIRS = [
    (source, target, PORTS[target])
    for source, target in itertools.permutations(LASTING_SERVICES, 2)
]


@functools.cache
def addresses(stack: Stack, service: str) -> dict[str, str]:
    """Every address of every container of a service, with its network's name."""
    found = {}
    for container in stack.running_containers(service):
        for name, network in inspect(container)["NetworkSettings"]["Networks"].items():
            for kind in ("IPAddress", "GlobalIPv6Address"):
                if network[kind]:
                    found[network[kind]] = name.removeprefix(f"{stack.name}_")
    return found


@functools.cache
def outcomes(stack: Stack, source: str) -> dict[reach.Target, str]:
    """What comes of connecting from a service to all the others."""
    return reach.probe_nearby(
        stack.running_containers(source)[0],
        {
            (address, PORTS[service]): stack.network(network)
            for service in LASTING_SERVICES
            if service != source
            for address, network in addresses(stack, service).items()
        },
    )


@pytest.mark.parametrize("source, target, port", PAIRS)
def test_only_the_wanted_pairs_can_connect(
    each_stack: Stack, source: str, target: str, port: int
) -> None:
    found = {
        (address, network): outcomes(each_stack, source)[address, port]
        for address, network in addresses(each_stack, target).items()
    }
    wanted = REACHED.get((source, target, port), set())
    wrong = {
        where: outcome
        for where, outcome in found.items()
        if (outcome == reach.CONNECTED) != (where[1] in wanted)
    }
    assert not wrong, f"only by {wanted or 'no network'}, all were: {found}"


@pytest.mark.parametrize("service", LASTING_SERVICES)
def test_no_other_port_is_open(each_stack: Stack, service: str) -> None:
    """So that the pairs above are all there are."""
    own = addresses(each_stack, service).keys() | {"0.0.0.0", "::"}
    for container in each_stack.running_containers(service):
        ports = {p for address, p in reach.listening(container) if address in own}
        assert ports - MAY_BE_OPEN.get(service, set()) == {PORTS[service]}


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_on_its_networks_alone(each_stack: Stack, service: str) -> None:
    containers = each_stack.containers(service)
    assert containers
    wanted = {each_stack.network(name) for name in NETWORKS[service]} or {"none"}
    for container in containers:
        settings = inspect(container)["NetworkSettings"]
        assert settings["Networks"].keys() == wanted


@pytest.mark.parametrize("service", SERVICES)
def test_only_the_proxy_publishes_ports(each_stack: Stack, service: str) -> None:
    for container in each_stack.containers(service):
        settings = inspect(container)
        published = {
            port: {int(binding["HostPort"]) for binding in bindings}
            for port, bindings in settings["NetworkSettings"]["Ports"].items()
            if bindings
        }
        wanted = {}
        if service == "proxy":
            wanted = {"80/tcp": {each_stack.port}, "443/tcp": {each_stack.tls_port}}
        assert published == wanted
        assert not settings["HostConfig"]["PublishAllPorts"]


@pytest.mark.parametrize("network", sorted(set().union(*NETWORKS.values())))
def test_all_networks_but_the_gateway_are_internal(
    each_stack: Stack, network: str
) -> None:
    found = inspect(each_stack.network(network))
    assert found["Internal"] == (network != "public-gateway")


@pytest.fixture(scope="module")
def internet() -> Iterator[reach.Target]:
    with reach.host_outside() as target:
        yield target


@pytest.fixture(scope="module")
def port_of_this_machine() -> Iterator[int]:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("service", LASTING_SERVICES)
def test_only_the_proxy_reaches_the_machine_it_runs_on(
    each_stack: Stack, port_of_this_machine: int, service: str
) -> None:
    """An internal network is one with the machine, too, unless told otherwise."""
    targets = [(address, port_of_this_machine) for address in reach.own_addresses()]
    for found in reach.probe_each(each_stack.running_containers(service), targets):
        connected = [where for where, what in found.items() if what == reach.CONNECTED]
        # That the proxy can proves that there is something to be reached.
        assert bool(connected) == (service == "proxy"), found


@pytest.mark.parametrize("service", LASTING_SERVICES)
def test_only_the_proxy_reaches_the_internet(
    each_stack: Stack, internet: reach.Target, service: str
) -> None:
    for found in reach.probe_each(each_stack.running_containers(service), [internet]):
        outcome = found[internet]
        # That the proxy can proves that there is something to be reached.
        if service == "proxy":
            assert outcome == reach.CONNECTED
        else:
            assert outcome in ("unreachable", "timed-out")
