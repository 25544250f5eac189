"""Signals as messages."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from woodenwaiter.processes.signals import SignalInbox

USR1, USR2, CONT = signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT
LONG = 20.0


@pytest.fixture
def inbox() -> Iterator[SignalInbox]:
    inbox = SignalInbox((USR1, USR2, CONT))
    yield inbox
    inbox.restore()


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_signals_are_taken_once_and_in_their_order(inbox: SignalInbox) -> None:
    assert not inbox
    for number in (USR2, USR1, CONT, USR1):
        send(number)
    assert inbox
    assert inbox.take() == [USR2, USR1, CONT, USR1]
    assert inbox.take() == []
    assert not inbox


def test_signal_ends_a_wait(inbox: SignalInbox) -> None:
    timer = threading.Timer(0.1, send, (USR1,))
    timer.start()
    began = time.monotonic()
    assert inbox.wait((), LONG) == set()
    assert time.monotonic() - began < LONG
    assert inbox.take() == [USR1]
    timer.join()


def test_signal_that_came_before_lets_no_wait_begin(inbox: SignalInbox) -> None:
    send(USR1)
    began = time.monotonic()
    inbox.wait((), LONG)
    inbox.wait((), LONG)  # still not taken: a caller that goes on waiting must not sleep on it
    assert time.monotonic() - began < LONG


def test_taken_signals_do_not_disturb_the_next_wait(inbox: SignalInbox) -> None:
    send(USR1)
    inbox.wait((), LONG)
    inbox.take()
    began = time.monotonic()
    assert inbox.wait((), 0.2) == set()
    assert time.monotonic() - began >= 0.2


def test_readable_and_closed_descriptors_end_a_wait(inbox: SignalInbox) -> None:
    (silent, other_end), (readable, writer), (closed, gone) = os.pipe(), os.pipe(), os.pipe()
    os.write(writer, b"x")
    os.close(gone)
    assert inbox.wait((silent, readable, closed), LONG) == {readable, closed}
    for fd in (silent, other_end, readable, writer, closed):
        os.close(fd)


def test_no_time_is_no_wait(inbox: SignalInbox) -> None:
    assert inbox.wait((), 0) == set()
    assert inbox.wait((), -1.0) == set()


def test_a_storm_of_signals_loses_none_and_blocks_nothing(inbox: SignalInbox) -> None:
    for _ in range(70_000):  # more than a pipe holds
        send(USR1)
    assert inbox.take() == [USR1] * 70_000
    inbox.wait((), 0)
    send(USR2)
    inbox.wait((), LONG)
    assert inbox.take() == [USR2]


def test_restore_gives_everything_back() -> None:
    got: list[int] = []
    former = signal.signal(USR1, lambda number, frame: got.append(number))
    former_fd = signal.set_wakeup_fd(-1)
    try:
        inbox = SignalInbox((USR1,))
        inbox.restore()
        send(USR1)
        assert got == [USR1]
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(USR1, former)
        signal.set_wakeup_fd(former_fd)
