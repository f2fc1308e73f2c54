# SPDX-License-Identifier: MIT
"""The figures as SVG, by gnuplot: some panels a plot."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from figures import Figures, Spread, ratio, spread
from plan import LIMITS, SERVICES, Options
from targets import NAMES
from targets import TITLES as WORKLOAD_TITLES

COLUMNS = 3
PANEL_WIDTH, PANEL_HEIGHT = 400, 300
COLOURS = {
    "buzon-3": "#1b6ca8",
    "buzon-1": "#6cb0dd",
    "flask": "#8c8c8c",
    "php": "#8a63b0",
    "go": "#2aa198",
    "nginx": "#d9a514",
    "mariadb-slap": "#c8553d",
    "mariadb": "#c8553d",
}
# Plot, its part and its words.
PART = {
    "rates": "load",
    "limits": "load",
    "latency": "load",
    "connections": "connections",
    "sizes": "sizes",
}
TITLES = {
    "rates": "requests (export: rows) a second",
    "limits": "rate ÷ limit",
    "latency": "latency: bar p50, line up to p99",
    "connections": "requests a second by connections",
    "sizes": "requests a second by rows of the table",
}


class PlotError(Exception):
    """gnuplot has not drawn; the text is its own."""


@dataclass(frozen=True)
class Bars:
    """A panel: a bar a contestant, with a line from the lowest to the highest."""

    title: str
    bars: dict[str, Spread]
    number_format: str = "%.1s%c"

    def script(self) -> str:
        rows = "\n".join(
            f"{index} {s.median} {s.lowest} {s.highest} {int(COLOURS[name][1:], 16)}"
            for index, (name, s) in enumerate(self.bars.items())
        )
        tics = ", ".join(f"'{NAMES[n]}' {index}" for index, n in enumerate(self.bars))
        return f"""
set title '{self.title}'
set key off
set xrange [-0.6:{len(self.bars) - 0.4}]
set xtics rotate by 40 right nomirror ({tics})
set yrange [0:*]
set format y '{self.number_format}'
$data << END
{rows}
END
plot $data using 1:2:3:4:(0.7):5 with boxerrorbars linecolor rgb variable
"""


@dataclass(frozen=True)
class Lines:
    """A panel: a line a contestant."""

    title: str
    lines: dict[str, dict[int, Spread]]

    def script(self) -> str:
        blocks, plotted = "", []
        for index, (name, points) in enumerate(self.lines.items()):
            rows = "\n".join(
                f"{x} {s.median} {s.lowest} {s.highest}" for x, s in sorted(points.items())
            )
            blocks += f"$line{index} << END\n{rows}\nEND\n"
            plotted.append(
                f"$line{index} using 1:2:3:4 with yerrorlines pointtype 7 pointsize 0.5"
                f" linecolor rgb '{COLOURS[name]}' title '{NAMES[name]}'"
            )
        tics = ", ".join(str(x) for x in sorted({x for p in self.lines.values() for x in p}))
        return f"""
set title '{self.title}'
set key below font ',10'
set logscale x
set format x '%.0s%c'
set xtics norotate center nomirror ({tics})
set offsets graph 0.05, graph 0.05, 0, 0
set yrange [0:*]
{blocks}plot {', '.join(plotted)}
"""


Panel = Bars | Lines


def draw_plot(name: str, panels: list[Panel], file: Path) -> None:
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    size = f"{columns * PANEL_WIDTH},{rows * PANEL_HEIGHT + 40}"
    script = f"""
set encoding utf8
set terminal svg size {size} font 'sans-serif,12' background rgb 'white'
set multiplot layout {rows},{columns} title '{TITLES[name]}'
set style fill solid
set errorbars linecolor rgb 'black'
set grid y
set format y '%.1s%c'
{''.join(panel.script() for panel in panels)}
unset multiplot
"""
    done = subprocess.run(
        ["gnuplot"], input=script, capture_output=True, text=True, check=False, timeout=60
    )
    # It tells of what it could not draw, and goes on.
    if done.returncode != 0 or not done.stdout or done.stderr.strip():
        raise PlotError(f"gnuplot has not drawn {file.name} well:\n{done.stderr}")
    file.write_text(done.stdout)


def spread_of(figures: Figures, value: str, contestant: str, workload: str) -> Spread | None:
    return figures.spread(value, part="load", contestant=contestant, workload=workload)


def workloads_of(figures: Figures, part: str) -> list[str]:
    return list(dict.fromkeys(figure.workload for figure in figures.where(part=part)))


def rates(figures: Figures, _: Options) -> list[Panel]:
    panels: list[Panel] = []
    for workload in workloads_of(figures, "load"):
        found = {n: spread_of(figures, "rate", n, workload) for n in NAMES}
        bars = {name: value for name, value in found.items() if value}
        panels.append(Bars(WORKLOAD_TITLES[workload], bars))
    return panels


def limits(figures: Figures, _: Options) -> list[Panel]:
    panels: list[Panel] = []
    for workload in workloads_of(figures, "load"):
        if workload in LIMITS:
            where = {"part": "load", "workload": workload}
            limit = figures.by_round("rate", contestant=LIMITS[workload], **where)
            bars = {
                name: spread(
                    ratio(figures.by_round("rate", contestant=name, **where), limit).values()
                )
                for name in SERVICES
            }
            title = f"{WORKLOAD_TITLES[workload]} ÷ {NAMES[LIMITS[workload]]}"
            panels.append(Bars(title, bars, "%g"))
    return panels


def latency(figures: Figures, _: Options) -> list[Panel]:
    panels: list[Panel] = []
    for workload in workloads_of(figures, "load"):
        bars = {}
        for name in SERVICES if workload != "export" else ():
            p50 = spread_of(figures, "p50_ms", name, workload)
            p99 = spread_of(figures, "p99_ms", name, workload)
            if p50 and p99:
                bars[name] = Spread(p50.median, p50.median, p99.median)
        if bars:
            panels.append(Bars(WORKLOAD_TITLES[workload], bars, "%g ms"))
    return panels


def lines_by(figures: Figures, axis: str, parts: tuple[str, ...]) -> list[Panel]:
    panels: list[Panel] = []
    for workload in workloads_of(figures, parts[0]):
        lines: dict[str, dict[int, Spread]] = {}
        for name in NAMES:
            for part in parts:
                where = {"part": part, "workload": workload, "contestant": name}
                for x in {getattr(figure, axis) for figure in figures.where(**where)}:
                    found = figures.spread("rate", **where, **{axis: x})
                    if found:
                        lines.setdefault(name, {})[x] = found
        panels.append(Lines(WORKLOAD_TITLES[workload], lines))
    return panels


def connections(figures: Figures, _: Options) -> list[Panel]:
    return lines_by(figures, "connections", ("connections", "load"))


def sizes(figures: Figures, options: Options) -> list[Panel]:
    return lines_by(figures, "rows", ("sizes",)) if len(options.sizes) > 1 else []


PLOTS: dict[str, Callable[[Figures, Options], list[Panel]]] = {
    "rates": rates,
    "limits": limits,
    "latency": latency,
    "connections": connections,
    "sizes": sizes,
}


def draw(options: Options, figures: Figures, folder: Path) -> list[str]:
    """Those plots of which there are figures; returns their names."""
    drawn = []
    for name, make in PLOTS.items():
        if panels := make(figures, options):
            draw_plot(name, panels, folder / f"{name}.svg")
            drawn.append(name)
    return drawn
