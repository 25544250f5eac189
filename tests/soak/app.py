"""The application that the soak's supervisors load: handlers that do what handlers should not."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import random
import resource
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from inspect import isawaitable
from pathlib import Path
from typing import Any, NoReturn

import psutil

from woodenwaiter import (
    Backoff,
    Reject,
    Retry,
    WoodenCustomer,
    WoodenManager,
    WoodenWaiter,
    delivery,
    pace,
)

from .kinds import LIMITS, MAX_DELIVERIES, PLAIN, TIMEOUT
from .ledger import Ledger

LEDGER = Ledger(Path(os.environ["SOAK_LEDGER"]))
HOST = os.environ["SOAK_HOST"]
LEASE = float(os.environ["SOAK_LEASE"])

MEGABYTE = 1 << 20
MAX_MEMORY = 150 * MEGABYTE

leaked: list[bytes] = []
pools: dict[int, ProcessPoolExecutor] = {}  # of this process, by its pid


def dawdle() -> None:
    """What runs on a busy machine may be late, on either side of a fork."""
    time.sleep(random.choice([0, 0, 0, 0.2]))


os.register_at_fork(after_in_parent=dawdle, after_in_child=dawdle)


def born() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # many will die of what leaves a core
    LEDGER.note("born", pid=os.getpid(), host=HOST)


# What ends well.


def nothing() -> None:
    pass


def nap() -> None:
    time.sleep(0.02)


def slow() -> None:
    time.sleep(0.3)


def longer_than_a_lease() -> None:
    time.sleep(LEASE * 1.3)


def large() -> None:
    """Its payload is."""


def fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def zombie() -> None:
    if os.fork() == 0:
        os._exit(0)


def let_a_fork_return() -> None:
    os.fork()


def let_a_fork_exit() -> None:
    if os.fork() == 0:
        raise SystemExit(0)


def outlived_by_a_child() -> None:
    os.posix_spawn("/bin/sleep", ["sleep", "3600"], {})


async def coroutine() -> None:
    await asyncio.sleep(0.02)


async def leave_a_coroutine() -> None:
    asyncio.create_task(asyncio.sleep(3600))  # noqa: RUF006 - nobody is to keep it


def leave_a_thread() -> None:
    threading.Thread(target=time.sleep, args=(0.5,)).start()


def keep_a_pool() -> None:
    pool = pools.setdefault(os.getpid(), ProcessPoolExecutor(1))
    if pool.submit(abs, -1).result() != 1:
        raise AssertionError("the pool cannot count")


def keep_a_daemon() -> None:
    multiprocessing.Process(target=time.sleep, args=(3600,), daemon=True).start()


def outlived_by_a_session() -> None:
    """Found by its worker, but by nobody once that was killed."""
    os.posix_spawn("/bin/sleep", ["sleep", "10"], {}, setsid=True)


def signal_the_group() -> None:
    os.killpg(0, signal.SIGTERM)


def forget_signals() -> None:
    """As a library does that had them for a while."""
    for number in (signal.SIGTERM, signal.SIGTSTP, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)


def block_sigterm() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def replace_signal_handlers() -> None:
    for number in (signal.SIGTERM, signal.SIGTSTP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)


def close_descriptors() -> None:
    """Its worker may not notice at once: another task may be running when it dies."""
    LEDGER.note("doomed", pid=os.getpid())
    os.closerange(3, 256)


def leak() -> None:
    leaked.append(b"x" * (30 * MEGABYTE))


def flaky() -> None:
    if delivery().number == 1:
        raise OSError("only this time")


# What fails.


def exception() -> NoReturn:
    raise ValueError("\ud800 and other things that are hard to write down")


def system_exit() -> NoReturn:
    raise SystemExit(1)


def keyboard_interrupt() -> NoReturn:
    raise KeyboardInterrupt


def recursion() -> None:
    recursion()


def out_of_memory() -> None:
    """A real MemoryError, not the end of the worker."""
    former = resource.getrlimit(resource.RLIMIT_AS)
    limit = psutil.Process().memory_info().vms + 50 * MEGABYTE
    resource.setrlimit(resource.RLIMIT_AS, (limit, former[1]))
    try:
        eat()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, former)


def oversized() -> NoReturn:
    raise ValueError("and the payload is as large as can be")


def long_error() -> NoReturn:
    raise ValueError("x" * 20 * MEGABYTE)


def reject() -> NoReturn:
    raise Reject("as it should be")


def retry() -> NoReturn:
    raise Retry(after=0.05)


def hang() -> NoReturn:
    while True:
        time.sleep(0.01)


async def hang_in_an_await() -> None:
    await asyncio.sleep(3600)


def hang_deaf() -> NoReturn:
    """Hear nothing but SIGKILL."""
    for number in (signal.SIGALRM, signal.SIGWINCH, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(1)


def exit() -> NoReturn:  # noqa: A001 - that is what it does
    os._exit(3)


def segfault() -> None:
    ctypes.string_at(0)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def oversized_kill() -> None:
    kill()


def abort() -> NoReturn:
    os.abort()


def eat() -> NoReturn:
    eaten = []
    while True:
        eaten.append(bytearray(MEGABYTE))


def eat_until_killed() -> None:
    """As the kernel does it when a container's memory is used up."""
    try:
        out_of_memory()
    except MemoryError:
        kill()


FAILS: frozenset[Callable[[], Any]] = frozenset(
    {
        *(exception, system_exit, keyboard_interrupt, recursion, out_of_memory, reject, retry),
        *(hang, hang_in_an_await, hang_deaf, exit, segfault, kill, abort, eat_until_killed),
        *(oversized, oversized_kill, long_error),
    }
)


HANGS = (hang, hang_in_an_await, hang_deaf)


def handle(foods: dict[str, Any]) -> Awaitable[None] | None:
    task, pid = foods["id"], os.getpid()
    act: Callable[[], Awaitable[None] | None] = globals()[foods["kind"]]
    number = delivery().number
    LEDGER.note("start", task, pid=pid, host=HOST, number=number)
    if act in FAILS or (act is flaky and number == 1):
        hangs = TIMEOUT + pace.TIMEOUT_GRACE + 1 if act in HANGS else 0
        LEDGER.note("failing", task, pid=pid, until=time.monotonic() + hangs)
    returned = act()
    if isawaitable(returned):
        return end_after(returned, task)
    if os.getpid() == pid:
        LEDGER.note("end", task, pid=pid)
    return None


async def end_after(awaitable: Awaitable[None], task: str) -> None:
    await awaitable
    LEDGER.note("end", task, pid=os.getpid())


def customer(queue: str, **options: Any) -> WoodenCustomer:
    table, dish = queue.split(":")
    backoff = Backoff(first=0.1, longest=1.0)
    return WoodenCustomer(
        *(table, dish, WoodenWaiter(), handle),
        processes=2,
        max_deliveries=MAX_DELIVERIES,
        backoff=backoff,
        setup=born,
        **options,
    )


manager = WoodenManager()
manager.add_customer(customer(PLAIN))
manager.add_customer(customer(LIMITS, timeout=TIMEOUT, max_tasks=300, max_memory=MAX_MEMORY))
