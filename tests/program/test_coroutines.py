"""Handlers that are coroutines run to their end, on one event loop."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from woodenwaiter import Misuse, WoodenCustomer, WoodenWaiter, WrongType

from ..application import Application, Code
from ..support import eventually

KINDS = """
    import asyncio
    from functools import partial

    async def run(foods):
        await asyncio.sleep(0.01)
        note("done", foods["n"])

    class Runner:
        async def run(self, foods):
            await run(foods)

        async def __call__(self, foods):
            await run(foods)

    class Promise:
        def __init__(self, foods):
            self.foods = foods

        def __await__(self):
            return run(self.foods).__await__()

    kinds = {
        "function": run,
        "partial": partial(run),
        "method": Runner().run,
        "object": Runner(),
        "lambda": lambda foods: run(foods),
        "promise": Promise,
        "task": lambda foods: asyncio.get_event_loop().create_task(run(foods)),
    }
"""


@pytest.mark.parametrize("kind", ["function", "partial", "method", "object", "lambda", "promise"])
def test_coroutine_of_any_kind_is_run(app: Application, kind: str) -> None:
    app.push(*({"n": n} for n in range(20)))
    app.write(text=KINDS, handler=f"return kinds[{kind!r}](foods)", processes=1)
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 20)
    assert supervisor.stop() == 0
    assert app.done == list(range(20))
    assert not app.letters()


def test_loop_is_one_and_the_same(app: Application) -> None:
    """What setup puts there, every handler finds, and teardown."""
    text = """
        import asyncio
        loops = []

        async def begin():
            loops.append(asyncio.get_running_loop())
            note("begun", 0)

        async def run():
            assert asyncio.get_running_loop() is loops[0]

        async def end():
            await run()
            note("begun", 1)
    """
    app.push(*({"n": n} for n in range(3)))
    app.write(
        text=text,
        handler='note("done", foods["n"])\nreturn run()',
        processes=1,
        setup=Code("begin"),
        teardown=Code("end"),
    )
    supervisor = app.serve()
    eventually(lambda: app.done == [0, 1, 2])
    assert supervisor.stop() == 0
    assert app.begun == [0, 1]
    assert not app.letters()
    assert not app.delayed()


WAITS = """
    import asyncio

    async def wait(foods):
        note("begun", foods["n"])
        try:
            await asyncio.gather(asyncio.sleep(foods.get("sleep", 0)))
        finally:
            await asyncio.sleep(0.01)
            note("ended", foods["n"])
        note("done", foods["n"])
"""


def test_time_limit_reaches_into_an_await(app: Application) -> None:
    app.push({"n": 0, "sleep": 300}, {"n": 1})
    app.write(text=WAITS, handler="return wait(foods)", processes=1, timeout=0.3, max_deliveries=1)
    supervisor = app.serve()
    eventually(app.letters)
    eventually(lambda: app.done == [1])
    [worker] = supervisor.workers()
    assert supervisor.stop() == 0
    assert f"(pid {worker.pid}) started" in supervisor.log
    assert supervisor.log.count("#0 (pid") == 2, "it was not replaced"
    [letter] = app.letters()
    assert letter[b"reason"] == b"the time limit was exceeded"
    assert b"in wait" in letter[b"traceback"]
    assert b"awaiting.py" not in letter[b"traceback"], "how it came there"
    assert app.numbers("ended") == [0, 1]


def test_time_limit_is_raised_in_a_coroutine_that_does_not_wait(app: Application) -> None:
    text = """
        async def work(foods):
            time.sleep(foods["sleep"])
    """
    app.push({"n": 0, "sleep": 300})
    app.write(text=text, handler="return work(foods)", timeout=0.3, max_deliveries=1)
    app.serve()
    [letter] = eventually(app.letters)
    assert letter[b"reason"] == b"the time limit was exceeded"
    assert b"in work" in letter[b"traceback"]


def test_drain_waits_for_a_coroutine(app: Application) -> None:
    app.push({"n": 0, "sleep": 1})
    app.write(text=WAITS, handler="return wait(foods)", processes=1)
    supervisor = app.serve()
    eventually(lambda: app.begun)
    assert supervisor.stop() == 0
    assert app.done == [0]


def test_what_is_left_running_is_cancelled_and_named(app: Application) -> None:
    text = """
        import asyncio
        left = []

        async def linger():
            try:
                await asyncio.sleep(300)
            finally:
                note("ended", 0)

        async def leave(foods):
            left.append(asyncio.create_task(linger()))
            await asyncio.sleep(0)
            note("done", foods["n"])
    """
    app.push({"n": 0})
    app.write(text=text, handler="return leave(foods)", processes=1)
    supervisor = app.serve()
    eventually(lambda: app.done)
    assert supervisor.stop() == 0
    assert "linger" in supervisor.logged("left running on the event loop is cancelled")
    assert app.numbers("ended") == [0]


def test_generator_that_is_returned_is_a_failure(app: Application) -> None:
    app.push({"n": 0})
    app.write(handler="return (n for n in range(3))", max_deliveries=1)
    app.serve()
    [letter] = eventually(app.letters)
    assert b"nobody runs" in letter[b"error"]


# In the calling process, and when a customer is made.


async def double(foods: dict[str, Any]) -> int:
    await asyncio.sleep(0)
    return 2 * int(foods["n"])


def customer_of(process: Any, **options: Any) -> WoodenCustomer:
    return WoodenCustomer("t", "d", WoodenWaiter(), process, **options)


def test_call_waiter_runs_a_coroutine(app: Application) -> None:
    waiter = WoodenWaiter.from_url(app.url)
    customer = WoodenCustomer("t", "d", waiter, partial(double))
    app.push({"n": 4}, {"n": 5})
    assert [customer.call_waiter() for _ in range(3)] == [8, 10, None]


def test_call_waiter_runs_no_coroutine_inside_another(app: Application) -> None:
    """Nothing is claimed for it."""
    waiter = WoodenWaiter.from_url(app.url)
    customer = WoodenCustomer("t", "d", waiter, double)
    app.push({"n": 4})

    async def main() -> None:
        customer.call_waiter()

    with pytest.raises(Misuse, match="event loop"):
        asyncio.run(main())
    assert app.waiting() == [4]


def generate(foods: dict[str, Any]) -> Any:
    yield foods


async def generate_late(foods: dict[str, Any]) -> Any:
    yield foods


class Generator:
    def run(self, foods: dict[str, Any]) -> Any:
        yield foods

    def __call__(self, foods: dict[str, Any]) -> Any:
        yield foods


@pytest.mark.parametrize(
    "process", [generate, generate_late, partial(generate), Generator().run, Generator()]
)
def test_generator_is_refused(process: Any) -> None:
    with pytest.raises(WrongType, match="generator"):
        customer_of(process)


@pytest.mark.parametrize(
    "process",
    [lambda: None, lambda a, b: None, partial(double, {}), lambda *, foods: None, int.__add__],
)
def test_wrong_number_of_parameters_is_refused(process: Any) -> None:
    with pytest.raises(WrongType, match="the foods as its only argument"):
        customer_of(process)


@pytest.mark.parametrize("process", [print, dict, lambda foods, more=1: None, lambda *all_of_it: 1])
def test_right_number_of_parameters_is_taken(process: Any) -> None:
    customer_of(process)


@pytest.mark.parametrize("option", ["setup", "teardown"])
def test_setup_takes_no_argument(option: str) -> None:
    with pytest.raises(WrongType, match=f"{option} must take no argument"):
        customer_of(print, **{option: lambda foods: None})
