"""What the supervisor's children are: how a forked process becomes one."""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from signal import signal as set_action
from socket import socket
from types import FrameType
from typing import NamedTuple

from setproctitle import setproctitle

from .. import logs
from ..consumer import Consumer
from ..errors import StartupError
from ..events import about
from ..housekeeper.housekeeper import Housekeeper
from ..logs import log
from ..processes import plain_threads  # noqa: F401 - before the application
from ..processes.fork import leave, unblock_signals
from ..processes.row import Row, State
from ..processes.scoreboard import Scoreboard
from ..processes.signals import BELL, FAREWELL, TRACE, SignalInbox, reset_in_forks
from ..processes.thread_counts import allot
from ..processes.traces import Trace
from ..processes.tree import end_descendants
from ..protocol.client import Client
from ..protocol.urls import client_at
from ..settings import Settings
from ..text import escaped
from ..worker.lookout import Lookout
from ..worker.worker import work
from .doorway import page_options
from .line import Line
from .places import Stage
from .roster import Roster
from .watching import watch_for

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
    signal.SIGCHLD,
)
"""What the supervisor acts on."""

LAST_MOMENTS = tuple(
    getattr(signal, name) for name in ("SIGXCPU", "SIGPWR") if hasattr(signal, name)
)
"""What says that there is not much time left: the supervisor drains."""

FAULTS = (
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGABRT,
    signal.SIGTRAP,
    signal.SIGSYS,
)
"""What a process does to itself, and cannot go on after."""

NOT_FOR_CHILDREN = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""What may come to the whole group, or to all of this name, and is for the supervisor alone. Its
children hear it and do nothing; were it ignored, so it would be by all that handlers start."""

IN_TASKS_FORKS = {
    **dict.fromkeys((*NOT_FOR_CHILDREN, FAREWELL, BELL, TRACE), signal.SIG_DFL),
    signal.SIGINT: signal.default_int_handler,
}


def strays() -> list[int]:
    """Signals that mean nothing here and would end this process, or run an application's code in
    it: all but those that are ignored, by their default or by somebody's wish, and what nobody may
    or should survive."""
    harmless = {signal.SIGKILL, signal.SIGSTOP, signal.SIGWINCH, signal.SIGURG}
    others = set(signal.valid_signals()) - {*SIGNALS, *LAST_MOMENTS, *FAULTS, *harmless}
    return [n for n in others if signal.getsignal(n) not in (signal.SIG_IGN, None)]


class Ties(NamedTuple):
    """What ties a child to its supervisor: ``lifeline`` becomes readable when that, whose pid is
    ``parent``, is gone; ``bell`` is to be rung for it."""

    lifeline: int
    bell: int
    parent: int


def be_worker(
    name: str,
    roster: Roster,
    scoreboard: Scoreboard,
    row: Row,
    trace: Trace,
    lease: float,
    ties: Ties,
) -> int:
    """Be a worker to the end; returns the exit code."""
    row.enter()
    # Of its own, as is the group: what a handler signals to its group is not for the service, and
    # what it started is found though its parent be gone. A terminal reaches the supervisor alone.
    os.setsid()
    inbox = _become_child(name, (FAREWELL, BELL))
    faulthandler.enable(logs.stderr_fileno())
    faulthandler.register(TRACE, trace.fileno())
    reset_in_forks(IN_TASKS_FORKS)
    unblock_signals()
    try:
        consumers = _load(roster, name, inbox, lambda: _is_told_to_leave(row, inbox))
        if trouble := roster.share.adjust():
            log.warning("threadpoolctl fails, and libraries keep their threads: %s", trouble)
        lookout = Lookout(scoreboard, row, ties.bell)
        work(consumers[row.queue], row, lookout, lease, inbox, *ties)
    except StartupError as error:
        if row.state == State.STARTING:
            queue = roster.outlines[row.queue].queue
            log.error("%s", error, extra=about("worker.setup", queue=queue))
        return error.exit_code
    finally:
        atexit._run_exitfuncs()  # which may end what handlers started
        end_descendants()
    return 0


def _is_told_to_leave(row: Row, inbox: SignalInbox) -> bool:
    return row.is_dismissed or FAREWELL in inbox.pending


def be_housekeeper(
    roster: Roster,
    scoreboard: Scoreboard,
    settings: Settings,
    ties: Ties,
    may_restart: Callable[[], bool],
    *,
    stops_server: bool,
) -> int:
    """Be the housekeeper to the end; returns the exit code."""
    inbox = _become_child("housekeeper", (BELL,))
    _ignore_strays()
    unblock_signals()
    try:
        consumers = _load(roster, "housekeeper", inbox, lambda: _is_of_no_use(scoreboard))
        _ignore_strays()
        housekeeper = Housekeeper(
            consumers,
            scoreboard,
            settings,
            inbox,
            *ties,
            may_restart,
            stops_server=stops_server,
        )
        housekeeper.serve()
    finally:
        _leave_application(roster)
    return 0


def be_metrics(
    roster: Roster, scoreboard: Scoreboard, _: Settings, listener: socket, ties: Ties
) -> int:
    """Answer who asks for metrics at ``listener``, to the end; returns the exit code."""
    inbox = _become_child("metrics", (BELL,))
    _ignore_strays()
    unblock_signals()

    def is_over() -> bool:
        return scoreboard.is_closing

    try:
        consumers = _load(roster, "metrics", inbox, is_over)
        _ignore_strays()
        setproctitle("woodenwaiter: metrics")
        from ..metrics.serving import serve  # the others do without its package

        serve(consumers, scoreboard, ties.parent, listener, inbox, ties.lifeline, is_over)
    finally:
        _leave_application(roster)
    return 0


def be_web(
    roster: Roster, scoreboard: Scoreboard, settings: Settings, listener: socket, ties: Ties
) -> int:
    """Serve the page at ``listener``, to the end; returns the exit code."""
    inbox = _become_child("web", (BELL,))
    _ignore_strays()
    unblock_signals()

    def is_over() -> bool:
        return scoreboard.is_closing

    try:
        client = _client_for_page(roster, settings, inbox, is_over)
        _ignore_strays()
        setproctitle("woodenwaiter: web")
        from ..web.front import front  # likewise
        from ..web.serving import serve

        page = front(client, page_options(settings))
        serve(page.app, [listener], inbox, is_over, ties.lifeline)
        page.close()
    finally:
        _leave_application(roster)
    return 0


Answerer = Callable[[Roster, Scoreboard, Settings, socket, Ties], int]

AT_DOORWAYS: Mapping[Stage, Answerer] = {Stage.METRICS: be_metrics, Stage.WEB: be_web}
"""Who answers there."""


def _client_for_page(
    roster: Roster, settings: Settings, inbox: SignalInbox, is_told_to_leave: Callable[[], bool]
) -> Client:
    """Of the first queue. The application is not loaded for it where the server was named."""
    if settings.redis and not roster.is_loaded:
        return client_at(settings.redis, settings.redis_password_file)
    return _load(roster, "web", inbox, is_told_to_leave)[0].client


def be_watcher(folder: str, since: float, scoreboard: Scoreboard, ties: Ties) -> int:
    """Tell the supervisor when code in this folder is newer than what it read from ``since`` on, in
    Unix time, to the end; returns the exit code."""
    _become_child("watcher", (BELL,))
    _ignore_strays()
    unblock_signals()
    setproctitle("woodenwaiter: watcher")
    return watch_for(ties.parent, folder, since, lambda: scoreboard.is_closing)


def _leave_application(roster: Roster) -> None:
    """End what it has begun in a child that loaded it."""
    if not roster.is_loaded:
        atexit._run_exitfuncs()
        end_descendants()


def _is_of_no_use(scoreboard: Scoreboard) -> bool:
    """Whether a housekeeper that has not begun yet may leave: no worker has ever claimed."""
    return scoreboard.is_closing and not any(r.state == State.DEAD and r.token for r in scoreboard)


def _load(
    roster: Roster, role: str, inbox: SignalInbox, is_told_to_leave: Callable[[], bool]
) -> Sequence[Consumer]:
    """The consumers. Where the application is loaded here, that is no task: whoever is told to
    leave meanwhile does so at once. What it has done to signals is undone."""
    allot(roster.share.number)
    if roster.is_loaded:
        return roster.load()

    def heed() -> None:
        if is_told_to_leave():
            leave(0)

    setproctitle(f"woodenwaiter: {escaped(role)} loading")
    inbox.heard = heed
    heed()  # what came before
    consumers = roster.load()
    inbox.heard = None
    inbox.regain()
    return consumers


def be_reporter(line: Line, lifeline: int | None) -> int:
    """Be the reporter to the end; returns the exit code."""
    setproctitle("woodenwaiter: reporter")
    inbox = _become_child("reporter", (BELL,))
    _ignore_strays()
    unblock_signals()
    line.report(inbox, lifeline)
    return 0


def _ignore_strays() -> None:
    for number in (FAREWELL, *LAST_MOMENTS, *strays()):
        set_action(number, signal.SIG_IGN)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


def _become_child(role: str, signals: Iterable[signal.Signals]) -> SignalInbox:
    """Let go of the supervisor's signals; returns the child's own inbox."""
    for number in SIGNALS:
        set_action(number, signal.SIG_DFL)
    for number in NOT_FOR_CHILDREN:
        set_action(number, _do_nothing)
    logs.set_role(role)
    return SignalInbox(signals)
