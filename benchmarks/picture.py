"""Results as pictures, PNG and SVG: one that compares systems, one of growth."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import latency, memory, safety, throughput
from .harness import LOOP, OURS, Metric, Results
from .report import figure
from .system import System
from .targets import NOOP

OUR_COLOUR, PLAIN_COLOUR, PEER_COLOUR = "#b5651d", "#c8c8c8", "#7d93a8"


@dataclass(frozen=True)
class Panel:
    title: str
    question: str
    metric: Metric
    case: str
    """Or how it begins."""
    log: bool = True
    loops: bool = True


PANELS = (
    Panel("no-op tasks a second, 2 workers (more is better)", "throughput", throughput.RATE, NOOP),
    Panel(
        "p99 latency of fast tasks beside slow ones, ms (less is better)",
        "latency",
        latency.METRICS[99],
        "mixed, the fast ones",
    ),
    Panel(
        "memory of the whole tree, 2 workers, MiB (less is better)",
        "memory",
        memory.WHOLE,
        "2 workers",
        log=False,
    ),
    Panel(
        "a worker is killed: seconds until its task runs again",
        "safety",
        safety.AGAIN,
        "within",
        log=False,
        loops=False,
    ),
)


def save(folder: Path, stem: str, results: Results, systems: dict[str, System]) -> list[Path]:
    """Write what there is; returns the files. Without matplotlib there are none."""
    try:
        import matplotlib as mpl
    except ImportError:
        return []
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "woodenwaiter"  # the same results, the same file
    pictures = {stem: _comparison(results, systems), f"{stem}-growth": _growth(results)}
    written = []
    for name, picture in pictures.items():
        if picture:
            for suffix in ("png", "svg"):
                written.append(folder / f"{name}.{suffix}")
                metadata = {"Date": None} if suffix == "svg" else None
                picture.savefig(written[-1], dpi=110, metadata=metadata)
    return written


def _comparison(results: Results, systems: dict[str, System]) -> Any:
    from matplotlib.figure import Figure

    panels = [(panel, bars) for panel in PANELS if len(bars := _bars(panel, results)) > 1]
    if not panels:
        return None
    rows = math.ceil(len(panels) / 2)
    picture = Figure(figsize=(13, 0.8 + 4.2 * rows), layout="constrained")
    grid = picture.subplots(rows, min(2, len(panels)), squeeze=False)
    for axes, (panel, bars) in zip(grid.flat, panels, strict=False):
        _draw_bars(axes, panel, bars, systems)
    for axes in list(grid.flat)[len(panels) :]:
        axes.remove()
    return picture


@dataclass(frozen=True)
class Bar:
    system: str
    value: float
    case: str

    @property
    def label(self) -> str:
        return f"not {self.case}" if math.isnan(self.value) else figure(self.value)

    @property
    def length(self) -> float:
        return 0 if math.isnan(self.value) else self.value


def _bars(panel: Panel, results: Results) -> list[Bar]:
    """The median of each system, the best first."""
    found = [
        Bar(system, statistics.median(values), case)
        for (question, metric, case, system), values in results.values.items()
        if (question, metric) == (panel.question, panel.metric)
        and case.startswith(panel.case)
        and (panel.loops or not system.startswith(LOOP))
    ]
    if panel.metric.more_is_better:
        return sorted(found, key=lambda bar: -bar.length)
    return sorted(found, key=lambda bar: (math.isnan(bar.value), bar.length))


def _draw_bars(axes: Any, panel: Panel, bars: list[Bar], systems: dict[str, System]) -> None:
    drawn = axes.barh(
        [systems[bar.system].peer.title for bar in bars],
        [bar.length for bar in bars],
        color=[_colour(bar.system) for bar in bars],
    )
    axes.bar_label(drawn, labels=[bar.label for bar in bars], padding=4, fontsize=9)
    if panel.log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter("")
    axes.margins(x=0.15)
    axes.invert_yaxis()
    axes.set_title(panel.title, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def _colour(system: str) -> str:
    if system.startswith(OURS):
        return OUR_COLOUR
    return PLAIN_COLOUR if system.startswith(LOOP) else PEER_COLOUR


def _growth(results: Results) -> Any:
    from matplotlib.figure import Figure

    found = {k[1:3]: v for k, v in results.values.items() if k[0] == "growth"}
    metrics = list(dict.fromkeys(metric for metric, _ in found))
    if not metrics:
        return None
    picture = Figure(figsize=(13, 7), layout="constrained")
    for axes, metric in zip(picture.subplots(2, 3).flat, metrics, strict=False):
        points = [
            (int(case.replace(",", "")), statistics.median(values))
            for (m, case), values in found.items()
            if m == metric
        ]
        axes.plot(*zip(*points, strict=True), marker="o", color=OUR_COLOUR)
        axes.set_xscale("log")
        axes.set_ylim(0, 1.3 * max(y for _, y in points) or 1)
        axes.set_title(metric.name.replace(", as", ",\nas"), fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    return picture
