"""What a worker needs of its signals, put right whatever was done to them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from woodenwaiter.processes.footing import Footing
from woodenwaiter.processes.signals import SignalInbox

TERM, ALRM, PIPE = signal.SIGTERM, signal.SIGALRM, signal.SIGPIPE

CHANGES: dict[str, Callable[[], Any]] = {
    "the action of SIGTERM": lambda: signal.signal(TERM, signal.SIG_DFL),
    "the action of SIGPIPE": lambda: signal.signal(PIPE, signal.SIG_DFL),
    "the mask of blocked signals": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, (TERM, ALRM)),
    "the wakeup descriptor": lambda: signal.set_wakeup_fd(-1),
    "a timer that runs on to SIGALRM": lambda: signal.alarm(3600),
    "a timer that runs on to SIGPROF": lambda: signal.setitimer(signal.ITIMER_PROF, 3600),
}


@pytest.fixture
def inbox() -> Iterator[SignalInbox]:
    limit = signal.setitimer(signal.ITIMER_REAL, 0)  # pytest's own
    former = {number: signal.getsignal(number) for number in (PIPE, ALRM)}
    inbox = SignalInbox((TERM,))
    yield inbox
    inbox.restore()
    for number, action in former.items():
        signal.signal(number, action)
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, *limit)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (TERM, ALRM))


def test_nothing_is_wrong_with_what_was_not_changed(inbox: SignalInbox) -> None:
    footing = Footing(inbox)
    assert footing.regain() == footing.regain() == []


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_put_right_and_told_once(inbox: SignalInbox, change: str) -> None:
    footing = Footing(inbox)
    CHANGES[change]()
    assert footing.regain() == [change]
    CHANGES[change]()
    assert footing.regain() == []
    os.kill(os.getpid(), TERM)
    assert inbox.take() == [TERM]
    assert inbox.wait((), 0) == set()
    assert not any(signal.getitimer(signal.ITIMER_REAL) + signal.getitimer(signal.ITIMER_PROF))
    assert signal.getsignal(PIPE) == signal.SIG_IGN
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
    assert inbox.listen()


@pytest.mark.parametrize("change", list(CHANGES)[:2])
def test_what_setup_did_to_what_is_needed_is_put_right(inbox: SignalInbox, change: str) -> None:
    CHANGES[change]()
    assert Footing(inbox).regain() == [change]


def test_what_setup_arranged_besides_stays(inbox: SignalInbox) -> None:
    signal.setitimer(signal.ITIMER_REAL, 3600, 3600)
    signal.signal(ALRM, print)
    signal.pthread_sigmask(signal.SIG_BLOCK, (ALRM, TERM))
    footing = Footing(inbox)
    assert footing.regain() == ["the mask of blocked signals"]
    assert signal.getitimer(signal.ITIMER_REAL)[1] == 3600
    assert signal.getsignal(ALRM) is print
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == {ALRM}
