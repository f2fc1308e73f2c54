# SPDX-License-Identifier: MIT
"""Load over HTTPS, and what becomes of the connections."""

import http.client
import ssl
from urllib.parse import urlsplit

from load import ALIVE, NEWEST, Load
from patient import NotAnswered, PatientApi, PatientConnection
from waiting import wait_until

# Longer than that no answer may take, because of a reload for example.
SECONDS = 15


class SecureConnection(PatientConnection, http.client.HTTPSConnection):
    # How often the server has ended it.
    ended = 0

    def getresponse(self) -> http.client.HTTPResponse:
        try:
            response = super().getresponse()
        except (NotAnswered, ssl.SSLEOFError) as error:
            self.ended += 1
            raise NotAnswered from error
        self.ended += response.will_close
        return response

    def send(self, data: object) -> None:
        try:
            super().send(data)
        except (NotAnswered, ssl.SSLEOFError) as error:
            self.ended += 1
            raise NotAnswered from error


class SecureApi(PatientApi):
    def __init__(self, url: str, timeout: float = 30) -> None:
        super().__init__(url, timeout)
        self.connection = SecureConnection(urlsplit(url).netloc, timeout=timeout)


class Traffic(Load):
    """GETs, and POSTs with keys, over connections that are kept and that are not."""

    def __init__(self, host: str) -> None:
        self.connections: list[SecureConnection] = []
        super().__init__(f"https://{host}", connect=self.connect_one)

    def connect_one(self, url: str) -> SecureApi:
        api = SecureApi(url)
        self.connections.append(api.connection)
        return api

    def __enter__(self) -> "Traffic":
        super().__enter__()
        try:
            self.go_on()
        except BaseException:
            self.__exit__()
            raise
        return self

    def go_on(self) -> None:
        """Waits until there are answers to many requests more."""
        reads, writes = len(self.reads) + 100, [len(w.ids) + 20 for w in self.writers]
        wait_until(
            lambda: len(self.reads) >= reads
            and all(len(w.ids) >= count for w, count in zip(self.writers, writes)),
            30,
            "further answers",
        )

    def ended(self) -> int:
        """How many connections the server has ended."""
        return sum(connection.ended for connection in self.connections)

    def assert_no_faults(self) -> None:
        for target in (ALIVE, NEWEST):
            self.assert_reads(target, SECONDS)
        refused = [str(outcome) for outcome in self.refused()]
        assert not refused, f"{len(refused)} POSTs failed: {refused[:5]}"
        api = SecureApi(self.url)
        self.assert_stored_once(api)
        api.close()
