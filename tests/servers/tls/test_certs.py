# SPDX-License-Identifier: MIT
"""scripts/certs: what it refuses, and what it does when it is run again."""

import os
import re
import shutil
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from client import serial, shake_hands, wait_for_other_serial, wait_for_port
from commands import attempt, run
from conftest import SYSLOG
from servers import (
    DOMAIN,
    EMAIL,
    LETSENCRYPT,
    SERVERS,
    Haproxy,
    Server,
    certs,
    debian_renewal,
    due,
    trusting,
)
from system import ROOT
from traffic import Traffic
from waiting import wait_until

CERTS = Path("/etc/haproxy/certs")
REFUSED = (
    f"haproxy answered 'set ssl cert {CERTS}/{DOMAIN}.pem' with 'Permission denied. '"
    " instead of 'Transaction created'; haproxy is reloaded instead"
)
PROGRAM = ROOT / "scripts" / "certs"
NGINX = ("--server", "nginx")
MINE = ("--email", EMAIL)

WITH_CERTBOT = [name for name in SERVERS if name != "caddy"]
with_certbot = pytest.mark.parametrize("site", WITH_CERTBOT, indirect=True)
with_haproxy = pytest.mark.parametrize("site", ["haproxy"], indirect=True)

WRONG = {
    "no option": ((), "--server is missing; there is: haproxy nginx apache lighttpd"),
    "unknown server": (("--server", "iis", *MINE, DOMAIN), "--server is 'iis'; there"),
    "Caddy": (("--server", "caddy", *MINE, DOMAIN), "its certificates by itself"),
    "no value": (("--server",), "--server needs a value"),
    "unknown option": ((*NGINX, "--staging", DOMAIN), "unknown option '--staging'"),
    "no email": ((*NGINX, DOMAIN), "--email is missing"),
    "no address": (
        (*NGINX, "--email", "me", DOMAIN),
        "--email is 'me'; it must be like me@example.org",
    ),
    "no domain": ((*NGINX, *MINE), "no domain is named"),
    "plain authority": (
        (*NGINX, *MINE, "--acme", "http://a/dir", DOMAIN),
        "--acme is 'http://a/dir'; it must be the https:// URL",
    ),
    "renew with options": (("renew", *NGINX), "'renew' takes no options"),
    "renew a domain": (("renew", DOMAIN), "'renew' takes no 'inbox.example.org'"),
    "install by hand": (("install", *NGINX), "RENEWED_LINEAGE is not set"),
}

WRONG_DOMAINS = {
    "": "is empty",
    "https://inbox.example.org": "is more than a host name",
    "inbox.example.org/api": "is more than a host name",
    "inbox.example.org:443": "is more than a host name",
    "*.example.org": "is a wildcard",
    "buzón.example.org": "has characters that a host name cannot have",
    "in box.example.org": "has characters that a host name cannot have",
    "192.0.2.1": "is an address",
    "inbox": "is no full host name",
    "inbox.example.org.": "is no full host name",
    "inbox.-example.org": "is no full host name",
    "inbox..example.org": "is no full host name",
    f"{'a' * 64}.example.org": "is no full host name",
    f"{'a.' * 127}org": "is no full host name",
}


@pytest.mark.parametrize("arguments, words", WRONG.values(), ids=WRONG)
def test_wrong_usage_is_named(arguments: tuple[str, ...], words: str) -> None:
    done = attempt(str(PROGRAM), *arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert words in done.stderr and "scripts/certs --help" in done.stderr


@pytest.mark.parametrize("domain", WRONG_DOMAINS)
def test_a_wrong_domain_is_named(domain: str) -> None:
    done = attempt(str(PROGRAM), *NGINX, *MINE, DOMAIN, domain)
    assert done.returncode == 64
    assert f"the domain '{domain}' {WRONG_DOMAINS[domain]}" in done.stderr
    assert "it must be like inbox.example.org" in done.stderr


def test_help_names_every_server() -> None:
    done = attempt(str(PROGRAM), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for name in WITH_CERTBOT:
        assert name in done.stdout


def test_it_needs_root() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        # Where everybody may read it.
        os.chmod(folder, 0o755)
        for name in ("certs", "lib/common.sh"):
            copy = Path(folder) / "scripts" / name
            copy.parent.mkdir(exist_ok=True, parents=True)
            shutil.copy2(ROOT / "scripts" / name, copy)
        done = attempt(
            *("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"),
            *(f"{folder}/scripts/certs", *NGINX, *MINE, DOMAIN),
        )
    assert done.returncode == 1
    assert "this needs root, and you are nobody: sudo scripts/certs" in done.stderr


def test_a_missing_certbot_is_named(tmp_path: Path) -> None:
    for folder in ("/usr/bin", "/usr/sbin"):
        for program in Path(folder).iterdir():
            link = tmp_path / program.name
            if program.name != "certbot" and not link.exists():
                link.symlink_to(program)
    done = attempt(
        *(str(tmp_path / "bash"), str(PROGRAM), *NGINX, *MINE, DOMAIN),
        environment={"PATH": str(tmp_path)},
    )
    assert done.returncode == 1
    assert "certbot is not installed; scripts/deps certs installs it" in done.stderr


def test_an_authority_that_is_not_there_is_named() -> None:
    url = "https://localhost:1/dir"
    done = attempt(str(PROGRAM), *NGINX, *MINE, "--acme", url, DOMAIN)
    assert done.returncode == 1
    assert f"could not obtain a certificate for {DOMAIN} from {url}" in done.stderr


def test_a_certificate_that_is_not_there_is_named() -> None:
    done = attempt(
        *(str(PROGRAM), "install", *NGINX),
        environment={**os.environ, "RENEWED_LINEAGE": str(LETSENCRYPT / "live" / "none")},
    )
    assert done.returncode == 1
    assert f"there is no certificate in {LETSENCRYPT}/live/none" in done.stderr


@with_certbot
def test_obtaining_again_changes_nothing(server: Server) -> None:
    before, processes = serial(DOMAIN), server.processes()
    # Another test may have added one.
    said = server.obtain(*shake_hands(DOMAIN).names)
    assert re.fullmatch(rf"{DOMAIN}: the certificate is valid until .* GMT\n", said)
    assert serial(DOMAIN) == before and server.processes() <= processes


@with_certbot
def test_renewing_before_its_time_does_and_says_nothing(server: Server) -> None:
    before, processes = serial(DOMAIN), server.processes()
    assert certs("renew", authority=server.authority) == ""
    assert serial(DOMAIN) == before and server.processes() <= processes


@with_certbot
def test_a_timer_of_ones_own_renews(server: Server) -> None:
    before = serial(DOMAIN)
    with due(DOMAIN):
        said = certs("renew", authority=server.authority)
    assert f"{DOMAIN}: renewed, and valid until" in said
    wait_for_other_serial(DOMAIN, before)


@with_certbot
def test_what_could_not_be_installed_is_installed_later(server: Server) -> None:
    before = serial(DOMAIN)
    with server.broken():
        with due(DOMAIN):
            attempt(*debian_renewal(), environment=trusting(server.authority))
        done = attempt(str(PROGRAM), "renew")
        assert done.returncode == 1
        assert f"certs: {server.refused.format(server.name)}" in done.stderr
    assert serial(DOMAIN) == before
    assert certs("renew", authority=server.authority) == ""
    wait_for_other_serial(DOMAIN, before)


@with_haproxy
def test_haproxy_takes_a_certificate_without_a_reload(server: Haproxy) -> None:
    before, processes = serial(DOMAIN), server.processes()
    server.renew()
    wait_for_other_serial(DOMAIN, before)
    assert server.processes() <= processes


@with_haproxy
def test_haproxy_finds_the_certificate_when_it_starts_again(server: Haproxy) -> None:
    before = serial(DOMAIN)
    server.renew()
    after = wait_for_other_serial(DOMAIN, before)
    run("systemctl", "restart", server.unit)
    wait_for_port(443)
    assert serial(DOMAIN) == after


@with_haproxy
def test_the_key_is_for_root_alone(server: Haproxy) -> None:
    for place, mode in ((CERTS, 0o700), (CERTS / f"{DOMAIN}.pem", 0o600)):
        found = place.stat()
        assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (mode, 0, 0)
    assert [name for name in os.listdir(CERTS) if not name.endswith(".pem")] == []


@with_haproxy
def test_without_its_api_haproxy_is_reloaded(server: Haproxy) -> None:
    before = serial(DOMAIN)
    with server.without_api():
        with Traffic(DOMAIN) as traffic:
            server.renew()
            wait_for_other_serial(DOMAIN, before)
            traffic.go_on()
    traffic.assert_no_faults()


@with_haproxy
def test_where_its_api_refuses_haproxy_is_reloaded(server: Haproxy) -> None:
    before = serial(DOMAIN)
    with server.without_api(), refusing(server.api):
        server.renew()
    wait_for_other_serial(DOMAIN, before)
    # certbot says nothing of it.
    wait_until(lambda: REFUSED in SYSLOG.read_text(), 10, f"'{REFUSED}' in the log")


class Refuse(socketserver.StreamRequestHandler):
    """A runtime API that permits nothing but to look."""

    def handle(self) -> None:
        file = CERTS / f"{DOMAIN}.pem"
        answers = {
            "show ssl crt-list": f"{CERTS}",
            "show ssl cert": f"{file}",
            f"show ssl cert {file}": "Status: Used",
        }
        command = self.rfile.readline().decode().strip()
        # Until the empty line that ends it.
        while self.rfile.readline().strip():
            pass
        self.wfile.write(answers.get(command, "Permission denied.").encode() + b"\n")


@contextmanager
def refusing(place: Path) -> Iterator[None]:
    with socketserver.ThreadingUnixStreamServer(str(place), Refuse) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
