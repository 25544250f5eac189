"""The five classes, under the import path they have always had. ``python -m`` runs the demo."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

import redis

from .arguments import (
    number_of_bytes,
    positive,
    queue_of,
    require,
    require_function,
    require_number,
    require_servable,
    weight,
)
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
    from .hooks import Hook, Hooks
    from .protocol.durable import Pusher
    from .settings import Keywords, Processes
    from .supervisor.launcher import Launched
    from .worker.inline import InlineWorker

Foods = dict[str, Any]
Handler = Callable[[Foods], Any]


class WoodenMenu:
    """What a cooker makes: ``foods``, a dict that JSON can hold, for the queue ``table:dish``."""

    def __init__(self, table: str, dish: str, foods: Foods) -> None:
        require(foods, dict, "foods")
        self.set_menu(table, dish, foods)

    def set_menu(self, table: str, dish: str, foods: Foods) -> None:
        self.table = table
        self.dish = dish
        self.foods = foods

    def get_menu(self) -> tuple[str, Foods]:
        """The queue's name and the foods."""
        return queue_of(self.table, self.dish), self.foods


class WoodenWaiter:
    """Carries tasks to and from one Redis database.

    Further keyword arguments go to ``redis.Redis``: ``username``, ``password``, ``ssl``, … Without
    any argument, the URL in the environment variable ``WOODENWAITER_REDIS_URL`` counts.
    ``durable``: replicas of the server that are to have a task when `take_dish` returns, and what
    this waiter's customers have done before they go on.
    """

    client: Client
    _redis_clt: Client

    def __init__(
        self,
        host: str = "localhost",
        port: int | str = "6379",
        db: int = 0,
        *,
        durable: int = 0,
        **options: Any,
    ) -> None:
        given = (host, port, db) != ("localhost", "6379", 0) or options
        client = None if given else client_from_environment()
        if "://" in str(host):
            raise WrongValue("host must be a host's name: WoodenWaiter.from_url(…) takes a URL")
        if str(host).count(":") == 1:
            raise WrongValue("host must be a host's name alone: the port is an argument of its own")
        self.redis_clt = client or redis.Redis(host=host, port=valid_port(port), db=db, **options)
        self._be_durable(durable)

    @classmethod
    def from_url(cls, url: str, *, durable: int = 0, **options: Any) -> WoodenWaiter:
        """A waiter for one of the URLs that README.rst tells of; raises WrongValue for another."""
        waiter = cls.__new__(cls)
        waiter.redis_clt = client_at(url, **options)
        waiter._be_durable(durable)
        return waiter

    def _be_durable(self, durable: int) -> None:
        require(durable, int, "durable")
        if durable < 0:
            raise WrongValue(f"durable must be a number of replicas, not {durable!r}")
        self.durable = durable

    @cached_property
    def _pusher(self) -> Pusher:
        from .protocol.durable import Pusher

        return Pusher(self.client, self.durable)

    @property
    def redis_clt(self) -> Any:
        """The client that pushes and pops; for a cluster, it connects at its first use here."""
        if isinstance(self._redis_clt, Source):
            self._redis_clt = self._redis_clt.client()
        return self._redis_clt

    @redis_clt.setter
    def redis_clt(self, client: Client) -> None:
        self.client = self._redis_clt = client
        self.__dict__.pop("_pusher", None)

    def take_dish(self, table_dish: str, foods: Foods) -> None:
        """Push a task: ``LPUSH table:dish`` with the foods as JSON. Raises NotReplicated where
        fewer replicas have it in a second than a durable waiter promises."""
        require(foods, dict, "foods")
        if self.durable:
            self._pusher.push(table_dish, payload_of(foods))
        else:
            self._ask("lpush", table_dish, payload_of(foods))

    def serve_dish(self, table_dish: str) -> Any:
        """Pop a task and return its foods, or None. If the caller dies now, the task is lost;
        customers have a better way."""
        raw = self._ask("rpop", table_dish)
        return None if raw is None else json.loads(load(raw).payload.decode())

    def _ask(self, command: str, *arguments: Any) -> Any:
        try:
            return getattr(self.redis_clt, command)(*arguments)
        except redis.ResponseError as error:
            from .protocol.replies import is_redirect

            if not is_redirect(error):
                raise
            raise elsewhere(self.client) from error


class WoodenCooker:
    """Pushes the tasks on a menu."""

    def __init__(self, menu: WoodenMenu, waiter: WoodenWaiter) -> None:
        self.set_menu(menu)
        self.set_waiter(waiter)

    def set_menu(self, menu: WoodenMenu) -> None:
        require(menu, WoodenMenu, "menu")
        self.menu = menu

    def set_waiter(self, waiter: WoodenWaiter) -> None:
        require(waiter, WoodenWaiter, "waiter")
        self.waiter = waiter

    def cookone(self, menu: WoodenMenu | None = None) -> None:
        """Push one task, of this menu or else of the cooker's own."""
        if menu is None:
            menu = self.menu
        require(menu, WoodenMenu, "menu")
        self.waiter.take_dish(*menu.get_menu())


class WoodenCustomer:
    """What to run for the tasks of the queue ``table:dish``, and in how many processes.

    process: called with each task's foods; its return value is dropped. A coroutine is run to its
        end, one at a time, on one event loop that the worker keeps.
    seconds: the length of a wait for tasks; a tenth of a lease, if that is longer, once a wait was
        in vain. A task that comes ends it. There is no sleep while there is work.
    processes: workers per supervisor, or "cpus" for as many as this machine or container can run;
        ``(least, most)``: as many as have work to do, where least may be 0.
    share: where all supervisor's queues together have more work than it may have workers (see
        ``--cpus``), this one's part beside the others'.
    max_deliveries: how often a task is tried before it goes to the dead letters.
    backoff: how long from a failure to the next try; see `Backoff`.
    timeout: seconds that a task may take; then `TaskTimeout` is raised in ``process``, and if that
        does not end it within 5 s, the worker and all that it spawned are killed. Either way the
        delivery has failed.
    stall_timeout: likewise, seconds that a task may go without `Delivery.progress`, which any call
        of it starts anew; then it is `TaskStalled`, which is a `TaskTimeout`.
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
        share: float = 1.0,
        max_deliveries: int = 5,
        backoff: Backoff = Backoff(),  # noqa: B008 - immutable
        timeout: float | None = None,
        stall_timeout: float | None = None,
        max_tasks: int | None = None,
        max_memory: int | None = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[[], Any] | None = None,
    ) -> None:
        from .settings import parse_processes

        require(waiter, WoodenWaiter, "waiter")
        require(max_deliveries, int, "max_deliveries")
        positive(max_deliveries, "max_deliveries")
        require(backoff, Backoff, "backoff")
        require_function(process, "process", {}, takes="the foods as its only argument")
        require_number(seconds, "seconds")
        if setup is not None:
            require_function(setup, "setup")
        if teardown is not None:
            require_function(teardown, "teardown")
        self.table_dish = queue_of(table, dish)
        require_servable(table, dish)
        require_host(waiter.client)
        self.waiter = waiter
        self.process = process
        self.seconds = seconds
        self.processes = parse_processes(processes)
        self.share = weight(share, "share")
        self.max_deliveries = max_deliveries
        self.backoff = backoff
        self.timeout = positive(timeout, "timeout")
        self.stall_timeout = positive(stall_timeout, "stall_timeout")
        self.max_tasks = positive(max_tasks, "max_tasks")
        self.max_memory = number_of_bytes(max_memory, "max_memory")
        self.setup = setup
        self.teardown = teardown
        self.hooks: Hooks | None = None  # its manager's
        self._running = True
        self._inline: InlineWorker | None = None

    @property
    def consumer(self) -> Consumer:
        """What the inside is to know of this customer."""
        from .consumer import Consumer
        from .hooks import Hooks
        from .protocol.verdict import Policy

        return Consumer(
            queue=self.table_dish,
            client=self.waiter.client,
            handler=self.process,
            wait=self.seconds,
            processes=self.processes,
            share=self.share,
            policy=Policy(self.max_deliveries, self.backoff),
            timeout=self.timeout,
            stall_timeout=self.stall_timeout,
            max_tasks=self.max_tasks,
            max_memory=self.max_memory,
            setup=self.setup,
            teardown=self.teardown,
            durable=self.waiter.durable,
            hooks=self.hooks or Hooks(),
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

    on_failure, on_dead: called with a `Mishap` for each delivery that failed, and for each task
        that went to the dead letters: in its worker, or in a process of its own where that died.
    on_worker_death: likewise for each worker that neither left by itself nor was made to.
    """

    def __init__(
        self, *, on_failure: Hook = None, on_dead: Hook = None, on_worker_death: Hook = None
    ) -> None:
        from .hooks import Hooks

        self.customers: list[WoodenCustomer] = []
        self._launched: Launched | None = None
        self._hooks = Hooks(on_failure, on_dead, on_worker_death)

    def add_customer(self, customer: WoodenCustomer) -> None:
        require(customer, WoodenCustomer, "customer")
        customer.hooks = self._hooks
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
