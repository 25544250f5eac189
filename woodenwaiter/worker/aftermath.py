"""What comes after a task that failed: it is told of, and the application's hooks hear of it."""

from __future__ import annotations

from ..hooks import Hooks, Mishap, mishap_of
from ..processes.calling import Caller
from ..protocol.verdict import Setback


class Aftermath:
    """Of one worker's tasks. ``mark``: `fork_mark` of its process.

    That a task is buried is told once it is done, or another's business, as a server may refuse it;
    any other failure at once. Hooks are called where the worker has nothing claimed that would wait
    for them, and only of what the server has taken: what it has not will run again.
    """

    def __init__(self, hooks: Hooks, mark: memoryview) -> None:
        self._hooks = hooks
        self._caller = Caller(mark)
        self._unsettled: Setback | None = None
        self._mishaps: list[Mishap] = []  # that hooks have not heard of

    @property
    def is_due(self) -> bool:
        """Whether there are hooks to call."""
        return bool(self._mishaps)

    def note(self, setback: Setback) -> None:
        self._unsettled = setback
        if not setback.is_final:
            setback.announce()

    def settled(self) -> None:
        """The server has taken the last one."""
        if self._unsettled and self._hooks:
            self._mishaps.append(mishap_of(self._unsettled))
        self.let_be()

    def let_be(self) -> None:
        """The last one is another's business by now."""
        if self._unsettled and self._unsettled.is_final:
            self._unsettled.announce()
        self._unsettled = None

    def call_hooks(self) -> bool:
        """Tell them what they have not heard of; returns whether others' code has run."""
        mishaps, self._mishaps = self._mishaps, []
        for mishap in mishaps:
            for name, hook in self._hooks.of(mishap).items():
                self._caller.call(name, hook, mishap)
        return bool(mishaps)
