"""What a supervisor can be told, in Python, on the command line or by the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import Field, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, TypedDict

from . import pace
from .backoff import LONGEST
from .errors import Misuse, StartupError, WrongValue
from .logs import FORMATS, LEVELS

Number = int | str
"""Or "cpus": as many as `cpus.usable_cpus` says."""

Processes = Number | tuple[Number, Number]
"""Or from how many to how many."""


Threads = int | str
"""A number, or AUTO."""

AUTO = "auto"

MOST_PORT = 65535

YES = ("1", "yes", "on", "true")
NO = ("", "0", "no", "off", "false")


NUMBERS: Mapping[str, tuple[type[float], str]] = {
    "float": (float, "a number of seconds"),
    "float | None": (float, "a number of seconds"),
    "int": (int, "a whole number"),
}
"""By the types of the fields."""


FLAGS = ("allow_open_connections", "once", "reload", "web_no_auth", "web_read_only")

IN_SUPERVISOR, IN_WORKER = IMPORT_IN = ("supervisor", "worker")


class Keywords(TypedDict, total=False):
    """The fields of `Settings` as keywords of ``launch()`` and ``run()``, for editors and mypy."""

    redis: str | None
    redis_password_file: str | None
    processes: Processes
    drain_seconds: float
    redis_wait: float
    lease_seconds: float
    log_level: str
    log_format: str
    embedded: str | None
    allow_open_connections: bool
    setup_wait: float
    import_in: str
    durable: int
    slow: float | None
    threads: Threads
    cpus: Number
    metrics: str
    once: bool
    reload: bool
    pidfile: str
    max_dead: int
    web: str
    web_auth: str
    web_no_auth: bool
    web_read_only: bool
    web_redact: str
    web_prefix: str


@dataclass(frozen=True)
class Settings:
    """How a supervisor runs, whatever the application.

    redis: URL of the server, instead of the customers' own waiters. (``WOODENWAITER_REDIS_URL`` is
        weaker: it serves waiters that were given no address.)
    redis_password_file: has the password for that server, or for the one in
        ``WOODENWAITER_REDIS_URL``, and is read again at each login.
    processes: workers per queue, "4", "cpus", or "0-4" for as many as have work; or for single
        queues, "TABLE:DISH=N"; several are separated by spaces.
    drain_seconds: how long running tasks may go on after SIGTERM. 25 leaves 5 of the 30 s after
        which Kubernetes kills.
    redis_wait: how long to wait for Redis at the start, in seconds.
    lease_seconds: after how long without a sign of life a host's tasks go to others. 40 s outlive a
        failover of Redis; a host that dies is missed for as long.
    log_level, log_format: one of `logs.LEVELS` and `logs.FORMATS`.
    embedded: folder for the data of a server of our own; "" for the usual one; None: no server.
    allow_open_connections: start though loading the application has left some, which all workers
        would share.
    setup_wait: for how many seconds the ``setup`` of a queue may fail in all its workers, before
        the supervisor gives up. Once it has succeeded, it is tried for ever.
    import_in: who loads the application that ``python -m woodenwaiter.supervisor`` names, one of
        IMPORT_IN; not for ``launch()`` and ``run()``, whose program has it already.
    durable: how many replicas of the server are to have what a worker settled, before it goes on;
        0: as many as each customer's waiter says.
    slow: from how many seconds on a task is told of, with what it cost; None: it is not.
    threads: how many threads libraries that compute are to have in each worker, where no variable
        of the environment says so; AUTO: the CPUs are shared out among the workers.
    cpus: workers that there may be in all, "4" or "cpus"; "": as many as the queues are to have.
    metrics: where Prometheus is told of this supervisor, "HOST:PORT", or ":PORT" for all addresses
        of the machine; "": nowhere.
    once: drain when nothing is left to do: nothing waits, nothing runs here, no retry is to come.
    reload: start anew whenever the application's code changes; not for ``launch()`` and ``run()``.
    pidfile: has the supervisor's pid while it runs, and is removed then; "": none.
    max_dead: how many dead letters each queue keeps: the oldest of more are thrown away, with a
        warning; 0: all of them.
    web: where a page shows what operators see and do, on the first customer's server, "HOST:PORT",
        or ":PORT" for all addresses; "": nowhere.
    web_auth: file of who may come in, with their passwords; "": none.
    web_no_auth: let in whoever reaches it.
    web_read_only: let nobody change anything there.
    web_redact: keys of payloads whose values it hides, separated by spaces.
    web_prefix: path below which it is found, behind a proxy, "/pool".
    """

    redis: str | None = None
    processes: Processes = ""
    drain_seconds: float = pace.DRAIN
    redis_wait: float = pace.REDIS_WAIT
    lease_seconds: float = pace.LEASE
    log_level: str = "info"
    log_format: str = "text"
    embedded: str | None = None
    allow_open_connections: bool = False
    setup_wait: float = pace.SETUP_WAIT
    import_in: str = IN_SUPERVISOR
    durable: int = 0
    redis_password_file: str | None = None
    slow: float | None = None
    threads: Threads = AUTO
    cpus: Number = ""
    metrics: str = ""
    once: bool = False
    reload: bool = False
    pidfile: str = ""
    max_dead: int = 0
    web: str = ""
    web_auth: str = ""
    web_no_auth: bool = False
    web_read_only: bool = False
    web_redact: str = ""
    web_prefix: str = ""

    def __post_init__(self) -> None:
        _require_seconds(self.drain_seconds, "drain_seconds")
        _require_seconds(self.redis_wait, "redis_wait")
        _require_seconds(self.setup_wait, "setup_wait")
        _require_seconds(self.lease_seconds, "lease_seconds", least=pace.LEAST_LEASE)
        if self.slow is not None:
            _require_seconds(self.slow, "slow")
        _require(self.log_level in LEVELS, f"log_level must be one of {', '.join(LEVELS)}")
        _require(self.log_format in FORMATS, f"log_format must be one of {', '.join(FORMATS)}")
        _require(self.import_in in IMPORT_IN, f"import_in must be one of {', '.join(IMPORT_IN)}")
        for name in FLAGS:
            value = getattr(self, name)
            _require(isinstance(value, bool), f"{name} must be a bool: {value!r}")
        _require(
            isinstance(self.durable, int) and self.durable >= 0,
            f"durable must be a number of replicas, not {self.durable!r}",
        )
        _require(
            type(self.max_dead) is int and self.max_dead >= 0,
            f"max_dead must be a number of dead letters, or 0, not {self.max_dead!r}",
        )
        _require(
            self.threads == AUTO or re.fullmatch("[1-9][0-9]{0,3}", str(self.threads)),
            f'threads must be a number from 1 to 9999, or "auto", not {self.threads!r}',
        )
        self.processes_by_queue()
        if self.cpus != "":
            try:
                parse_number(self.cpus)
            except WrongValue as error:
                raise StartupError(f"cpus: {error}") from None
        if self.metrics:
            parse_endpoint(self.metrics)
        if self.web:
            parse_endpoint(self.web, "web")

    def processes_by_queue(self) -> dict[str, Processes]:
        """How many workers single queues are to have; under "" all others."""
        if isinstance(self.processes, tuple):
            return {"": parse_processes(self.processes)}
        counts = {}
        for word in str(self.processes).split():
            queue, _, count = word.rpartition("=")
            try:
                counts[queue] = parse_processes(count)
            except WrongValue as error:
                raise StartupError(str(error)) from None
        return counts

    def processes_of(self, queue: str) -> Processes | None:
        """How many workers this queue is to have; None where nothing was said."""
        counts = self.processes_by_queue()
        return counts.get(queue, counts.get(""))

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str] = os.environ,
        weaker: Mapping[str, Any] = MappingProxyType({}),
        **given: Any,
    ) -> Settings:
        """What is given, else what a variable ``WOODENWAITER_…`` says, else what is ``weaker``,
        else the default."""
        values = dict(weaker)
        for field in fields(cls):
            variable = f"WOODENWAITER_{field.name.upper()}"
            if variable in environment and field.name != "redis":
                values[field.name] = _convert(field, environment[variable], variable)
        return replace(cls(**values), **given)

    @classmethod
    def for_this_program(cls, **given: Any) -> Settings:
        """The same for a supervisor that is forked from a program; raises Misuse for
        what comes too late for it: the application, with its waiters, is there already."""
        settings = cls.from_environment(**given)
        if given.get("redis_password_file") and not settings.redis:
            raise Misuse(
                "redis_password_file goes with redis: waiters that this program has made log in as "
                "they were told, or as WOODENWAITER_REDIS_PASSWORD_FILE says"
            )
        if settings.import_in == IN_WORKER:
            raise Misuse(
                "import_in=worker is for python -m woodenwaiter.supervisor: this program, from "
                "which its workers are forked, has imported the application already"
            )
        if settings.reload:
            raise Misuse(
                "reload is for python -m woodenwaiter.supervisor, which can start itself anew"
            )
        return settings


def parse_processes(given: Processes) -> Processes:
    """A positive number, "cpus", or a pair of these, of which the first may be 0, as may be written
    "0-4"; raises WrongValue for anything else."""
    if isinstance(given, str) and "-" in given:
        least, _, most = given.partition("-")
        try:
            return parse_processes((least, most))
        except WrongValue:
            raise WrongValue(
                'the number of processes must be at least 1, "cpus", or from how many to how many, '
                f"as in 0-4, not {given!r:.50}"
            ) from None
    if not isinstance(given, tuple):
        return parse_number(given)
    if len(given) != 2:
        raise WrongValue(f"processes must be a number, or from how many to how many, not {given!r}")
    pair = parse_number(given[0], at_least=0), parse_number(given[1])
    if isinstance(pair[0], int) and isinstance(pair[1], int) and pair[0] > pair[1]:
        raise WrongValue(f"processes must be from how many to how many, not {given!r}")
    return pair


def parse_number(text: Number, at_least: int = 1) -> Number:
    """Such a number or "cpus"; raises WrongValue for anything else."""
    if text == "cpus":
        return text
    with suppress(ValueError):
        if (number := int(str(text))) >= at_least:
            return number
    raise WrongValue(
        f'the number of processes must be at least {at_least}, or "cpus", not {text!r}'
    )


def parse_endpoint(text: str, name: str = "metrics") -> tuple[str, int]:
    """A host, "" for all addresses, and a port, of the setting of this name; raises StartupError
    for anything else."""
    found = re.fullmatch(
        r"(?:\[([0-9a-fA-F.]*:[0-9a-fA-F:.]*(?:%\w+)?)\]|([^:\[\]\s]*)):([0-9]{1,5})", str(text)
    )
    port = int(found[3]) if found else 0
    _require(
        0 < port <= MOST_PORT,
        f"{name} must be HOST:PORT, [IPV6]:PORT or :PORT, not {text!r:.100}",
    )
    return (found[1] or found[2], port) if found else ("", 0)


def _convert(field: Field[Any], text: str, variable: str) -> object:
    if field.name == "embedded":
        return _folder(text)
    if field.type == "bool":
        _require(text.lower() in (*YES, *NO), f"{variable} must be yes or no, not {text!r}")
        return text.lower() in YES
    if str(field.type) not in NUMBERS:
        return text
    kind, meaning = NUMBERS[str(field.type)]
    try:
        return kind(text)
    except ValueError:
        raise StartupError(f"{variable} must be {meaning}, not {text!r}") from None


def _folder(text: str) -> str | None:
    """Of a variable that may just say yes or no."""
    if text.lower() in NO:
        return None
    return "" if text.lower() in YES else text


def _require_seconds(value: object, name: str, least: float = 0) -> None:
    _require(
        isinstance(value, int | float) and least <= value < LONGEST,
        f"{name} must be a number of seconds from {least:g} to {LONGEST:g}, not {value!r}",
    )


def _require(condition: object, message: str) -> None:
    if not condition:
        raise StartupError(message)
