"""Shared memory in which each worker tells what it is doing, readable after any death: one row per
worker incarnation."""

from __future__ import annotations

import mmap
import time
from collections.abc import Collection, Iterator
from functools import reduce

from ..names import unique_name
from .account import ATTEMPTS
from .books import Books
from .demands import DEMAND_BYTES, Demand
from .diary import DIARY_BYTES, Diary
from .ends import EndCounts
from .row import ROW_BYTES, Row, State
from .told import ToldTimes
from .totals import Totals
from .traced import Traced

ROWS = 4096  # 768 KiB that cost nothing until touched; a death that awaits recovery holds one

# The header before the rows: 32-bit words.
_USED, _REDIS_WAS_USABLE, _IS_CLOSING, _HOUSEKEEPER = range(4)
# … and, behind them, 64-bit ones …
_LOOKED, _WANTED, _ANSWERED = 2, 3, 4
# … and again 32-bit ones, of the supervisor's.
_IS_QUIET, _IS_DRAINING, _HEARD = 10, 11, 12
# … and the housekeeper's.
_IS_EMPTIED = 13


class Scoreboard:
    """The rows of one supervisor's workers, made before the first fork, behind a header;
    ``demands``, one for each of its places; and ``ends``: how many workers ended why, likewise.
    ``traced``: where they are, for who asks; ``told_times``: how long tasks took, as far as servers
    have it. ``made_at``: in monotonic seconds."""

    def __init__(self, rows: int = ROWS, places: int = 0) -> None:
        self.pool = unique_name()
        self.made_at = time.monotonic()
        self._most = rows
        end = (rows + 1) * ROW_BYTES
        self._view = memoryview(mmap.mmap(-1, end + places * DEMAND_BYTES))
        starts = range(end, end + places * DEMAND_BYTES, DEMAND_BYTES)
        self.demands = [Demand(self._view[start : start + DEMAND_BYTES]) for start in starts]
        self._header = self._view[:ROW_BYTES].cast("i")
        self._moments = self._view[:ROW_BYTES].cast("q")
        self._diaries = memoryview(mmap.mmap(-1, rows * DIARY_BYTES))
        queues = max(rows, places)
        self._books = Books(queues)
        self.ends = EndCounts(queues)
        self.told_times = ToldTimes(queues)
        self.traced = Traced()
        self._rows: list[Row] = []  # of this process: made when first seen, as most never are

    def __iter__(self) -> Iterator[Row]:
        """The rows that are or were in use."""
        while len(self._rows) < self._header[_USED]:
            number = len(self._rows)
            memory = self._view[(number + 1) * ROW_BYTES :][:ROW_BYTES]
            diary = Diary(self._diaries[number * DIARY_BYTES :][:DIARY_BYTES])
            self._rows.append(Row(memory, self.pool, diary, self._books))
        return iter(self._rows)

    def allocate(self) -> Row | None:
        """A free row, or None if every one awaits its recovery. For the supervisor alone."""
        for row in self:
            if row.state == State.FREE:
                return row
        if self._header[_USED] == self._most:
            return None
        self._header[_USED] += 1
        return list(self)[-1]

    @property
    def why_full(self) -> str:
        """What there is to say where no row is free."""
        if all(row.alive for row in self):
            return f"one supervisor has at most {self._most} workers"
        return "not before the housekeeper has recovered those that died"

    def totals(self) -> list[Totals]:
        """What all the workers did that a place ever had, for each of them."""
        return [*self.totals_of(range(len(self.demands))).values()]

    def totals_of(self, places: Collection[int]) -> dict[int, Totals]:
        """The same of these places alone."""
        for _ in range(ATTEMPTS):
            editions = [self._books.edition(place) for place in places]
            totals = {place: self._books[place] for place in places}
            for row in self:
                if row.queue in totals and row.state != State.FREE and not self._is_entered(row):
                    totals[row.queue] = totals[row.queue].plus(row.totals)
            if editions == [self._books.edition(place) for place in places]:
                break  # nobody went from the rows to the books meanwhile
        return totals

    def sum(self) -> Totals:
        """Of all places."""
        return reduce(Totals.plus, self.totals(), Totals())

    def free_entered(self) -> None:
        """Do what a housekeeper that died has left: before anybody is entered into the books."""
        for row in self:
            if self._is_entered(row):
                row.free()

    def _is_entered(self, row: Row) -> bool:
        """Whether its worker stands in the books, and last there: the row is to be freed before
        anything else is entered."""
        return row.state == State.DEAD and self._books.last(row.queue) == row.incarnation

    @property
    def redis_was_usable(self) -> bool:
        """Whether any housekeeper of this supervisor has ever had an answer from Redis."""
        return bool(self._header[_REDIS_WAS_USABLE])

    def note_redis_usable(self) -> None:
        self._header[_REDIS_WAS_USABLE] = 1

    def note_look(self, now: float) -> None:
        """The housekeeper looks at the rows (monotonic seconds)."""
        self._moments[_LOOKED] = int(now * 1e9)

    @property
    def housekeeper(self) -> int:
        """The pid of the last one; 0: there was none."""
        return self._header[_HOUSEKEEPER]

    def enter_housekeeper(self, pid: int) -> None:
        self._header[_HOUSEKEEPER] = pid

    @property
    def looked_at(self) -> float:
        return self._moments[_LOOKED] / 1e9

    def note_answer(self, moment: float) -> None:
        """Each of the queues' servers has answered the housekeeper at that moment, or since; who
        has just been started does not know as much as the one before."""
        self._moments[_ANSWERED] = max(self._moments[_ANSWERED], int(moment * 1e9))

    @property
    def answered_at(self) -> float:
        """The latest such moment that is known of (monotonic seconds); 0: there is none."""
        return self._moments[_ANSWERED] / 1e9

    def want_look(self, now: float) -> None:
        """A worker sees what the housekeeper should see as well, before its next ordinary look."""
        self._moments[_WANTED] = int(now * 1e9)

    @property
    def is_look_wanted(self) -> bool:
        """Whether there was none since one was wanted."""
        return self._moments[_WANTED] > self._moments[_LOOKED]

    def note_state(self, is_quiet: bool, is_draining: bool) -> None:
        """The supervisor's."""
        self._header[_IS_QUIET], self._header[_IS_DRAINING] = is_quiet, is_draining

    @property
    def is_quiet(self) -> bool:
        """Whether nobody is to claim anything for now."""
        return bool(self._header[_IS_QUIET])

    @property
    def is_draining(self) -> bool:
        return bool(self._header[_IS_DRAINING])

    @property
    def state(self) -> str:
        """The same in a word, as people are told."""
        if self.is_draining:
            return "draining"
        return "quiet" if self.is_quiet else "serving"

    def note_heard(self) -> None:
        """The supervisor has acted on a signal."""
        self._header[_HEARD] += 1

    @property
    def heard(self) -> int:
        """How many signals."""
        return self._header[_HEARD]

    @property
    def is_emptied(self) -> bool:
        """Whether the housekeeper has found nothing left to do, where that is the end."""
        return bool(self._header[_IS_EMPTIED])

    def note_emptied(self) -> None:
        self._header[_IS_EMPTIED] = 1

    @property
    def is_closing(self) -> bool:
        """Whether no worker is left, and the housekeeper is to leave as well."""
        return bool(self._header[_IS_CLOSING])

    def close(self) -> None:
        self._header[_IS_CLOSING] = 1
