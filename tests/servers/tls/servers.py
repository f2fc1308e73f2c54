# SPDX-License-Identifier: MIT
"""The web servers: how each gets its configuration and its certificates.

The commands are those that the shipped configurations name for it; a command that is
not in their comments any more is a failure here.
"""

import os
import re
import shlex
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from authority import Authority
from client import shake_hands
from commands import run
from system import ROOT, tail
from waiting import wait_until

DOMAIN = "inbox.example.org"
SECOND_DOMAIN = "second.example.org"
EMAIL = "me@example.org"

LETSENCRYPT = Path("/etc/letsencrypt")
CERTBOT_UNIT = Path("/usr/lib/systemd/system/certbot.service")

# Longer than any certificate here is valid.
ALWAYS_DUE = "renew_before_expiry = 10000 days"


def certs(*arguments: str, authority: Authority, timeout: float = 60) -> str:
    return run(
        str(ROOT / "scripts" / "certs"),
        *arguments,
        environment=trusting(authority),
        timeout=timeout,
    )


def trusting(authority: Authority) -> dict[str, str]:
    """An environment in which certbot trusts this authority."""
    return {**os.environ, "REQUESTS_CA_BUNDLE": str(authority.own_certificate)}


def debian_renewal() -> list[str]:
    """What Debian's own timer runs."""
    found = re.search(r"^ExecStart=(.*)$", CERTBOT_UNIT.read_text(), re.MULTILINE)
    assert found, CERTBOT_UNIT
    command = shlex.split(found[1])
    assert command[:3] == ["/usr/bin/certbot", "-q", "renew"], command
    return command


@contextmanager
def due(domain: str) -> Iterator[None]:
    """Inside `with`, the certificate is as good as at its end."""
    file = LETSENCRYPT / "renewal" / f"{domain}.conf"
    file.write_text(f"{ALWAYS_DUE}\n{file.read_text()}")
    try:
        yield
    finally:
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(line for line in lines if line != f"{ALWAYS_DUE}\n"))


def command_of(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def listens(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return place.exists() and probe.connect_ex(str(place)) == 0


class Server:
    """One that scripts/certs serves."""

    name: str
    unit: str
    main_file: Path
    http2 = True
    # Whether connections that are kept outlast a renewal, and a second domain.
    renews_in_place = False
    adds_in_place = False
    redirect = 301
    # The answer to a challenge where there is none.
    no_challenge = 404
    # What scripts/certs says where the configuration is broken.
    refused = "{} refuses its configuration, and was not reloaded"
    authority_fixture = "authority"

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.folder = ROOT / "webserver-configs" / self.name
        self.commands = self.read_commands()

    def read_commands(self) -> list[str]:
        """The commands in the comments: lines that begin as commands do."""
        texts = [
            file.read_text() for file in sorted(self.folder.rglob("*")) if file.is_file()
        ]
        comments = re.sub(r"^[\t ]*#", "", "\n".join(texts), flags=re.MULTILINE)
        lines = re.sub(r"\\\n|(?<=\|)\n", " ", comments).splitlines()
        return [
            " ".join(line.split())
            for line in lines
            if line.lstrip().startswith(("sudo ", "echo "))
        ]

    def do(self, beginning: str) -> None:
        """The command in the comments that is this one, or else begins so."""
        found = {beginning} & set(self.commands) or {
            line for line in self.commands if line.startswith(beginning)
        }
        assert len(found) == 1, f"'{beginning}…' in {self.folder}: {found}"
        run("bash", "-euc", found.pop(), folder=self.folder)

    def edit(self, *changes: tuple[str, str]) -> None:
        """What a person does in an editor: each text stands there once."""
        text = self.main_file.read_text()
        for old, new in changes:
            assert text.count(old) == 1, f"'{old}' stands {text.count(old)} times"
            text = text.replace(old, new)
        self.main_file.write_text(text)

    def serve_http(self) -> None:
        """All that can be done without a certificate."""
        raise NotImplementedError

    def serve_https(self) -> None:
        """What is left to do with it."""

    def obtain(self, *domains: str) -> str:
        return certs(
            *("--server", self.name, "--email", EMAIL, "--acme", self.authority.url),
            *domains,
            authority=self.authority,
        )

    def renew(self) -> None:
        """As Debian's timer does."""
        with due(DOMAIN):
            words = run(*debian_renewal(), environment=trusting(self.authority))
        # A timer that says something each time is not read.
        assert words == ""

    def add_domain(self) -> None:
        """Has the server serve a second name as well."""
        self.obtain(DOMAIN, SECOND_DOMAIN)

    def processes(self) -> set[int]:
        """All of the server's, whichever it has started."""
        return {
            int(place.name)
            for place in Path("/proc").iterdir()
            if place.name.isdigit() and command_of(place) == self.unit
        }

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Inside `with`, its configuration is not valid, and it goes on without."""
        text = self.main_file.read_text()
        self.main_file.write_text(f"{text}\nnonsense\n")
        try:
            yield
        finally:
            self.main_file.write_text(text)

    def logs(self) -> str:
        folder = Path("/var/log")
        files = [folder / f"{self.unit}.log", *(folder / self.unit).glob("*error.log")]
        return "".join(f"--- {file}\n{tail(file)}" for file in files)

    def remove(self) -> None:
        run("systemctl", "stop", self.unit)
        for folder in (
            LETSENCRYPT / "accounts",
            LETSENCRYPT / "archive",
            LETSENCRYPT / "live",
            LETSENCRYPT / "renewal",
            Path("/var/lib/letsencrypt"),
        ):
            shutil.rmtree(folder, ignore_errors=True)


class Nginx(Server):
    name = unit = "nginx"
    main_file = Path("/etc/nginx/nginx.conf")

    def serve_http(self) -> None:
        self.do("sudo cp -r nginx.conf buzon /etc/nginx/")
        self.edit(
            ("\tinclude buzon/site-http.conf", "\t# include buzon/site-http.conf"),
            ("\t# include buzon/site-acme.conf", "\tinclude buzon/site-acme.conf"),
        )
        self.do("sudo nginx -t && sudo systemctl restart nginx")

    def serve_https(self) -> None:
        self.edit(
            ("\tinclude buzon/site-acme.conf", "\t# include buzon/site-acme.conf"),
            ("\t# include buzon/site-https.conf", "\tinclude buzon/site-https.conf"),
        )
        self.do("sudo nginx -t && sudo systemctl reload nginx")


class Haproxy(Server):
    name = unit = "haproxy"
    main_file = Path("/etc/haproxy/haproxy.cfg")
    renews_in_place = adds_in_place = True
    # There is no certbot then.
    no_challenge = 503
    refused = "'systemctl reload haproxy' failed"
    api = Path("/run/haproxy/admin.sock")

    @contextmanager
    def without_api(self) -> Iterator[None]:
        away = self.api.with_suffix(".away")
        self.api.rename(away)
        try:
            yield
        finally:
            # Unless a reload has made another one.
            if not listens(self.api):
                away.replace(self.api)

    @contextmanager
    def broken(self) -> Iterator[None]:
        with self.without_api(), super().broken():
            yield

    def add_domain(self) -> None:
        # A certificate of its own, which haproxy has never seen.
        self.obtain(SECOND_DOMAIN)

    def serve_http(self) -> None:
        """HTTPS is ready, and refuses everybody as long as there is no certificate."""
        self.do("sudo cp haproxy.cfg")
        self.do("echo 'EXTRAOPTS=")
        self.do("sudo systemctl restart haproxy")
        self.do("sudo install -d -m 700 /etc/haproxy/certs")
        self.do("sudo sed -i s/http.cfg/https.cfg/")
        self.do("sudo systemctl restart haproxy")


class Lighttpd(Server):
    name = unit = "lighttpd"
    main_file = Path("/etc/lighttpd/lighttpd.conf")

    def serve_http(self) -> None:
        self.do("sudo cp 50-buzon.conf")
        self.do("sudo cp buzon.lua")
        self.do("sudo install -D -m 644 reload.conf")
        self.do("sudo lighty-enable-mod buzon")
        self.do("sudo lighttpd -tt")

    def serve_https(self) -> None:
        self.do("sudo lighty-enable-mod buzon-https")
        self.do("sudo lighttpd -tt")


class Apache(Server):
    name = "apache"
    unit = "apache2"
    main_file = Path("/etc/apache2/apache2.conf")

    def serve_http(self) -> None:
        # Debian's apache2 as it comes; PHP as a module makes it another one.
        for module in sorted(Path("/etc/apache2/mods-enabled").glob("php*.load")):
            run("a2dismod", "--quiet", module.stem)
        run("bash", "-c", "a2dismod -q mpm_prefork; a2enmod -q mpm_event")
        self.do("sudo cp buzon*.conf /etc/apache2/sites-available/")
        self.do("sudo cp -r buzon")
        self.do("sudo a2enmod alias")
        self.do("sudo a2ensite buzon")
        self.do("sudo apache2ctl configtest && sudo systemctl restart apache2")
        self.do("sudo a2enmod rewrite")
        self.do("sudo a2dissite")
        self.do("sudo a2ensite buzon-acme")
        self.do("sudo systemctl restart apache2")

    def serve_https(self) -> None:
        self.do("sudo a2enmod http2 ssl")
        self.do("sudo a2ensite buzon-https")
        self.do("sudo apache2ctl configtest && sudo systemctl restart apache2")


class Caddy(Server):
    """It obtains and renews by itself."""

    name = unit = "caddy"
    main_file = Path("/etc/caddy/Caddyfile")
    authority_fixture = "short_authority"
    renews_in_place = True
    # What is no challenge of its own is a request like others.
    redirect = no_challenge = 308

    def serve_http(self) -> None:
        self.do("sudo cp -r Caddyfile buzon /etc/caddy/")
        # Older kernels cannot.
        if Path("/proc/sys/net/ipv4/tcp_migrate_req").exists():
            self.do("echo net.ipv4.tcp_migrate_req=1")
            self.do("sudo sysctl --load")
        self.edit(
            (
                "\t# acme_ca https://acme.example.org/directory\n",
                f"\tacme_ca {self.authority.url}\n"
                f"\tacme_ca_root {self.authority.own_certificate}\n"
                # It looks every ten minutes.
                "\trenew_interval 1s\n",
            ),
        )
        self.do("sudo systemctl restart caddy")
        text = self.main_file.read_text()
        head, site = text.split(f"# {DOMAIN} {{\n")
        site = re.sub("^# ?", "", site, flags=re.MULTILINE)
        self.main_file.write_text(f"{head}{DOMAIN} {{\n{site}")
        run("systemctl", "reload", self.unit)

    def obtain(self, *domains: str) -> str:
        wait_until(lambda: serves(DOMAIN), 30, "Caddy has its certificate")
        return ""

    def renew(self) -> None:
        """Nobody asks it to."""

    def add_domain(self) -> None:
        self.edit((f"\n{DOMAIN} {{", f"\n{DOMAIN}, {SECOND_DOMAIN} {{"))
        run("systemctl", "reload", self.unit)
        wait_until(lambda: serves(SECOND_DOMAIN), 30, "Caddy has another certificate")


def serves(name: str) -> bool:
    try:
        return name in shake_hands(name).names
    except OSError:
        return False


SERVERS = {kind.name: kind for kind in (Haproxy, Nginx, Apache, Lighttpd, Caddy)}
