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


def build(name: str, *options: str) -> Path:
    """The program of build/NAME, configured so."""
    folder = ROOT / "build" / name
    words = shlex.join([str(folder), *options])
    script = f"""
        source {ROOT}/scripts/lib/common.sh
        source {ROOT}/scripts/lib/build.sh
        cd {ROOT}
        build_take_lock && build_bootstrap && build_configure {words} &&
          make -C {folder} -j "$(nproc)" --no-print-directory buzon
    """
    run_compiler(["bash", "-euo", "pipefail", "-c", script])
    return folder / "buzon"


def build_sanitized() -> Path:
    """The one that `scripts/test unit` builds as well."""
    return build("sanitize", "--enable-werror", "--enable-sanitizers")


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
