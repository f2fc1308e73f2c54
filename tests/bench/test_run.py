# SPDX-License-Identifier: MIT
"""A real run, as small as can be, and one in which a contestant answers badly."""

import ctypes
import http.server
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import bench
from peers import Peers
from plan import LIMITS, SERVICES, WORKLOADS
from system import ROOT

PR_SET_CHILD_SUBREAPER = 36
IDLE = 200
# A minute; more where Go has to compile all of its library first, or others are busy.
RUN_SECONDS = 300
SMALL = ["--rounds", "1", "--seconds", "0.3", "--rows", "1000", "--idle", str(IDLE)]


class Leavings:
    """Inside `with`, what is started comes back to this process when its parent ends, so
    that nothing is overlooked."""

    def __enter__(self) -> "Leavings":
        self.adopt(True)
        self.before = children()
        return self

    def __exit__(self, *_: object) -> None:
        self.processes = [pid for pid in children() - self.before if not has_ended(pid)]
        self.adopt(False)

    @staticmethod
    def adopt(wanted: bool) -> None:
        assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0) == 0

    def assert_none(self, printed: str) -> None:
        """Nor of the folders that it has named."""
        assert not self.processes
        folders = re.findall(r"starting a system in (\S+?)[, \n]", printed)
        assert folders
        assert not [folder for folder in folders if Path(folder).exists()]


def children() -> set[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(pid) for task in tasks for pid in task.read_text().split()}


def has_ended(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG)[0] == pid


def run_bench(*arguments: str) -> tuple[int, str, str]:
    """Its status, and what it printed on stdout and stderr."""
    with subprocess.Popen(
        [str(ROOT / "scripts" / "bench"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            printed, progress = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            # It stops what it has started.
            process.terminate()
            printed, progress = process.communicate(timeout=RUN_SECONDS)
            progress += f"\nnot done after {RUN_SECONDS} s"
    return process.returncode, printed, progress


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Leavings, str, str]:
    """What it wrote, what it left, what it printed on stdout and stderr."""
    output = tmp_path_factory.mktemp("benchmark")
    parts = ["--part", "load", "--part", "idle", "--output", str(output)]
    with Leavings() as leavings:
        status, printed, progress = run_bench(*SMALL, *parts)
    assert status == 0, printed + progress
    return output, leavings, printed, progress


Run = tuple[Path, Leavings, str, str]


def test_every_contestant_and_workload(small_run: Run) -> None:
    results = json.loads((small_run[0] / "results.json").read_text())
    rates = {
        (figure["contestant"], figure["workload"]): figure["rate"]
        for figure in results["figures"]
        if figure["part"] == "load"
    }
    wanted = {(service, workload) for service in SERVICES for workload in WORKLOADS}
    wanted |= {(limit, workload) for workload, limit in LIMITS.items()}
    assert set(rates) == wanted
    assert all(rate > 0 for rate in rates.values()), rates


def test_idle_connections(small_run: Run) -> None:
    results = json.loads((small_run[0] / "results.json").read_text())
    idle = [figure for figure in results["figures"] if figure["part"] == "idle"]
    rates = {(f["workload"], f["idle"]): f["rate"] for f in idle if f["workload"] != "idle"}
    assert set(rates) == {(w, count) for w in ("test", "get") for count in (0, IDLE)}
    assert all(rate > 0 for rate in rates.values()), rates
    (memory,) = (f["memory_kib"] for f in idle if f["workload"] == "idle")
    # So few fit into what a replica has already.
    assert 0 <= memory < IDLE * 1024


def test_machine_and_versions(small_run: Run) -> None:
    results = json.loads((small_run[0] / "results.json").read_text())
    known = {**results["versions"], **results["machine"]}
    assert {"buzon", "MariaDB", "nginx", "PHP", "Go", "Python"} <= set(known)
    assert "unknown" not in known.values(), known
    assert 0 <= results["stolen"] <= 1


def test_plots_are_well_formed(small_run: Run) -> None:
    plots = sorted(small_run[0].glob("*.svg"))
    assert [plot.stem for plot in plots] == ["latency", "limits", "rates"]
    for plot in plots:
        root = ElementTree.parse(plot).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 10


def test_report(small_run: Run) -> None:
    output, _, printed, _ = small_run
    text = (output / "README.md").read_text()
    assert printed.strip() in text
    for plot in output.glob("*.svg"):
        assert f"({plot.name})" in text
    assert str(ROOT) not in text


def test_nothing_is_left(small_run: Run) -> None:
    small_run[1].assert_none(small_run[3])


class Refusing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[str]:
    """A web server that answers each request with 500."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_contestant_that_answers_badly(
    refusing: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class OneRefuses(Peers):
        def url(self, name: str) -> str:
            # Peers asks each one itself before it says that it runs.
            return refusing if name == "go" and self.runs else super().url(name)

        runs = False

        def __enter__(self) -> "OneRefuses":
            super().__enter__()
            self.runs = True
            return self

    chosen = ["--part", "load", "--workload", "test", "--output", str(tmp_path / "none")]
    with Leavings() as leavings:
        assert bench.main([*SMALL, *chosen], OneRefuses) == 1
    printed = capfd.readouterr().err
    assert "requests were not answered well" in printed
    assert "command: wrk --threads 1 --connections 64" in printed and refusing in printed
    assert "Non-2xx or 3xx responses" in printed
    assert not (tmp_path / "none").exists()
    leavings.assert_none(printed)
