"""What a worker needs of its signals, whatever the code does to them that it runs for others."""

from __future__ import annotations

import signal

# What `signal` wraps to make enums of numbers, at a multiple of the cost.
from _signal import getsignal, pthread_sigmask  # type: ignore[import-not-found]
from collections.abc import Iterator
from signal import signal as set_action

from .signals import Action, SignalInbox, name_of

TIMERS = {
    signal.ITIMER_REAL: signal.SIGALRM,
    signal.ITIMER_VIRTUAL: signal.SIGVTALRM,
    signal.ITIMER_PROF: signal.SIGPROF,
}


class Footing:
    """Has the inbox hear its signals again, nothing blocked, and no timer run that would go off in
    a later task. What `setup`, after which it is made, did beyond that is meant to be so."""

    def __init__(self, inbox: SignalInbox) -> None:
        self._inbox = inbox
        # A write to a server that has gone is an error, and no reason to die.
        self._actions: dict[int, Action] = {**inbox.actions, signal.SIGPIPE: signal.SIG_IGN}
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ()) - self._actions.keys()
        self._timers = [timer for timer in TIMERS if not any(signal.getitimer(timer))]
        self._told: set[str] = set()

    def regain(self) -> list[str]:
        """Put right what was changed, and name it, but each only once."""
        news = [change for change in self._changes() if change not in self._told]
        self._told.update(news)
        return news

    def _changes(self) -> Iterator[str]:
        if not self._inbox.listen():
            yield "the wakeup descriptor"
        for number, action in self._actions.items():
            if getsignal(number) != action:
                set_action(number, action)
                yield f"the action of {name_of(number)}"
        if pthread_sigmask(signal.SIG_BLOCK, ()) != self._mask:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            yield "the mask of blocked signals"
        for timer in self._timers:
            if any(signal.getitimer(timer)):
                signal.setitimer(timer, 0)
                yield f"a timer that runs on to {TIMERS[timer].name}"
