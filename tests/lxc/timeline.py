# SPDX-License-Identifier: MIT
"""How many replicas there were, and how much they had to do, second by second."""

import csv
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from server import runtime

SAMPLE_SECONDS = 0.2


@dataclass(frozen=True)
class Sample:
    seconds: float
    replicas: int
    requests: int


class Timeline:
    """Inside `with`, it looks."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.began = time.monotonic()

    def __enter__(self) -> "Timeline":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.join()

    def watch(self) -> None:
        while not self.ending.wait(SAMPLE_SECONDS):
            text = runtime("show stat")
            rows = list(csv.DictReader(text.removeprefix("# ").splitlines()))
            ours = [r for r in rows if r["pxname"] == "api" and r["svname"] != "BACKEND"]
            self.samples.append(
                Sample(
                    time.monotonic() - self.began,
                    sum(row["status"].startswith("UP") for row in ours),
                    sum(int(row["scur"]) for row in ours),
                )
            )

    def changes(self) -> list[int]:
        """Of the number of replicas, one after the other."""
        counts = [sample.replicas for sample in self.samples]
        return [b - a for a, b in zip(counts, counts[1:]) if a != b]

    def plot(self, file: Path) -> None:
        rows = "\n".join(f"{s.seconds} {s.replicas} {s.requests}" for s in self.samples)
        script = f"""
set terminal svg size 900,420 font 'sans-serif,13'
set xlabel 'seconds'
set ylabel 'requests under way'
set y2label 'replicas'
set y2range [0:5]
set y2tics 1
set key outside top center horizontal
$data << END
{rows}
END
plot $data using 1:3 with lines title 'requests under way', \\
  $data using 1:2 axes x1y2 with steps linewidth 2 title 'replicas'
"""
        done = subprocess.run(
            ["gnuplot"], input=script, stdout=subprocess.PIPE, text=True, check=True
        )
        file.write_text(done.stdout)
