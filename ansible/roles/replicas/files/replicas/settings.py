# SPDX-License-Identifier: MIT
"""What /etc/buzon/replicas.conf says; the playbook writes it from ansible/settings.yml."""

import configparser
import ipaddress
from dataclasses import dataclass
from pathlib import Path

FILE = Path("/etc/buzon/replicas.conf")

# A replica's number is the end of its address and of its port's name.
MOST = 200


class SettingError(Exception):
    """A setting that cannot be; the text names it, its value, and what would be right."""


@dataclass(frozen=True)
class Settings:
    minimum: int
    maximum: int
    # Of the replica number 0, which does not exist.
    address: ipaddress.IPv4Address
    # The first user ID of the containers.
    user_ids: int
    # Replicas on other hosts, "address:port".
    elsewhere: tuple[str, ...]
    sessions: int
    milliseconds: int
    grow_seconds: int
    shrink_seconds: int
    pause_seconds: int

    def address_of(self, number: int) -> str:
        return str(self.address + number)


def read(file: Path = FILE) -> Settings:
    parser = configparser.ConfigParser(interpolation=None)
    if not parser.read(file, encoding="utf-8"):
        raise SettingError(f"{file} is missing; ansible-playbook site.yml writes it")

    def text(section: str, name: str) -> str:
        value = parser.get(section, name, fallback=None)
        if value is None:
            raise SettingError(f"{file}: [{section}] {name} is missing")
        return value

    def number(section: str, name: str, least: int, most: int) -> int:
        value = text(section, name)
        if not value.isdecimal() or not least <= int(value) <= most:
            raise SettingError(
                f"{file}: [{section}] {name} is '{value}';"
                f" it must be a number from {least} to {most}"
            )
        return int(value)

    try:
        address = ipaddress.IPv4Address(text("replicas", "address"))
    except ValueError as error:
        raise SettingError(f"{file}: [replicas] address: {error}") from error
    settings = Settings(
        minimum=number("replicas", "minimum", 1, MOST),
        maximum=number("replicas", "maximum", 1, MOST),
        address=address,
        user_ids=number("replicas", "user_ids", 1, 2**32 - 65537),
        elsewhere=tuple(text("replicas", "elsewhere").split()),
        sessions=number("autoscale", "sessions", 1, 100_000),
        milliseconds=number("autoscale", "milliseconds", 1, 60_000),
        grow_seconds=number("autoscale", "grow_seconds", 1, 86_400),
        shrink_seconds=number("autoscale", "shrink_seconds", 1, 86_400),
        pause_seconds=number("autoscale", "pause_seconds", 0, 86_400),
    )
    if settings.minimum > settings.maximum:
        raise SettingError(
            f"{file}: replicas_minimum is {settings.minimum}, more than"
            f" replicas_maximum, {settings.maximum}"
        )
    return settings
