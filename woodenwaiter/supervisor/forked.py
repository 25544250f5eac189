"""What the supervisor's children are: how a forked process becomes one."""

from __future__ import annotations

import faulthandler
import signal
from collections.abc import Iterable, Sequence

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
"""What a terminal sends to the whole group: the supervisor acts on it, its children ignore it. A
SIGTSTP has them look at shared memory, which says nothing new."""

IN_TASKS_FORKS = {
    FAREWELL: signal.SIG_DFL,
    TIME_IS_UP: signal.SIG_DFL,
    BELL: signal.SIG_IGN,
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


def _become_child(role: str, signals: Iterable[signal.Signals]) -> SignalInbox:
    """Let go of the supervisor's signals; returns the child's own inbox."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    for number in NOT_FOR_CHILDREN:
        signal.signal(number, signal.SIG_IGN)
    logs.set_role(role)
    return SignalInbox(signals)
