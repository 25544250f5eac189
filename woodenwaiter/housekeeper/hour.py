"""What a supervisor's processes used in the last hour."""

from __future__ import annotations

from ..protocol.hosts import HOUR, Hour

A_MINUTE = 60.0


class LastHour:
    """Of what was measured now and then. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._minutes: dict[int, _Minute] = {}

    def note(self, cpu: float | None, memory: int | None, now: float) -> None:
        """As in `Host`."""
        minute = self._minutes.setdefault(int(now // A_MINUTE), _Minute())
        if cpu is not None:
            minute.cpus.append(cpu)
        if memory is not None:
            minute.memory = max(minute.memory or 0, memory)

    def told(self, now: float) -> Hour:
        """Without the present minute, in which there is more to come."""
        present = int(now // A_MINUTE)
        self._minutes = {n: each for n, each in self._minutes.items() if n >= present - HOUR}
        first = min(self._minutes, default=present)
        minutes = [self._minutes.get(number, _Minute()) for number in range(first, present)]
        return Hour(tuple(each.cpu for each in minutes), tuple(each.mebibytes for each in minutes))


class _Minute:
    def __init__(self) -> None:
        self.cpus: list[float] = []
        self.memory: int | None = None

    @property
    def cpu(self) -> int | None:
        """On average."""
        return round(sum(self.cpus) / len(self.cpus)) if self.cpus else None

    @property
    def mebibytes(self) -> int | None:
        """The most that there were."""
        return None if self.memory is None else round(self.memory / 2**20)
