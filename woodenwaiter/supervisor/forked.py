"""What the supervisor's children are: how a forked process becomes one."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Iterable, Sequence
from types import FrameType

from .. import logs
from ..consumer import Consumer
from ..housekeeper.housekeeper import Housekeeper
from ..processes.fork import unblock_signals
from ..processes.scoreboard import Row, Scoreboard
from ..processes.signals import BELL, FAREWELL, NEWS, TIME_IS_UP, SignalInbox, reset_in_forks
from ..processes.traces import Trace
from ..settings import Settings
from ..worker.worker import work

SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGTSTP,
    signal.SIGCONT,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    NEWS,
    signal.SIGCHLD,
)
"""What the supervisor acts on."""

TRACE = signal.SIGUSR1
"""From the supervisor to a worker: to write down where it is."""

NOT_FOR_CHILDREN = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGTTIN,
    signal.SIGTTOU,
)
"""What may come to the whole group, and is for the supervisor alone. Its children hear it and do
nothing; were it ignored, so it would be by all that handlers start. A SIGTSTP has them look at
shared memory, which says nothing new."""

IN_TASKS_FORKS = {
    **dict.fromkeys((*NOT_FOR_CHILDREN, FAREWELL, TIME_IS_UP, BELL), signal.SIG_DFL),
    signal.SIGINT: signal.default_int_handler,
}


def be_worker(
    name: str,
    consumer: Consumer,
    row: Row,
    trace: Trace,
    lease: float,
    lifeline: int,
    parent: int,
) -> int:
    """Be a worker to the end; returns the exit code. ``lifeline`` becomes readable when the
    supervisor, whose pid is ``parent``, is gone."""
    row.enter()
    # Of its own: what a handler signals to its group is not for the service, and what is killed
    # with the worker is found though its parent be gone. A terminal reaches the supervisor alone.
    os.setpgid(0, 0)
    inbox = _become_child(name, (FAREWELL, BELL))
    faulthandler.enable(2)
    faulthandler.register(TRACE, trace.fileno())
    reset_in_forks(IN_TASKS_FORKS)
    unblock_signals()
    work(consumer, row, lease, inbox, lifeline, parent)
    return 0


def be_housekeeper(
    consumers: Sequence[Consumer],
    scoreboard: Scoreboard,
    settings: Settings,
    lifeline: int,
    parent: int,
    *,
    stops_server: bool,
) -> int:
    """Be the housekeeper to the end; returns the exit code."""
    inbox = _become_child("housekeeper", (BELL,))
    for number in (FAREWELL, TIME_IS_UP, TRACE):  # of those to the whole group
        signal.signal(number, signal.SIG_IGN)
    unblock_signals()
    housekeeper = Housekeeper(
        consumers, scoreboard, settings, inbox, lifeline, parent, stops_server=stops_server
    )
    housekeeper.serve()
    return 0


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


def _become_child(role: str, signals: Iterable[signal.Signals]) -> SignalInbox:
    """Let go of the supervisor's signals; returns the child's own inbox."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    for number in NOT_FOR_CHILDREN:
        signal.signal(number, _do_nothing)
    logs.set_role(role)
    return SignalInbox(signals)
