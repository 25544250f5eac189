"""What every system runs, in its workers: told by the environment, so that each gets the same."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from .ledger import Ledger

URL = os.environ.get("BENCHMARK_URL", "redis://127.0.0.1:6379/0")
PROCESSES = int(os.environ.get("BENCHMARK_PROCESSES", "1"))
TABLE_AND_DISH = ("benchmark", "task")
QUEUE = ":".join(TABLE_AND_DISH)

_path = os.environ.get("BENCHMARK_LEDGER")
_ledger = Ledger(Path(_path)) if _path else None  # in a worker there is one

Foods = dict[str, Any]

LARGE = (
    {f"name {n}": [n, str(n), {"of": n}] for n in range(150_000)}
    if os.environ.get("BENCHMARK_LARGE")
    else None
)
"""An application that has something large in memory: some 80 MiB of objects."""


def spin(rounds: int) -> int:
    """Pure Python arithmetic."""
    total = 0
    for n in range(rounds):
        total += n * n % 7
    return total


def noop(foods: Foods) -> None:
    """Nothing but the proof that it ran."""
    _done[foods["n"]] += 1


def run_timed(foods: Foods, ledger: Ledger) -> None:
    """Compute for ``spin`` rounds or ``compute`` seconds, or sleep for ``sleep`` seconds, and note
    when and where."""
    n = foods["n"]
    ledger.pids[n] = os.getpid()
    ledger.started[n] = time.monotonic()
    ledger.begun[n] += 1
    cpu = time.thread_time()
    if "spin" in foods:
        spin(foods["spin"])
    elif "compute" in foods:
        while time.thread_time() < cpu + foods["compute"]:
            spin(200)
    elif "sleep" in foods:
        time.sleep(foods["sleep"])
    ledger.cpu[n] = time.thread_time() - cpu
    ledger.ended[n] = time.monotonic()
    ledger.done[n] += 1


def timed(foods: Foods) -> None:
    if _ledger:
        run_timed(foods, _ledger)


_done = _ledger.done if _ledger else memoryview(bytearray(1))
handle = timed if os.environ.get("BENCHMARK_HANDLER") == "timed" else noop
