"""``python -m woodenwaiter.supervisor APP``"""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial

from setproctitle import setproctitle

from .. import __version__, logs
from ..consumer import Consumer
from ..errors import EXIT_USAGE, StartupError, WoodenError, WrongValue
from ..logs import FORMATS, LEVELS, log
from ..processes.cpus import number_of
from ..processes.thread_counts import allot, share_of
from ..protocol.access import REDIS_PASSWORD_FILE
from ..protocol.urls import client_from_environment
from ..settings import IMPORT_IN, IN_WORKER, Settings
from ..supervisor.boot import run, run_scouted
from ..supervisor.forked import LAST_MOMENTS, SIGNALS, strays
from ..supervisor.renewal import LOADED, NOT_LOADED, TRIAL, Renewal, Start
from ..supervisor.scout import scouted
from ..supervisor.watching import require_watching
from ..text import escaped
from .application import folder_of, load_customers
from .project import project_here
from .terminal import BriefParser, complain, open_standard_descriptors

DESCRIPTION = """\
Run the worker processes of an application: one per WoodenCustomer, or as many as it says.
What crashes is replaced; SIGTERM lets running tasks finish and gives the rest back.
"""

EPILOG = """\
APP is  module              its WoodenManager, or the WoodenCustomers in it
        module:name         a manager, a customer, or a list of customers
        module:factory()    what the function returns

signals: TERM, INT    drain: finish what runs, give the rest back, leave
         INT twice, QUIT    leave at once; what ran goes back to its queue
         HUP          start anew on new code, under the same pid, once it can be loaded
         TSTP, CONT   take no new tasks; take them again
         TTIN, TTOU   one worker more, one fewer, for each queue; of a range, its most
         USR1         log what every worker is doing, with tracebacks

exit codes: 0 drained; 1 drained, but tasks had to be killed; 2 wrong usage; 3 APP cannot be
         loaded; 4 Redis is unusable; 5 no setup of a queue succeeded; 128+n left at once
         because of signal n

Each option but --redis has an environment variable, such as WOODENWAITER_DRAIN_SECONDS, and stands
in [tool.woodenwaiter] of pyproject.toml, as drain-seconds = 60; so may APP, as app = "tasks".
"""


def parser() -> argparse.ArgumentParser:
    parser = BriefParser(
        prog="python -m woodenwaiter.supervisor",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("app", nargs="?", metavar="APP", help="what to run, see below")
    _add_server(parser)
    _add_workers(parser)
    _add_seconds(parser)
    _add_keeping(parser)
    parser.add_argument("--log-level", choices=LEVELS, help="(info)")
    parser.add_argument("--log-format", choices=FORMATS, help="(text)")
    parser.add_argument(
        "--allow-open-connections",
        action="store_true",
        help="start though loading APP has left some, which all workers would share",
    )
    parser.add_argument(
        "--import-in",
        choices=IMPORT_IN,
        help="who imports APP: the supervisor, whose memory workers share, or each worker for "
        "itself, where a fork would break what the import makes (supervisor)",
    )
    parser.add_argument(
        "--metrics",
        metavar="HOST:PORT",
        help="where Prometheus is told of this supervisor, at /metrics; :PORT for all addresses",
    )
    _add_page(parser)
    _add_ways_to_run(parser)
    parser.add_argument("--version", action="version", version=f"woodenwaiter {__version__}")
    return parser


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--redis",
        metavar="URL",
        help="server to use for all queues: redis://HOST:6379/0, "
        "redis+sentinel://HOST,HOST/SERVICE or redis+cluster://HOST,HOST, with USER:PASSWORD@ "
        "before the hosts, rediss for TLS; without it, each waiter's own, and for those without "
        "arguments the one in WOODENWAITER_REDIS_URL",
    )
    parser.add_argument(
        "--redis-password-file",
        metavar="FILE",
        help="has the password for that server; it is read again at each login",
    )
    parser.add_argument(
        "--embedded",
        nargs="?",
        const="",
        metavar="DIR",
        help="run a server as well, with its data in DIR (or below ~/.local/share/woodenwaiter)",
    )


def _add_keeping(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--durable",
        type=_number_of("replicas"),
        metavar="N",
        help="before claiming more, wait a second at most for N replicas to have what was done (0)",
    )
    parser.add_argument(
        "--max-dead",
        type=_number_of("dead letters"),
        metavar="N",
        help="how many dead letters each queue keeps: the oldest of more are thrown away (0: all)",
    )


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--processes",
        action="append",
        metavar="[TABLE:DISH=]N",
        help="workers per queue, or of one queue; a number, cpus, or a range such as 0-4; may be "
        "repeated",
    )
    parser.add_argument(
        "--cpus",
        metavar="N",
        help="workers in all, at most, which go to the queues that have work; a number or cpus",
    )
    parser.add_argument(
        "--threads",
        metavar="N",
        help="of libraries that compute (BLAS, OpenMP, polars, …), in each worker; a number, or "
        "auto: the CPUs, shared out among the workers (auto)",
    )


def _add_seconds(parser: argparse.ArgumentParser) -> None:
    for option, meaning in {
        "--drain-seconds": "how long running tasks may go on after SIGTERM (25)",
        "--redis-wait": "how long to wait for Redis at the start (30)",
        "--setup-wait": "how long a queue's setup may fail before the supervisor gives up (60)",
        "--lease-seconds": "after how long a host that gives no sign of life loses its tasks to "
        "others (30)",
        "--slow": "tell of each task that takes so long, with what it cost (off)",
    }.items():
        parser.add_argument(option, type=_seconds, metavar="S", help=meaning)


def _seconds(text: str) -> float:
    """Which of them make sense, the settings say."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a number of seconds, not {text!r:.50}") from None


def _number_of(things: str) -> Callable[[str], int]:
    def number(text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"a number of {things}, not {text!r:.50}") from None

    return number


def _add_page(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--web",
        metavar="HOST:PORT",
        help="where a page shows queues, hosts and dead letters, and lets people see to them",
    )
    parser.add_argument("--web-auth", metavar="FILE", help="let in there whom this file has")
    parser.add_argument("--web-no-auth", action="store_true", help="let in whoever reaches it")
    parser.add_argument("--web-read-only", action="store_true", help="let nobody change anything")
    parser.add_argument(
        "--web-redact",
        action="append",
        metavar="KEY",
        help="hide there the values of this key of payloads; may be repeated",
    )
    parser.add_argument("--web-prefix", metavar="PATH", help="below which it is found, as /pool")


def _add_ways_to_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--once",
        action="store_true",
        help="drain when nothing is left to do: nothing waits, nothing runs here, no retry is to "
        "come",
    )
    parser.add_argument(
        "--reload",
        action="store_true",
        help="start anew, as at HUP, whenever a .py file of APP's folder changes",
    )
    parser.add_argument(
        "--pidfile", metavar="FILE", help="has the supervisor's pid for as long as it runs"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    open_standard_descriptors()
    is_trial = os.environ.pop(TRIAL, None) is not None
    start = Start.of_this_process()
    given = vars(parser().parse_args(arguments))
    app = given.pop("app", None)
    setproctitle(f"woodenwaiter: loading {escaped(app or ''):.200}")  # without --redis's password
    for name in ("processes", "web_redact"):
        if name in given:
            given[name] = " ".join(given[name])
    try:
        project = project_here()
        settings = Settings.from_environment(weaker=project.beside(given), **given)
        app = project.app_instead_of(app)
        if settings.redis_password_file and not settings.redis:  # for waiters without arguments
            os.environ[REDIS_PASSWORD_FILE] = settings.redis_password_file
        if settings.reload:
            require_watching()
        client_from_environment()  # else the import would be blamed
        logs.configure(settings.log_level, settings.log_format)
        logs.set_role("trial" if is_trial else "supervisor")
        _receive_signals_while_loading()
        allot(share_of(settings.threads, _expected_workers(settings)))
        renewal = Renewal(start, folder_of(app) if settings.reload else "")
        return _try_out(app) if is_trial else _supervise(app, settings, renewal)
    except (StartupError, WrongValue) as error:
        return _explain(error, is_trial=is_trial)


def _receive_signals_while_loading() -> None:
    """Let those come that end this process at once; hold the one that asks for newer code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        if os.getpid() == 1:  # no signal ends it by itself, however long the import takes
            signal.signal(number, lambda number, _: os._exit(128 + number))
        elif signal.getsignal(number) == signal.default_int_handler:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, set(SIGNALS) - {signal.SIGHUP})


def _expected_workers(settings: Settings) -> int:
    """As long as APP, which says how many there are, is not loaded: as many as the CPUs."""
    counts = [settings.cpus] if settings.cpus else settings.processes_by_queue().values()
    most = [count[1] if isinstance(count, tuple) else count for count in counts] or ["cpus"]
    return sum(map(number_of, most))


def _load(app: str) -> list[Consumer]:
    return [customer.consumer for customer in load_customers(app)]


def _try_out(app: str) -> int:
    _load(app)
    return LOADED


def _supervise(app: str, settings: Settings, renewal: Renewal) -> int:
    run_it: Callable[[], int]
    if settings.import_in == IN_WORKER:
        roster = scouted(app, lambda: _load(app), settings)
        run_it = partial(run_scouted, roster, settings, renewal)
    else:
        run_it = partial(run, _load(app), settings, renewal=renewal)
    # For the supervisor alone: one that comes after it has drained must not end this process
    # with another exit code.
    signal.pthread_sigmask(signal.SIG_BLOCK, (*SIGNALS, *LAST_MOMENTS, *strays()))
    code = run_it()
    renewal.begin()
    return code


def _explain(error: WoodenError, *, is_trial: bool) -> int:
    if is_trial:
        log.error("the new code cannot be loaded, and the old goes on: %s", error)
        return NOT_LOADED
    complain(error)
    return error.exit_code if isinstance(error, StartupError) else EXIT_USAGE
