# SPDX-License-Identifier: MIT
"""Whatever bytes come: fuzzers at all that reads them, by tests/fuzz."""

import base64
import os
import re
import shutil
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import Figure, Scale
from system import ROOT

FUZZ = ROOT / "tests" / "fuzz"
TARGETS = sorted(path.name for path in (FUZZ / "corpus").iterdir())
SHORT_SECS, FULL_SECS = 3, 600
# A target that has stopped to think up anything else would pass all the same.
EXECUTIONS_MIN = 100
# What a fuzzer needs around its own time: it reads the corpus, and may be in a queue.
PATIENCE_SECS = 180
BUILD_SECS = 280
CONTROL_SECS = 60
# What AddressSanitizer does not look for unless it is told.
ENVIRONMENT = {
    **os.environ,
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
}


@dataclass(frozen=True)
class Run:
    """How a fuzzer ended. input: what it found, if anything."""

    status: int
    output: str
    input: bytes | None

    def executions(self) -> int:
        found = re.search(r"^stat::number_of_executed_units: (\d+)", self.output, re.MULTILINE)
        return int(found[1]) if found else 0

    def covered(self) -> int:
        """The edges of the program's graph that were seen."""
        edges = re.findall(r" cov: (\d+) ", self.output)
        return max(map(int, edges), default=0)


def call(*command: str | Path, seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=ENVIRONMENT,
        timeout=seconds,
        check=False,
    )


@pytest.fixture(scope="module")
def fuzzers() -> Path:
    """The folder of the targets, built by clang."""
    built = call(FUZZ / "build", seconds=BUILD_SECS)
    assert built.returncode == 0, built.stdout + built.stderr
    return Path(built.stdout.strip())


def fuzz(program: Path, seeds: Path, target: str, scratch: Path, seconds: int) -> Run:
    """Lets a fuzzer think for so long, or until it finds something."""
    shutil.rmtree(scratch, ignore_errors=True)
    new, found = scratch / "new", scratch / "found"
    new.mkdir(parents=True)
    found.mkdir()
    ended = call(
        program,
        f"-max_total_time={seconds}",
        f"-dict={FUZZ / 'dictionaries' / target}",
        f"-artifact_prefix={found}/",
        "-timeout=25",
        "-print_final_stats=1",
        new,
        seeds,
        seconds=seconds + PATIENCE_SECS,
    )
    inputs = [path.read_bytes() for path in found.iterdir()]
    return Run(ended.returncode, ended.stderr, inputs[0] if inputs else None)


def how_to_run_again(program: Path, found: bytes | None) -> str:
    if found is None:
        return "it left no input"
    text = base64.b64encode(found).decode()
    return f"{found!r}\nagain: base64 -d <<<{text} >input && {program} input"


@pytest.fixture(scope="module")
def runs(
    fuzzers: Path, scale: Scale, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, "Future[Run]"]:
    """Every target, as many at once as there are processors."""
    scratch = tmp_path_factory.mktemp("fuzz")
    seconds = scale(SHORT_SECS, FULL_SECS)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {
            target: pool.submit(
                fuzz,
                fuzzers / f"fuzz_{target}",
                FUZZ / "corpus" / target,
                target,
                scratch / target,
                seconds,
            )
            for target in TARGETS
        }


@pytest.mark.timeout(2 * 3600)
@pytest.mark.parametrize("target", TARGETS)
def test_no_bytes_break_what_reads_them(
    target: str, fuzzers: Path, runs: dict[str, "Future[Run]"], scale: Scale, figure: Figure
) -> None:
    run = runs[target].result()
    again = how_to_run_again(fuzzers / f"fuzz_{target}", run.input)
    assert run.status == 0, f"{run.output[-6000:]}\n{again}"
    assert run.executions() > EXECUTIONS_MIN, run.output
    figure(
        f"{run.executions():,} executions in {scale(SHORT_SECS, FULL_SECS)} s, "
        f"{run.covered()} edges covered, 0 findings"
    )


@pytest.mark.parametrize(
    ("target", "seed", "report"),
    [
        ("text", "ascii", "Assertion"),
        ("stream", "get", "AddressSanitizer: heap-buffer-overflow"),
    ],
)
def test_what_was_weakened_is_found_out(
    target: str, seed: str, report: str, fuzzers: Path, tmp_path: Path, figure: Figure
) -> None:
    """The control: from one seed that shows nothing to an input that does."""
    program = fuzzers / f"fuzz_{target}_weak"
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    shutil.copy(FUZZ / "corpus" / target / seed, seeds)
    innocent = call(program, seeds / seed, seconds=PATIENCE_SECS)
    assert innocent.returncode == 0, innocent.stderr

    run = fuzz(program, seeds, target, tmp_path / "scratch", CONTROL_SECS)
    assert run.status != 0 and run.input is not None, run.output
    assert report in run.output, run.output
    # What it found is no finding in the program as it is.
    kept = tmp_path / "found"
    kept.write_bytes(run.input)
    sound = call(fuzzers / f"fuzz_{target}", kept, seconds=PATIENCE_SECS)
    assert sound.returncode == 0, sound.stderr
    figure(f"control: found after {run.executions():,} executions")


def test_tests_execute_the_lines_of_the_parsers(figure: Figure) -> None:
    """95 of 100 in each file; tests/fuzz/coverage knows which files."""
    measured = call(FUZZ / "coverage", seconds=BUILD_SECS)
    assert measured.returncode == 0, measured.stdout + measured.stderr[-6000:]
    rows = [line.split() for line in measured.stdout.splitlines() if ".c " in line]
    assert len(rows) > 10, measured.stdout
    lines = sum(int(row[1]) for row in rows)
    executed = sum(int(row[1]) * float(row[2]) / 100 for row in rows)
    figure(f"{100 * executed / lines:.1f} % of {lines} lines in {len(rows)} files")
