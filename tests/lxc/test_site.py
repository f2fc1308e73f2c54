# SPDX-License-Identifier: MIT
"""What site.yml makes of a server."""

import re
from pathlib import Path

import pytest

import server as servers
from client import plain, shake_hands
from commands import CommandError, attempt, run
from conftest import Site
from server import DOMAIN, Server, inside, recap
from servers import debian_renewal, due
from system import ROOT
from traffic import SecureApi, Traffic
from waiting import wait_until

CONTAINERS = ("adminer", "api-1", "api-2", "db")

# The packages that the playbook installs in it are here already, most of them.
SITE_SECONDS = 300


def test_it_takes_no_longer_than_five_minutes(site: Site) -> None:
    print(f"site.yml: {site.seconds:.0f} s")
    assert site.seconds < SITE_SECONDS


def test_a_second_run_changes_nothing(server: Server) -> None:
    result = recap(server.play("site.yml"))
    assert (result.changed, result.failed) == (0, 0)
    assert result.ok > 30


def test_a_message_is_stored_and_read(api: SecureApi) -> None:
    stored = api.store("ana", "¡hola!")
    assert api.messages(ID=stored["ID"]) == [stored]


def test_the_certificate_is_the_authority_s(site: Site) -> None:
    assert DOMAIN in shake_hands(DOMAIN).names


def test_the_certificate_is_renewed_without_a_lost_request(server: Server) -> None:
    before = shake_hands(DOMAIN).serial
    run("systemctl", "is-active", "certbot.timer")
    with Traffic(DOMAIN) as traffic, due(DOMAIN):
        run(*debian_renewal(), environment=server.environment)
        wait_until(lambda: shake_hands(DOMAIN).serial != before, 10, "it is another one")
        traffic.go_on()
    traffic.assert_no_faults()


def test_http_leads_to_https(site: Site) -> None:
    answer = plain(DOMAIN, "/api/test?a=b")
    assert (answer.status, answer.header("Location")) == (
        301,
        f"https://{DOMAIN}/api/test?a=b",
    )


def test_the_panel_is_served(api: SecureApi) -> None:
    answer = api.get("/db/")
    assert answer.status == 200
    assert b"auth[password]" in answer.body


def test_all_of_it_starts_with_the_server(site: Site) -> None:
    # The containers end with their network.
    run("systemctl", "stop", "haproxy", "buzon-network")
    assert servers.containers() == []
    # What a start of the server ends with.
    run("systemctl", "start", "multi-user.target")
    wait_until(servers.healthy, 30, "the database answers")
    wait_until(lambda: len(servers.replicas()) == 2, 30, "both replicas are up")
    assert set(servers.containers()) == set(CONTAINERS)


@pytest.mark.parametrize("container", CONTAINERS)
def test_processes_are_ordinary_users_of_the_server(site: Site, container: str) -> None:
    found = servers.processes(container)
    assert found
    for process in found:
        try:
            status = (process / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for kind in ("Uid", "Gid"):
            ids = re.search(rf"^{kind}:\t(.*)$", status, re.MULTILINE)
            assert ids
            assert all(int(number) >= 1_000_000 for number in ids[1].split()), status


SERVICES = {"api-1": "buzon.service", "adminer": "adminer.service"}


@pytest.mark.parametrize("container, service", SERVICES.items())
def test_services_are_shielded_within_their_container(
    site: Site, container: str, service: str
) -> None:
    inside(container, "systemd-analyze", "security", "--threshold=15", service)
    shown = inside(container, "systemctl", "show", service, "--property=MainPID", "--value")
    for space in ("ipc", "mnt", "user", "uts"):
        own, first = (
            inside(container, "readlink", f"/proc/{process}/ns/{space}")
            for process in (shown.strip(), "1")
        )
        assert own != first, space


def test_the_program_is_built_with_its_protections(site: Site) -> None:
    program = "/var/lib/buzon/images/api/current/rootfs/usr/bin/buzon"
    run(str(ROOT / "tests/hardening/check-program"), program)


@pytest.mark.parametrize("container", CONTAINERS)
def test_memory_and_processes_are_limited(site: Site, container: str) -> None:
    for item, old_item in (
        ("memory.max", "memory.limit_in_bytes"),
        ("pids.max", "pids.max"),
    ):
        tried = [
            attempt("lxc-cgroup", "--name", container, name) for name in (item, old_item)
        ]
        values = [done.stdout.strip() for done in tried if done.returncode == 0]
        assert values and int(values[0]) < 2**40, (item, tried)


# Who may reach whom, and at which port.
REACHED = {
    ("api-1", "10.77.0.2", 3306): True,
    ("adminer", "10.77.0.2", 3306): True,
    ("api-1", "10.77.0.12", 9000): False,
    ("api-1", "10.77.0.3", 8080): False,
    ("adminer", "10.77.0.11", 9000): False,
    ("api-1", "10.77.0.1", 443): False,
    ("db", "10.77.0.1", 443): False,
    ("db", "10.0.2.100", 443): False,
}


@pytest.mark.parametrize("source, address, port", REACHED)
def test_containers_reach_what_they_must_and_no_more(
    site: Site, source: str, address: str, port: int
) -> None:
    connect = f"exec 3<>/dev/tcp/{address}/{port}"
    try:
        inside(source, "timeout", "2", "bash", "-c", connect)
        reached = True
    except CommandError:
        reached = False
    assert reached == REACHED[(source, address, port)]


def test_the_statistics_page_is_for_the_server_alone(site: Site) -> None:
    page = run("curl", "-sSf", "http://127.0.0.1:8404/")
    assert "api-1" in page
    assert attempt("curl", "-sS", "http://10.0.2.100:8404/").returncode != 0


def test_a_wrong_server_is_refused(server: Server) -> None:
    # Debian 11 is none that the playbook knows.
    release, version = Path("/etc/os-release"), Path("/etc/debian_version")
    texts = {path: path.read_text() for path in (release, version)}
    release.write_text(re.sub(r'VERSION_ID="\d+"', 'VERSION_ID="11"', texts[release]))
    version.write_text("11.11\n")
    try:
        with pytest.raises(CommandError, match="must be Debian 12 or 13"):
            server.play("site.yml")
    finally:
        for path, text in texts.items():
            path.write_text(text)
