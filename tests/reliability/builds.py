# SPDX-License-Identifier: MIT
"""Builds of the program with other options, and programs that the tests have."""

import os
import shlex
import subprocess
from pathlib import Path

from system import ROOT

# A report ends the process, and one of a leak its exit status.
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1"
    ":strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


BUILD = """
source scripts/lib/common.sh
source scripts/lib/build.sh
folder=$1 target=$2
shift 2
build_take_lock
build_bootstrap
build_configure "$folder" --enable-werror "$@"
make -C "$folder" -j "$(nproc)" --no-print-directory "$target"
"""


def build(name: str, *options: str, target: str = "buzon") -> Path:
    """The program of build/NAME, which is configured so; built where it is not yet."""
    folder = ROOT / "build" / name
    words = ["bash", "-euo", "pipefail", "-c", BUILD, "build"]
    run_compiler([*words, str(folder), target, *options])
    return folder / target


def build_sanitized(target: str = "buzon") -> Path:
    """In the folder in which `scripts/test unit` has it as well."""
    return build("sanitize", "--enable-sanitizers", target=target)


def compile_program(source: Path, target: Path, *options: str) -> Path:
    """A program of one file."""
    run_compiler(["gcc", "-O1", "-o", str(target), str(source), *options])
    return target


def run_compiler(command: list[str]) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(command)}:\n{done.stdout}\n{done.stderr}"
