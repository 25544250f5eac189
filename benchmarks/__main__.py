"""``python -m benchmarks``"""

from __future__ import annotations

import argparse
import compileall
import importlib
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

try:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
except ImportError:
    sys.exit("the benchmarks need an extra: pip install -e '.[bench]'")

from . import machine, peers, picture, report
from .harness import Bench, Step
from .server import Server
from .system import ROOT, System, probe

QUESTIONS = (
    "throughput",
    "cpu",
    "latency",
    "memory",
    "recovery",
    "safety",
    "idle",
    "growth",
)
RESULTS = Path(__file__).parent / "results"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the pool beside plain loops and other systems.",
        epilog=f"questions: {', '.join(QUESTIONS)}; systems: {', '.join(peers.names())}",
    )
    parser.add_argument(
        "names", nargs="*", help="questions and systems to take; without one of a kind, all of it"
    )
    parser.add_argument(
        "--redis",
        metavar="URL",
        help="a server to use; its databases are EMPTIED (without it, one is started)",
    )
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (3)")
    parser.add_argument("--quick", action="store_true", help="one short round, for a first look")
    parser.add_argument(
        "--output", type=Path, default=RESULTS, metavar="DIR", help="for JSON and pictures"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    command = parser()
    given = command.parse_args(arguments)
    if unknown := set(given.names) - {*QUESTIONS, *peers.names()}:
        command.error(f"neither a question nor a system: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C, it cleans up
    console = Console(width=None if sys.stdout.isatty() else 160)
    for package in ("woodenwaiter", "benchmarks"):  # as pip does for what it installs
        compileall.compile_dir(ROOT / package, quiet=1)
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=_memory_folder()) as folder:
        server = Server(Path(folder), given.redis)
        try:
            where = machine.describe(server)
            bench = _bench(given, server, Path(folder))
            questions = _chosen(QUESTIONS, given.names)
            _measure(console, bench, questions, 1 if given.quick else given.rounds)
        finally:
            server.close()
    report.show(console, bench.results, bench.systems, where)
    stem = "-".join(questions if len(questions) < len(QUESTIONS) else ["all"])
    written = _save(given.output, stem + "-quick" * given.quick, bench, where)
    console.print(f"written: {', '.join(map(str, written))}", soft_wrap=True, highlight=False)
    return 1 if bench.results.failures else 0


def _chosen(names: Sequence[str], given: Sequence[str]) -> list[str]:
    """Those that were given; without one, all."""
    return [name for name in names if name in given] or list(names)


def _bench(given: argparse.Namespace, server: Server, folder: Path) -> Bench:
    names = _chosen(peers.names(), given.names)
    found = {name: probe(name) for name in names}
    systems = {name: system for name, system in found.items() if isinstance(system, System)}
    named = len(names) < len(peers.names())
    bench = Bench(server, systems, folder, quick=given.quick, named=named)
    bench.results.absent = {n: reason for n, reason in found.items() if isinstance(reason, str)}
    return bench


def _save(folder: Path, stem: str, bench: Bench, where: dict[str, str]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    document = folder / f"{stem}.json"
    report.save(document, bench.results, bench.systems, where)
    return [document, *picture.save(folder, stem, bench.results, bench.systems)]


def _memory_folder() -> str | None:
    """Where files are in memory, on Linux: handlers write to one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def _measure(console: Console, bench: Bench, questions: list[str], rounds: int) -> None:
    """All questions, each in all its rounds: what drifts in the meantime hits all systems."""
    plan: list[tuple[str, Step]] = []
    for question in questions:
        steps = list(_module(question).steps(bench))
        for number in range(rounds):
            plan += [(question, step) for step in steps if number < step.rounds]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=sum(step.seconds for _, step in plan))
        for question, step in plan:
            progress.update(task, description=f"{question}: {step.system}, {step.label}")
            bench.do(question, step)
            progress.advance(task, step.seconds)


def _module(question: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.{question}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
