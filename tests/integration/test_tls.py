# SPDX-License-Identifier: MIT
"""TLS on the way to a database across a network."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from answers import assert_problem
from http_client import JSON, json_body
from replica import Replica
from system import System, free_port, short_directory
from waiting import wait_until

HOST = "127.0.0.1"


def openssl(*arguments: str, cwd: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


def make_authority(directory: Path, name: str) -> None:
    openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"),
        cwd=directory,
    )


@pytest.fixture(scope="module")
def keys() -> Iterator[Path]:
    """A server's certificate, the authority that signed it, and another one."""
    directory = short_directory()
    make_authority(directory, "authority")
    make_authority(directory, "stranger")
    openssl(
        *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={HOST}"),
        *("-keyout", "server.key", "-out", "server.csr"),
        cwd=directory,
    )
    (directory / "names").write_text(f"subjectAltName=IP:{HOST},DNS:localhost\n")
    openssl(
        *("x509", "-req", "-in", "server.csr", "-days", "2", "-extfile", "names"),
        *("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial"),
        *("-out", "server.pem"),
        cwd=directory,
    )
    # MariaDB may run as another user; the keys are worth nothing to anybody.
    directory.chmod(0o755)
    for file in directory.iterdir():
        file.chmod(0o644)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def encrypted(keys: Path) -> Iterator[System]:
    """A system whose database takes the program only over TLS, by TCP."""
    port = free_port()
    options = [
        "skip-networking=0",
        f"bind-address={HOST}",
        f"port={port}",
        f"ssl-cert={keys}/server.pem",
        f"ssl-key={keys}/server.key",
        f"ssl-ca={keys}/authority.pem",
    ]
    with System(1, options) as system:
        system.database.run("ALTER USER 'buzon'@'%' REQUIRE SSL")
        system.database.run("ALTER USER 'buzon'@'localhost' REQUIRE SSL")
        yield system


def replica_of(system: System, **settings: str) -> Replica:
    port = system.database.value("SELECT @@port")
    settings = {"BUZON_DB_HOST": HOST, **settings}
    return Replica(system, BUZON_DB_SOCKET="", BUZON_DB_PORT=port, **settings)


# A name is looked up in files, and authorities are read from one, at each connection: by
# a program that is confined.
@pytest.mark.parametrize("host", [HOST, "localhost"])
@pytest.mark.parametrize("authority", [None, "authority"])
def test_messages_are_stored_over_tls(
    encrypted: System, keys: Path, authority: str | None, host: str
) -> None:
    settings = {"BUZON_DB_TLS": "required", "BUZON_DB_HOST": host}
    if authority:
        settings["BUZON_DB_TLS"] = "verified"
        settings["BUZON_DB_TLS_CA"] = str(keys / f"{authority}.pem")
    with replica_of(encrypted, **settings) as replica, replica.api() as api:
        assert api.get("/api/health").status == 200, replica.log()
        body = json_body("ana", "over TLS")
        stored = api.request("POST", "/api/message", {"Content-Type": JSON}, body)
        assert stored.status == 201, replica.log()
        encrypted.database.disconnect("buzon")
        wait_until(lambda: api.get("/api/health").status == 200, 20, "it is well again")
        read = api.get(f"/api/message?ID={stored.json()['ID']}")
        assert read.json() == [stored.json()]


@pytest.mark.parametrize(
    ("settings", "authority"),
    [
        # The database insists on TLS.
        ({"BUZON_DB_TLS": "off"}, None),
        # Its certificate is signed by somebody else.
        ({"BUZON_DB_TLS": "verified"}, "stranger"),
    ],
)
def test_a_database_that_is_not_to_be_trusted_is_not_used(
    encrypted: System, keys: Path, settings: dict[str, str], authority: str | None
) -> None:
    if authority:
        settings = {**settings, "BUZON_DB_TLS_CA": str(keys / f"{authority}.pem")}
    with replica_of(encrypted, **settings) as replica, replica.api() as api:
        assert api.get("/api/test").status == 200
        assert api.get("/api/health").status == 503
        answer = api.request(
            "POST", "/api/message", {"Content-Type": JSON}, json_body("ana", "secret")
        )
        assert_problem(answer, 503, "database_unavailable")
        assert "database_connect_failed" in replica.log()
