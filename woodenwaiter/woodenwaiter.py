"""The five classes, under the import path they have always had. ``python -m`` runs the demo."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import redis

from .backoff import Backoff
from .errors import Misuse, WrongValue
from .errors import WrongType as WrongType  # noqa: PLC0414 - public under this path, too
from .protocol.client import Client, Source, elsewhere, require_host
from .protocol.entry import load, payload_of
from .protocol.urls import REDIS_URL as REDIS_URL  # noqa: PLC0414 - likewise
from .protocol.urls import client_at, client_from_environment, valid_port

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .consumer import Consumer
    from .settings import Keywords, Processes
    from .supervisor.launcher import Launched
    from .worker.inline import InlineWorker

Foods = dict[str, Any]
Handler = Callable[[Foods], Any]
LEAST_MEMORY = 1 << 20

Number = TypeVar("Number", int | None, float | None)


def _require(value: object, kind: type, name: str) -> None:
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "aeiou" else "a"
        raise WrongType(f"{name} must be {article} {kind.__name__}, not {value!r:.100}")


def _require_function(value: object, name: str, *arguments: Foods) -> None:
    """Callable with these arguments, as far as can be told, and not a generator."""
    import inspect

    _require_callable(value, name)
    call = value if inspect.isroutine(value) else getattr(value, "__call__", value)  # noqa: B004
    if any(map(inspect.isgeneratorfunction, (value, call))) or any(
        map(inspect.isasyncgenfunction, (value, call))
    ):
        raise WrongType(f"{name} must not be a generator, which nobody would run: {value!r:.100}")
    try:
        inspect.signature(value).bind(*arguments)  # type: ignore[arg-type]
    except ValueError:
        pass  # of some that are written in C nothing is known
    except TypeError as error:
        takes = "the foods as its only argument" if arguments else "no argument"
        raise WrongType(f"{name} must take {takes}: {value!r:.100}: {error}") from None


def _require_number(value: object, name: str) -> None:
    if not isinstance(value, int | float):
        raise WrongType(f"{name} must be a number, not {value!r:.100}")


def _require_callable(value: object, name: str) -> None:
    if not callable(value):
        raise WrongType(f"{name} must be callable, not {value!r:.100}")


def _positive(value: Number, name: str) -> Number:
    if value is not None:
        _require_number(value, name)
        if not value > 0:
            raise WrongValue(f"{name} must be more than 0, not {value!r}")
    return value


def _bytes(value: int | None, name: str) -> int | None:
    if (_positive(value, name) or LEAST_MEMORY) < LEAST_MEMORY:
        raise WrongValue(
            f"{name} is in bytes, and no process does with {value!r}: 500 MiB are 500 * 2**20"
        )
    return value


def _queue_of(table: str, dish: str) -> str:
    try:
        return table + ":" + dish
    except TypeError:
        _require(table, str, "table")
        _require(dish, str, "dish")
        raise


def _require_servable(table: str, dish: str) -> None:
    """A producer may push to a list of any name; a worker also has it in its process title."""
    queue = table + ":" + dish
    if not (table and dish):
        raise WrongValue(f"table and dish must not be empty: {queue!r:.100}")
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in queue):
        raise WrongValue(f"table and dish must be UTF-8 without NUL, not {queue!r:.100}")


class WoodenMenu:
    """What a cooker makes: ``foods``, a dict that JSON can hold, for the queue ``table:dish``."""

    def __init__(self, table: str, dish: str, foods: Foods) -> None:
        _require(foods, dict, "foods")
        self.set_menu(table, dish, foods)

    def set_menu(self, table: str, dish: str, foods: Foods) -> None:
        self.table = table
        self.dish = dish
        self.foods = foods

    def get_menu(self) -> tuple[str, Foods]:
        """The queue's name and the foods."""
        return _queue_of(self.table, self.dish), self.foods


class WoodenWaiter:
    """Carries tasks to and from one Redis database.

    Further keyword arguments go to ``redis.Redis``: ``username``, ``password``, ``ssl``, … Without
    any argument, the URL in the environment variable ``WOODENWAITER_REDIS_URL`` counts.
    """

    client: Client
    _redis_clt: Client

    def __init__(
        self, host: str = "localhost", port: int | str = "6379", db: int = 0, **options: Any
    ) -> None:
        given = (host, port, db) != ("localhost", "6379", 0) or options
        client = None if given else client_from_environment()
        if "://" in str(host):
            raise WrongValue("host must be a host's name: WoodenWaiter.from_url(…) takes a URL")
        if str(host).count(":") == 1:
            raise WrongValue("host must be a host's name alone: the port is an argument of its own")
        self.redis_clt = client or redis.Redis(host=host, port=valid_port(port), db=db, **options)

    @classmethod
    def from_url(cls, url: str, **options: Any) -> WoodenWaiter:
        """A waiter for one of the URLs that README.rst tells of; raises WrongValue for another."""
        waiter = cls.__new__(cls)
        waiter.redis_clt = client_at(url, **options)
        return waiter

    @property
    def redis_clt(self) -> Any:
        """The client that pushes and pops; for a cluster, it connects at its first use here."""
        if isinstance(self._redis_clt, Source):
            self._redis_clt = self._redis_clt.client()
        return self._redis_clt

    @redis_clt.setter
    def redis_clt(self, client: Client) -> None:
        self.client = self._redis_clt = client

    def take_dish(self, table_dish: str, foods: Foods) -> None:
        """Push a task: ``LPUSH table:dish`` with the foods as JSON."""
        _require(foods, dict, "foods")
        self._ask("lpush", table_dish, payload_of(foods))

    def serve_dish(self, table_dish: str) -> Any:
        """Pop a task and return its foods, or None. If the caller dies now, the task is lost;
        customers have a better way."""
        raw = self._ask("rpop", table_dish)
        return None if raw is None else json.loads(load(raw).payload.decode())

    def _ask(self, command: str, *arguments: Any) -> Any:
        try:
            return getattr(self.redis_clt, command)(*arguments)
        except redis.exceptions.AskError as error:  # of MOVED, too
            raise elsewhere(self.client) from error


class WoodenCooker:
    """Pushes the tasks on a menu."""

    def __init__(self, menu: WoodenMenu, waiter: WoodenWaiter) -> None:
        self.set_menu(menu)
        self.set_waiter(waiter)

    def set_menu(self, menu: WoodenMenu) -> None:
        _require(menu, WoodenMenu, "menu")
        self.menu = menu

    def set_waiter(self, waiter: WoodenWaiter) -> None:
        _require(waiter, WoodenWaiter, "waiter")
        self.waiter = waiter

    def cookone(self, menu: WoodenMenu | None = None) -> None:
        """Push one task, of this menu or else of the cooker's own."""
        if menu is None:
            menu = self.menu
        _require(menu, WoodenMenu, "menu")
        self.waiter.take_dish(*menu.get_menu())


class WoodenCustomer:
    """What to run for the tasks of the queue ``table:dish``, and in how many processes.

    process: called with each task's foods; its return value is dropped. A coroutine is run to its
        end, one at a time, on one event loop that the worker keeps.
    seconds: the length of a wait for tasks; a tenth of a lease, if that is longer, once a wait was
        in vain. A task that comes ends it. There is no sleep while there is work.
    processes: workers per supervisor, or "cpus" for as many as this machine or container can run.
    max_deliveries: how often a task is tried before it goes to the dead letters.
    backoff: how long from a failure to the next try; see `Backoff`.
    timeout: seconds that a task may take; then `TaskTimeout` is raised in ``process``, and if that
        does not end it within 5 s, the worker and all that it spawned are killed. Either way the
        delivery has failed.
    max_tasks: a worker leaves after this many tasks, and another takes its place.
    max_memory: likewise when it has more bytes of its own than this after a task; what it shares
        with the supervisor does not count.
    setup, teardown: called in each worker, after the fork and before it leaves.
    """

    def __init__(
        self,
        table: str,
        dish: str,
        waiter: WoodenWaiter,
        process: Handler,
        seconds: float = 1,
        *,
        processes: Processes = 1,
        max_deliveries: int = 5,
        backoff: Backoff = Backoff(),  # noqa: B008 - immutable
        timeout: float | None = None,
        max_tasks: int | None = None,
        max_memory: int | None = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[[], Any] | None = None,
    ) -> None:
        from .settings import parse_processes

        _require(waiter, WoodenWaiter, "waiter")
        _require(max_deliveries, int, "max_deliveries")
        _positive(max_deliveries, "max_deliveries")
        _require(backoff, Backoff, "backoff")
        _require_function(process, "process", {})
        _require_number(seconds, "seconds")
        if setup is not None:
            _require_function(setup, "setup")
        if teardown is not None:
            _require_function(teardown, "teardown")
        self.table_dish = _queue_of(table, dish)
        _require_servable(table, dish)
        require_host(waiter.client)
        self.waiter = waiter
        self.process = process
        self.seconds = seconds
        self.processes = parse_processes(processes)
        self.max_deliveries = max_deliveries
        self.backoff = backoff
        self.timeout = _positive(timeout, "timeout")
        self.max_tasks = _positive(max_tasks, "max_tasks")
        self.max_memory = _bytes(max_memory, "max_memory")
        self.setup = setup
        self.teardown = teardown
        self._running = True
        self._inline: InlineWorker | None = None

    @property
    def consumer(self) -> Consumer:
        """What the inside is to know of this customer."""
        from .consumer import Consumer
        from .protocol.verdict import Policy

        return Consumer(
            queue=self.table_dish,
            client=self.waiter.client,
            handler=self.process,
            wait=self.seconds,
            processes=self.processes,
            policy=Policy(self.max_deliveries, self.backoff),
            timeout=self.timeout,
            max_tasks=self.max_tasks,
            max_memory=self.max_memory,
            setup=self.setup,
            teardown=self.teardown,
        )

    def call_waiter(self) -> Any:
        """Take one task and run it here. Returns what ``process`` returned, None if there was none.

        What ``process`` raises is raised here too, once the task is safe for another delivery.
        """
        claimed = self._here.claim()
        return self._here.run(*claimed) if claimed else None

    def call_waiter_cyclic(self, seconds: float) -> None:
        """Run tasks here until `terminate`; wait ``seconds`` after finding none.

        A task that fails does not end it, and neither does an absent server.
        """
        from .protocol.link import ServerTrouble

        outage = self._here.outage
        while self._running:
            try:
                claimed, pause = self._here.claim(), seconds
                outage.over()
            except ServerTrouble as error:
                claimed, pause = None, outage.note(error)
            if claimed:
                with suppress(Exception):  # it is in the log
                    self._here.run(*claimed)
            else:
                time.sleep(pause)

    def terminate(self) -> None:
        """Let `call_waiter_cyclic` return after the running task."""
        self._running = False

    @property
    def _here(self) -> InlineWorker:
        if self._inline is None or self._inline.pid != os.getpid():
            from .worker.inline import InlineWorker

            self._inline = InlineWorker(self.consumer)
        self._inline.consumer = self.consumer  # it may have been changed
        return self._inline


class WoodenManager:
    """Runs all customers' workers under one supervisor process.

    ``launch`` forks the supervisor and returns; ``run`` is the supervisor. Both take the fields of
    `Settings` as keywords. ``with manager:`` launches, and terminates at the end.
    """

    def __init__(self) -> None:
        self.customers: list[WoodenCustomer] = []
        self._launched: Launched | None = None

    def add_customer(self, customer: WoodenCustomer) -> None:
        _require(customer, WoodenCustomer, "customer")
        self.customers.append(customer)

    def launch(self, **settings: Unpack[Keywords]) -> None:
        """Fork the supervisor and return at once. The program goes on serving when its main part
        has ended; Ctrl-C, SIGTERM or its death drain the workers.

        Raises StartupError for settings that make no sense, Misuse when launched already, and where
        the module that calls it is imported by the supervisor's command or by a child process.
        """
        from .settings import Settings
        from .supervisor.hosts import require_own_program
        from .supervisor.launcher import launch

        require_own_program("launch()")
        if self._launched and self._launched.is_alive():
            raise Misuse("already launched: call terminate_all() first")
        consumers = [customer.consumer for customer in self.customers]
        self._launched = launch(consumers, Settings.for_this_program(**settings))

    def run(self, **settings: Unpack[Keywords]) -> int:
        """Be the supervisor, until a signal ends it; returns the exit code for the program.

        Raises StartupError where it cannot start, Misuse outside the main thread.
        """
        from .settings import Settings
        from .supervisor.boot import run
        from .supervisor.hosts import require_own_program

        require_own_program("run()")
        consumers = [customer.consumer for customer in self.customers]
        return run(consumers, Settings.for_this_program(**settings))

    def terminate_all(self) -> None:
        """Drain: let running tasks finish, give the rest back, and wait until all have left."""
        for customer in self.customers:
            customer.terminate()
        if self._launched:
            self._launched.terminate()
            self._launched = None

    def __enter__(self) -> WoodenManager:
        self.launch()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.terminate_all()


if __name__ == "__main__":
    from woodenwaiter.commands.demo import main

    raise SystemExit(main())
