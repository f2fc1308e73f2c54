# SPDX-License-Identifier: MIT
"""A certificate authority: pebble, Let's Encrypt's own for tests."""

import json
import os
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commands import run
from waiting import wait_until

# It answers for every name that it leads to this machine.
DNS_PORT = 8053


def answers(url: str, trusted: Path) -> bytes | None:
    context = ssl.create_default_context(cafile=str(trusted))
    try:
        with urllib.request.urlopen(url, context=context, timeout=5) as answer:
            return answer.read()
    except OSError:
        return None


@contextmanager
def process(log: Path, *command: str, **settings: str) -> Iterator[None]:
    with log.open("ab") as output:
        started = subprocess.Popen(
            command,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        started.kill()
        started.wait()


@contextmanager
def names(folder: Path) -> Iterator[None]:
    """A DNS server that leads every name to this machine."""
    with process(
        folder / "names.log",
        *("pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""),
        *("-dns01", f"127.0.0.1:{DNS_PORT}", "-management", "127.0.0.1:8055"),
        *("-http01", "", "-https01", "", "-tlsalpn01", ""),
    ):
        yield


class Authority:
    """Inside `with`, it issues certificates, as names() has it look names up."""

    def __init__(self, folder: Path, port: int, valid_seconds: int) -> None:
        self.folder = folder
        self.port = port
        self.valid_seconds = valid_seconds
        # Of the authority's own HTTPS, and of what it issues.
        self.own_certificate = folder / "authority.pem"
        self.root = folder / "root.pem"

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/dir"

    @contextmanager
    def serving(self) -> Iterator["Authority"]:
        self.folder.mkdir(mode=0o755)
        key = self.folder / "authority.key"
        run(
            *("openssl", "req", "-x509", "-newkey", "ec"),
            *("-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(self.own_certificate)),
        )
        # Caddy is not root and reads it too.
        self.own_certificate.chmod(0o644)
        management = self.port + 1000
        configuration = self.folder / "pebble.json"
        configuration.write_text(
            json.dumps(
                {
                    "pebble": {
                        "listenAddress": f"127.0.0.1:{self.port}",
                        "managementListenAddress": f"127.0.0.1:{management}",
                        "certificate": str(self.own_certificate),
                        "privateKey": str(key),
                        "httpPort": 80,
                        "tlsPort": 443,
                        "certificateValidityPeriod": self.valid_seconds,
                    }
                }
            )
        )
        with process(
            self.folder / "pebble.log",
            *("pebble", "-config", str(configuration)),
            *("-dnsserver", f"127.0.0.1:{DNS_PORT}"),
            PEBBLE_VA_NOSLEEP="1",
            # certbot tries again once, which would do nearly always.
            PEBBLE_WFE_NONCEREJECT="0",
            # Every certificate is proved anew.
            PEBBLE_AUTHZREUSE="0",
        ):
            root = wait_until(
                lambda: answers(
                    f"https://localhost:{management}/roots/0", self.own_certificate
                ),
                20,
                "pebble answers",
            )
            self.root.write_bytes(root)
            yield self
