"""``python -m benchmarks.letters``: how long do dead letters take, when there are many?

Each command's function is called as the command does, on letters that a failed deployment leaves: a
small payload, an error with a number in it, a traceback. Seconds, the median of the rounds; and the
longest time that the server needed for one request meanwhile, during which others wait.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from woodenwaiter.protocol.letters import Filter
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.trash import restore
from woodenwaiter.verbs.desk import Desk
from woodenwaiter.verbs.exports import add, exported
from woodenwaiter.verbs.letters import drop, groups, requeue, sought

from .server import Server

QUEUE, DEAD = "letters:bench", "{letters:bench}:dead"

TRACEBACK = "Traceback (most recent call last):\n" + 8 * (
    '  File "/app/tasks.py", line 12, in handle\n    resize(foods, colours[foods["colour"]])\n'
)
T = TypeVar("T")

AT_ONCE = 1000
KINDS = 20


def letter(number: int) -> dict[str, str]:
    return {
        "id": f"5f1c8a2e9b3d/{number % 16}/{number}",
        "reason": "the handler failed",
        "error": f"Error{number % KINDS}: no such colour: 'octarine{number}' in line {number}",
        "traceback": TRACEBACK,
        "deliveries": "5",
        "first_failed": "1764000000.000",
        "worker": "5f1c8a2e9b3d/3",
        "payload": json.dumps({"file": f"cat-{number}.png", "colour": "octarine"}),
    }


def fill(client: Any, number: int) -> None:
    """The queue has so many, and nothing else."""
    client.flushall()
    for start in range(0, number, AT_ONCE):
        pipeline = client.pipeline(transaction=False)
        for n in range(start, min(number, start + AT_ONCE)):
            pipeline.xadd(DEAD, letter(n))
        pipeline.execute()


def last_of(steps: Iterable[T]) -> T:
    *_, last = steps
    return last


def require(number: int, wanted: int) -> None:
    """What was measured did what it should."""
    if number != wanted:
        sys.exit(f"{number} instead of {wanted}")


class Bench:
    """The steps of a round, each of which finds what the one before it left."""

    def __init__(self, link: Link, number: int) -> None:
        self._desk = Desk(link, "bench", "here")
        self._link = link
        self._number = number
        self._lines: list[bytes] = []
        self._trash = ""

    def groups(self) -> None:
        found = groups(self._link, QUEUE, Filter())
        require(len(found.groups), min(KINDS, self._number))
        require(found.letters, self._number)

    def filtered(self) -> None:
        require(len(sought(self._link, QUEUE, Filter(text="cat-7.png")).picks), 1)

    def export(self) -> None:
        choice = sought(self._link, QUEUE, Filter())
        self._lines = [line.encode() for line in exported(self._link, QUEUE, choice)]
        require(len(self._lines), self._number)

    def drop(self) -> None:
        done = last_of(drop(self._desk, QUEUE, sought(self._link, QUEUE, Filter())))
        require(done.number, self._number)
        self._trash = done.trash

    def restore(self) -> None:
        number = 0
        while portion := restore(self._link, QUEUE, self._trash):
            number += portion.number
        require(number, self._number)

    def requeue(self) -> None:
        done = last_of(requeue(self._desk, QUEUE, sought(self._link, QUEUE, Filter())))
        require(done.number, self._number)

    def bring_in(self) -> None:
        done = last_of(add(self._desk, QUEUE, self._lines, self._number))
        require(done.number, self._number)

    def delay(self) -> None:
        choice = sought(self._link, QUEUE, Filter())
        require(last_of(requeue(self._desk, QUEUE, choice, delay=600)).number, self._number)

    @property
    def steps(self) -> dict[str, Callable[[], None]]:
        return {
            "dead (groups)": self.groups,
            "a text in payloads": self.filtered,
            "export": self.export,
            "drop all": self.drop,
            "restore": self.restore,
            "requeue all": self.requeue,
            "import": self.bring_in,
            "requeue all --delay": self.delay,
        }


def measure(client: Any, step: Callable[[], None]) -> tuple[float, float]:
    """Seconds; and the longest request's milliseconds."""
    client.slowlog_reset()
    began = time.monotonic()
    step()
    seconds = time.monotonic() - began
    longest = max((each["duration"] for each in client.slowlog_get(128)), default=0)
    return seconds, longest / 1000


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.letters", description=__doc__)
    parser.add_argument("--letters", type=int, default=100_000, help="how many (100000)")
    parser.add_argument("--rounds", type=int, default=3, help="(3)")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="letters-") as folder:
        server = Server(Path(folder), None)
        try:
            server.client.config_set("slowlog-log-slower-than", 1000)
            print(f"server: {server.describe()}; {given.letters:,} dead letters")
            print(f"\n{'':24}{'seconds':>10}{'longest request, ms':>24}")
            found: dict[str, list[tuple[float, float]]] = {}
            for _ in range(given.rounds):
                fill(server.client, given.letters)
                with closing(Link(server.client, 10)) as link:
                    for name, step in Bench(link, given.letters).steps.items():
                        found.setdefault(name, []).append(measure(server.client, step))
            for name, measured in found.items():
                seconds = statistics.median(each[0] for each in measured)
                print(f"{name:24}{seconds:>10.2f}{max(each[1] for each in measured):>24.1f}")
        finally:
            server.close()


if __name__ == "__main__":
    main()
