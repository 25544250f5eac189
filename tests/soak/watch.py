"""Watches supervisors and housekeepers for growth."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psutil

from .hosts import Host

EVERY = 1.0
"""Seconds between two samples."""

WARM_UP = 10.0
LONG_LIFE = 30.0
"""Seconds: what happens before the first is no growth, and shorter lives than the second tell
nothing."""

MOST_MEMORY = 8 << 20
MOST_DESCRIPTORS = 8
"""Growth that is all right: rows come into use, workers are being replaced."""


class Sample(NamedTuple):
    at: float
    memory: int
    descriptors: int


@dataclass(frozen=True)
class Growth:
    """Of one process: what the least it used lately exceeds the most at its beginning by."""

    memory: int
    descriptors: int


def growth(samples: Sequence[Sample]) -> Growth | None:
    """None for a life that was too short."""
    born, died = samples[0].at, samples[-1].at
    if died - born < LONG_LIFE:
        return None
    early = [sample for sample in samples if sample.at - born <= WARM_UP]
    late = [sample for sample in samples if died - sample.at <= WARM_UP]
    return Growth(
        memory=min(s.memory for s in late) - max(s.memory for s in early),
        descriptors=min(s.descriptors for s in late) - max(s.descriptors for s in early),
    )


class Watch:
    """Takes samples of these hosts in a thread, from start to stop."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._hosts = hosts
        self._samples: dict[tuple[str, psutil.Process], list[Sample]] = defaultdict(list)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def of(self, role: str) -> list[Growth]:
        """The growth of every process in this role that lived long enough."""
        lives = [samples for (r, _), samples in self._samples.items() if r == role]
        return [found for samples in lives if (found := growth(samples))]

    def _run(self) -> None:
        while not self._over.wait(EVERY):
            for host in self._hosts:
                for role, process in _watched(host):
                    self._take(role, process)

    def _take(self, role: str, process: psutil.Process) -> None:
        try:
            with process.oneshot():
                sample = Sample(time.monotonic(), process.memory_info().rss, process.num_fds())
        except psutil.Error:
            return
        self._samples[role, process].append(sample)


def _watched(host: Host) -> Iterator[tuple[str, psutil.Process]]:
    family = host.family()
    if family:
        yield "supervisor", family[0]
    if housekeeper := host.housekeeper():
        yield "housekeeper", housekeeper
