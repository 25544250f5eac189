"""Who is to be added and who retired, for each queue to have as many workers as it is to have: a
fixed number, or, between its least and its most, as many as have work to do and as there may be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .. import pace
from ..processes.row import Row
from ..processes.scoreboard import Scoreboard
from .budget import Budget, Need
from .orders import Order, Say
from .slots import Slot, Slots


@dataclass
class Bounds:
    """Of a place's workers."""

    least: int
    most: int
    share: float = 1.0

    def __post_init__(self) -> None:
        self.is_range = self.least < self.most

    def __str__(self) -> str:
        return f"{self.least} to {self.most}" if self.is_range else f"{self.least}"


class Tempo:
    """How fast the workers of a place go through its tasks. ``task``: seconds that one takes, as it
    was when they were all busy; 0: it is not known."""

    def __init__(self) -> None:
        self.task = 0.0
        self._begun: dict[Slot, int] = {}  # tasks
        self._looked_at = math.inf
        self._were_busy = False

    def used(self, workers: Sequence[Slot], now: float) -> int:
        """How many of those who are there run a task, or did a moment ago."""
        begun = {slot: sum(row.started for row in _rows(slot)) for slot in workers}
        moved = {slot for slot in workers if begun[slot] != self._begun.get(slot, 0)}
        busy = {slot for slot in workers if any(row.running for row in _rows(slot))}
        seconds = now - self._looked_at
        are_busy = len(busy | moved) == len(workers) > 0
        if are_busy and self._were_busy and begun.keys() == self._begun.keys():
            self._learn(sum(begun.values()) - sum(self._begun.values()), len(workers), seconds)
        self._begun, self._looked_at, self._were_busy = begun, now, are_busy
        if seconds < pace.LINGER_LOOK / 2:
            return len(busy | moved)
        return max(len(busy), min(1, len(moved)))  # whoever had a task, in so long a time

    def _learn(self, tasks: int, workers: int, seconds: float) -> None:
        if tasks > 0 < seconds:
            task = seconds * workers / tasks
            self.task = (self.task + task) / 2 if self.task else task


class Staffing:
    """Of the places that ``slots`` are for, of which each has ``bounds``; ``places``: workers that
    there may be in all. ``due``: when to look again, whatever happens; times are monotonic seconds.
    """

    def __init__(
        self, slots: Slots, bounds: Sequence[Bounds], scoreboard: Scoreboard, places: float
    ) -> None:
        self._slots = slots
        self._bounds = bounds
        self._demands = scoreboard.demands
        self._places = places
        self._budget = Budget(places, len(bounds))
        self._has_ranges = any(each.is_range for each in bounds)
        self._resting: list[Slot] = []  # retired, after deaths that are not to be forgotten so far
        self._tempos = [Tempo() for _ in bounds]
        self._idle_at = [-math.inf] * len(bounds)  # when one was seen: nothing waited then
        self._told: list[int] | None = None
        self._tell_at = -math.inf
        self.due = 0.0 if self._has_ranges else math.inf

    # Time passes, and tasks come.

    def look(self, now: float) -> list[Order]:
        """Follow the load."""
        if not self._has_ranges:
            return []
        if self._slots.is_frozen:
            self._watch([0] * len(self._bounds))
            self.due = math.inf
            return []
        return [*self._follow(now), *self._tell(now)]

    def _follow(self, now: float) -> list[Order]:
        active = self._active()
        self._resting = [s for s in self._resting if now < s.due + pace.RESPAWN.longest]
        needs = [self._need(queue, workers, now) for queue, workers in enumerate(active)]
        allotted = self._budget.allot(needs, now)
        orders = [
            order
            for workers, number in zip(active, allotted, strict=True)
            for slot in sorted(workers, key=self._worth)[: max(0, len(workers) - number)]
            for order in self._retire(slot)
        ]
        self._add(needs, allotted)
        self._watch([*map(len, active)])
        self.due = self._next_look(needs, now)
        return orders

    def _active(self) -> list[list[Slot]]:
        """Of each place, who is not about to leave."""
        active: list[list[Slot]] = [[] for _ in self._bounds]
        for slot in self._slots.active_workers():
            active[slot.queue].append(slot)
        return active

    def _need(self, queue: int, workers: Sequence[Slot], now: float) -> Need:
        bounds, demand = self._bounds[queue], self._demands[queue]
        starting = sum(_is_starting(slot, now) for slot in workers)
        tempo = self._tempos[queue]
        used = starting + tempo.used([slot for slot in workers if _has_started(slot)], now)
        if used < len(workers):
            self._idle_at[queue] = now
        is_known = demand.counted > max(self._idle_at[queue], now - pace.OLD_COUNT)
        waiting = demand.waiting if is_known and self._is_able(queue, workers, now) else 0
        age = now - demand.since if waiting else 0.0
        known = bounds.least, bounds.most, bounds.share, len(workers), used, starting
        return Need(*known, waiting, age, tempo.task)

    def _is_able(self, queue: int, workers: Sequence[Slot], now: float) -> bool:
        """Whether none of its workers keeps dying: what waits is not for more of them then."""
        known = [*workers, *(slot for slot in self._resting if slot.queue == queue)]
        return all(slot.child or slot.due <= now for slot in known)

    def _worth(self, slot: Slot) -> tuple[float, ...]:
        """The lower, the sooner it is retired: of a fixed number, the last."""
        return _worth(slot) if self._bounds[slot.queue].is_range else (-slot.number,)

    def _retire(self, slot: Slot) -> list[Order]:
        slot.is_routine = self._bounds[slot.queue].is_range
        if slot.young_deaths:
            self._resting.append(slot)
        return self._slots.retire(slot)

    def _add(self, needs: Sequence[Need], allotted: Sequence[int]) -> None:
        """Who has fewest goes first, as far as there is room: who leaves takes up a place, too."""
        room = self._places - sum(slot.relieves is None for slot in self._slots.workers())
        for queue in sorted(range(len(needs)), key=lambda q: (needs[q].workers, -needs[q].age)):
            for _ in range(int(min(allotted[queue] - needs[queue].workers, room))):
                rested = next((slot for slot in self._resting if slot.queue == queue), None)
                if rested:
                    self._resting.remove(rested)
                added = self._slots.add_worker(queue, rested)
                added.is_routine = self._bounds[queue].is_range
                room -= 1

    def _watch(self, workers: Sequence[int]) -> None:
        """Be told of what waits where there may be more workers."""
        for demand, bounds, number in zip(self._demands, self._bounds, workers, strict=True):
            may_grow = number < min(bounds.most, self._places)
            demand.watch(bounds.is_range and may_grow and not self._slots.is_frozen)

    def _next_look(self, needs: Sequence[Need], now: float) -> float:
        """Nobody tells when a worker becomes idle."""
        if any(need.wanted > need.workers for need in needs):
            return now + pace.share_every(len(self._bounds))
        if any(need.workers > need.least for need in needs):
            return now + pace.LINGER_LOOK
        return min((slot.due for slot in self._resting if slot.due > now), default=math.inf)

    # People tell.

    def add_workers(self, now: float) -> list[Order]:
        """One more for each queue, or for what it may have where the load decides."""
        if self._slots.is_draining:
            return []
        for bounds in self._bounds:
            if bounds.is_range:
                bounds.most += 1
            elif sum(each.least for each in self._bounds) < self._places:
                bounds.least = bounds.most = bounds.least + 1
        return [*self._follow(now), self._head_count()]

    def remove_workers(self, now: float) -> list[Order]:
        """One fewer for each queue, or for what it may have, but never none."""
        if self._slots.is_draining:
            return []
        for bounds in self._bounds:
            bounds.most = max(1, bounds.most - 1)
            bounds.least = min(bounds.least, bounds.most)
        return [*self._follow(now), self._head_count()]

    def _head_count(self) -> Say:
        return Say(f"workers now: {len(self._slots.active_workers())}")

    # And want to know.

    def describe(self) -> Iterator[Order]:
        """Those that the load decides about."""
        for queue, (bounds, demand) in enumerate(zip(self._bounds, self._demands, strict=True)):
            if bounds.is_range:
                name, number = self._name(queue), len(self._slots.active_workers(queue))
                waits = f"; waiting: {demand.waiting}" if demand.is_watched else ""
                yield Say(f"{name} has {number} workers, of {bounds}{waits}")

    def _tell(self, now: float) -> list[Order]:
        """How many each has, where that has changed: once in `pace.REMIND`."""
        workers = [*map(len, self._active())]
        if workers == self._told or now < self._tell_at:
            return []
        is_news, self._told, self._tell_at = self._told is not None, workers, now + pace.REMIND
        ranges = [i for i, bounds in enumerate(self._bounds) if bounds.is_range]
        told = ", ".join(f"{self._name(i)} {workers[i]}" for i in ranges)
        return [Say(f"workers now: {told}")] if is_news else []

    def _name(self, queue: int) -> str:
        return f"{self._slots.place(queue).queue:.80}"


def _rows(slot: Slot) -> Iterator[Row]:
    """Of a worker, and of whom it relieves."""
    each: Slot | None = slot
    while each:
        if each.child and each.child.row:
            yield each.child.row
        each = each.relieves


def _is_starting(slot: Slot, now: float) -> bool:
    return not _has_started(slot) if slot.child else slot.due <= now


def _has_started(slot: Slot) -> bool:
    return bool(slot.child and slot.child.row and slot.child.row.has_claimed)


def _worth(slot: Slot) -> tuple[float, ...]:
    """The lower, the sooner it is retired: who is not there, then who is idle, then whose task
    began first, as it is likely to end first; last who starts, for nothing so far."""
    if not slot.child:
        return 0, -slot.number
    if not _has_started(slot):
        return 3, -slot.number
    began = [row.began for row in _rows(slot) if row.running]
    return (2, min(began)) if began else (1, -slot.number)
