# SPDX-License-Identifier: MIT
"""Many writers at once: raw sockets in processes, as fast as Python goes."""

import json
import socket
import subprocess
import sys
import tempfile
from typing import IO

from http_client import json_body


class WriteFailed(Exception):
    """An answer that is not 201."""


def read_answer(reader: IO[bytes]) -> tuple[bytes, bytes]:
    """Head and body of an answer with a Content-Length."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        if not line:
            raise WriteFailed(f"the connection ended: {head!r}")
        head += line
    lowered = head.lower()
    at = lowered.index(b"content-length:") + len(b"content-length:")
    length = int(lowered[at : lowered.index(b"\r", at)])
    return head, reader.read(length)


def write_messages(port: int, sender: str, count: int) -> list[int]:
    """Posts "0", "1", …; returns the IDs in the order of the answers."""
    ids: list[int] = []
    done = 0
    while done < count:
        # A web server closes a kept connection after some requests.
        done += write_over_one_connection(port, sender, done, count, ids)
    return ids


def write_over_one_connection(
    port: int, sender: str, first: int, count: int, ids: list[int]
) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        reader = connection.makefile("rb")
        for number in range(first, count):
            body = json_body(sender, str(number))
            connection.sendall(
                b"POST /api/message HTTP/1.1\r\nHost: test\r\n"
                b"Content-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            head, answer = read_answer(reader)
            if not head.startswith(b"HTTP/1.1 201 "):
                raise WriteFailed(f"{head!r} {answer!r}")
            ids.append(int(answer[6 : answer.index(b",")]))
            if b"connection: close" in head.lower():
                return number + 1 - first
    return count - first


class Writers:
    """Inside `with`, they write; result() waits for them."""

    def __init__(self, port: int, senders: list[str], count: int) -> None:
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.outputs: dict[str, IO[bytes]] = {}
        for sender in senders:
            # A file, for a pipe that nobody reads would hold the writer up.
            output = tempfile.TemporaryFile()
            self.outputs[sender] = output
            self.processes[sender] = subprocess.Popen(
                [sys.executable, __file__, str(port), sender, str(count)],
                stdin=subprocess.DEVNULL,
                stdout=output,
            )

    def result(self) -> dict[str, list[int]]:
        """The IDs that each sender was told."""
        told = {}
        for sender, process in self.processes.items():
            assert process.wait(60) == 0, f"{sender} has failed"
            self.outputs[sender].seek(0)
            told[sender] = json.load(self.outputs[sender])
        return told

    def still_write(self) -> bool:
        return any(process.poll() is None for process in self.processes.values())

    def __enter__(self) -> "Writers":
        return self

    def __exit__(self, *_: object) -> None:
        for sender, process in self.processes.items():
            process.kill()
            process.wait()
            self.outputs[sender].close()


if __name__ == "__main__":
    print(json.dumps(write_messages(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
