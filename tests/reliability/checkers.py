# SPDX-License-Identifier: MIT
"""The program under a sanitizer or valgrind, and what these have to say of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builds import build
from system import ROOT, short_directory

PLANTED = Path(__file__).with_name("planted.c")


@dataclass(frozen=True)
class Checker:
    """How a checker is built into the program or put around it."""

    # The folder below build/ that make_check of scripts/test has as well.
    folder: str
    options: tuple[str, ...] = ()
    # {reports} is where the program's reports go.
    variables: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    # For what is preloaded to be seen by it.
    flags: tuple[str, ...] = ()
    # Functions that are called by a program that was built for it, and by no other.
    calls: tuple[str, ...] = ()


ADDRESS = Checker(
    folder="sanitize",
    options=("--enable-sanitizers",),
    variables=(
        "ASAN_OPTIONS=log_path={reports}/address:detect_leaks=1"
        ":detect_stack_use_after_return=1:strict_string_checks=1"
        # What is preloaded may come before it.
        ":verify_asan_link_order=0",
        # Beside the other it knows no log_path: it tells stderr, and ends the program.
        "UBSAN_OPTIONS=print_stacktrace=1",
    ),
    flags=("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"),
    calls=("__asan_report_load8", "__ubsan_handle_add_overflow_abort"),
)
THREAD = Checker(
    folder="thread-sanitizer",
    options=("--enable-thread-sanitizer",),
    variables=("TSAN_OPTIONS=log_path={reports}/thread:second_deadlock_stack=1",),
    # Where addresses are more random than it knows of, that of gcc 12 does not start.
    command=("setarch", "--addr-no-randomize"),
    flags=("-fsanitize=thread",),
    calls=("__tsan_func_entry", "__tsan_read8"),
)
MEMCHECK = Checker(
    folder="unit",
    # It knows no Landlock, and has calls of its own to make.
    variables=("BUZON_SANDBOX=off",),
    command=(
        *("valgrind", "--quiet", "--trace-children=yes", "--log-file={reports}/valgrind.%p"),
        *("--leak-check=full", "--show-leak-kinds=definite,indirect,possible"),
        *("--errors-for-leak-kinds=definite,indirect,possible", "--error-exitcode=99"),
    ),
)

def undefined_functions(program: Path) -> set[str]:
    done = subprocess.run(["nm", "-u", program], stdout=subprocess.PIPE, text=True, check=True)
    return {line.split()[-1].partition("@")[0] for line in done.stdout.splitlines()}


class Checked:
    """A program that runs under a checker, in a folder that replicas can enter."""

    def __init__(self, checker: Checker, folder: Path) -> None:
        self.checker = checker
        self.folder = folder
        self.reports = folder / "reports"
        self.reports.mkdir()
        # Replicas are other users.
        self.reports.chmod(0o1777)
        shutil.copy(build(checker.folder, *checker.options), folder / "checked")
        self.program = folder / "buzon"
        self._write_program()

    def _write_program(self, *more: str) -> None:
        """A script that is the program for whoever starts it."""
        words = ["exec", *self.checker.command, "env", *self.checker.variables, *more]
        command = " ".join(words).format(reports=self.reports)
        self.program.write_text(f'#!/bin/sh\n{command} {self.folder}/checked "$@"\n')
        self.program.chmod(0o755)

    def plant(self, fault: str) -> None:
        """From now on this one of planted.c happens at every start."""
        library = self.folder / "planted.so"
        compiled = self.folder / "planted.o"
        flags = [*self.checker.flags, f"-DPLANTED={fault}"]
        compile_only = ["gcc", "-g", "-fPIC", *flags, "-c", PLANTED, "-o", compiled]
        subprocess.run(compile_only, check=True)
        subprocess.run(["gcc", "-shared", compiled, "-o", library], check=True)
        self._write_program(f"LD_PRELOAD={library}")

    def found(self) -> str:
        """All that the checker reports."""
        return "".join(p.read_text(errors="replace") for p in sorted(self.reports.iterdir()))

    def run(self, *arguments: str) -> str:
        """Runs the program once, however that ends; returns what stderr was told."""
        return subprocess.run(
            [self.program, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        ).stderr

    def run_integration(self, *options: str) -> "subprocess.CompletedProcess[str]":
        """pytest over tests/integration, whose replicas are this program."""
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-m", "not unchecked"]
            + [f"--basetemp={self.folder}/pytest", *options],
            cwd=ROOT / "tests" / "integration",
            env={**os.environ, "BUZON_TEST_PROGRAM": str(self.program)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@contextmanager
def checked(checker: Checker) -> Iterator[Checked]:
    folder = short_directory()
    folder.chmod(0o755)
    try:
        yield Checked(checker, folder)
    finally:
        shutil.rmtree(folder)
