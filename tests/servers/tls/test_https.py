# SPDX-License-Identifier: MIT
"""HTTPS by the shipped configuration of each web server, from its first
certificate to the next."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from client import at_version, plain, serial, shake_hands, wait_for_other_serial
from commands import attempt
from conftest import Site
from http_client import Api, query, unique
from problems import assert_guarded
from servers import DOMAIN, SECOND_DOMAIN, Server
from system import ROOT
from traffic import Traffic

URL = f"https://{DOMAIN}"
VERSIONS = {
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


@pytest.fixture
def api(site: Site) -> Iterator[Api]:
    connection = Api(URL)
    yield connection
    connection.close()


def test_port_80_serves_before_the_first_certificate(site: Site) -> None:
    assert site.challenge_before.status == site.server.no_challenge


def test_the_chain_leads_to_the_authority(site: Site) -> None:
    assert DOMAIN in shake_hands(DOMAIN).names


def test_a_message_is_stored_and_read(api: Api) -> None:
    sender = unique()
    stored = api.store(sender, "¡hola!")
    assert api.messages(From=sender) == [stored]


def test_head_is_answered_without_a_body(api: Api) -> None:
    answer = api.request("HEAD", query(limit=1))
    assert (answer.status, answer.body) == (200, b"")


def test_the_whole_api_suite_passes(site: Site, tmp_path: Path) -> None:
    done = attempt(
        *("/usr/bin/python3", "-m", "pytest", str(ROOT / "tests" / "integration")),
        *("-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'pytest'}"),
        environment={**os.environ, "BUZON_TEST_URL": URL},
        timeout=110,
    )
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]


def test_http_2_is_negotiated(server: Server) -> None:
    done = attempt(
        *("curl", "-sS", "--http2", "--cacert", os.environ["SSL_CERT_FILE"]),
        *("-o", "/dev/null", "-w", "%{http_code} %{http_version}", f"{URL}/api/test"),
    )
    assert done.stdout == ("200 2" if server.http2 else "200 1.1"), done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_tls_1_2_and_1_3_are_spoken(site: Site, version: str) -> None:
    assert shake_hands(DOMAIN, at_version(VERSIONS[version])).version == version


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_what_is_older_than_tls_1_2_is_refused(site: Site, version: str) -> None:
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        shake_hands(DOMAIN, at_version(ssl.TLSVersion[version]))


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/api/message?From=ana&after=41",
        "/api/message?Content=%C3%B1%20%2F",
        "/api//a%2Fb/",
        "/db/?a=b",
    ],
)
def test_http_leads_to_https_with_path_and_query(server: Server, target: str) -> None:
    answer = plain(DOMAIN, target)
    assert answer.status == server.redirect
    assert answer.header("Location") == f"{URL}{target}"


def test_challenges_are_not_redirected(server: Server) -> None:
    answer = plain(DOMAIN, "/.well-known/acme-challenge/none")
    assert answer.status == server.no_challenge


def test_there_is_no_hsts_unless_asked_for(api: Api) -> None:
    assert api.get("/api/test").header("Strict-Transport-Security") is None


def test_no_version_is_told_and_pages_load_nothing(api: Api) -> None:
    challenge = plain(DOMAIN, "/.well-known/acme-challenge/none")
    for answer in (plain(DOMAIN, "/"), challenge, api.get("/nothing")):
        assert_guarded(answer)


def test_a_wrong_name_gets_no_trusted_connection(site: Site) -> None:
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        shake_hands("wrong.example.org")


def test_renewal_under_load_costs_no_request(server: Server) -> None:
    before = serial(DOMAIN)
    with Traffic(DOMAIN) as traffic:
        ended = traffic.ended()
        server.renew()
        # Caddy's time may have just begun.
        wait_for_other_serial(DOMAIN, before, 40)
        traffic.go_on()
        if server.renews_in_place:
            assert traffic.ended() == ended
    traffic.assert_no_faults()


def test_a_second_domain_under_load_costs_no_request(server: Server) -> None:
    with Traffic(DOMAIN) as traffic:
        ended = traffic.ended()
        server.add_domain()
        traffic.go_on()
        if server.adds_in_place:
            assert traffic.ended() == ended
    traffic.assert_no_faults()
    for name in (DOMAIN, SECOND_DOMAIN):
        assert name in shake_hands(name).names
