"""Tasks run in the calling process."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from woodenwaiter import Backoff, Delivery, Reject, Retry, WoodenCustomer, WoodenWaiter, delivery
from woodenwaiter.worker import inline as inline_module
from woodenwaiter.worker.inline import InlineWorker

from ..application import Application
from ..support import Server, eventually

Handler = Callable[[dict[str, Any]], Any]
AT_ONCE = Backoff(0, 0)
DELAYED, DEAD, LEASES = "{t:d}:delayed", "{t:d}:dead", "{t:d}:leases"


@pytest.fixture
def customer_of(server: Server) -> Iterator[Callable[..., WoodenCustomer]]:
    """Makes a customer of the queue ``t:d``, and closes its connection afterwards."""
    made: list[WoodenCustomer] = []

    def make(process: Handler, **policy: Any) -> WoodenCustomer:
        waiter = WoodenWaiter.from_url(server.url)
        made.append(WoodenCustomer("t", "d", waiter, process, **policy))
        return made[-1]

    yield make
    for customer in made:
        if customer._inline:
            customer._inline._queue.link.close()
        customer.waiter.redis_clt.close()


def push(client: Any, *tasks: dict[str, Any]) -> None:
    for task in tasks:
        client.lpush("t:d", json.dumps(task))


def left_behind(client: Any) -> set[bytes]:
    """The keys that are there, but for the list of queues, the mark of the server's clock and what
    is counted."""
    return set(client.keys()) - {b"woodenwaiter:queues", b"{t:d}:clock", b"{t:d}:tally"}


def test_returns_what_the_handler_returns(
    customer_of: Callable[..., WoodenCustomer], client: Any
) -> None:
    customer = customer_of(lambda foods: foods["n"] * 2)
    push(client, {"n": 1}, {"n": 2})
    assert [customer.call_waiter() for _ in range(3)] == [2, 4, None]
    assert not left_behind(client)


def test_what_the_handler_raises_is_raised_and_the_task_comes_again(
    customer_of: Callable[..., WoodenCustomer], client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    deliveries: list[Delivery] = []

    def handle(foods: dict[str, Any]) -> str:
        deliveries.append(delivery())
        if len(deliveries) == 1:
            raise LookupError("once")
        return "done"

    customer = customer_of(handle, max_deliveries=2, backoff=AT_ONCE)
    push(client, {"n": 1})
    with pytest.raises(LookupError, match="once"):
        customer.call_waiter()
    assert eventually(customer.call_waiter) == "done"
    first, second = deliveries
    assert first.id == second.id
    assert [(d.number, d.last) for d in deliveries] == [(1, False), (2, True)]
    assert "LookupError: once; delivery 2 of 2" in caplog.text
    assert not left_behind(client)


def test_delivery_is_for_handlers_alone(
    customer_of: Callable[..., WoodenCustomer], client: Any
) -> None:
    customer = customer_of(lambda foods: delivery().number)
    push(client, {})
    assert customer.call_waiter() == 1
    with pytest.raises(RuntimeError, match="only inside a handler"):
        delivery()


def test_rejected_task_is_buried_at_once(
    customer_of: Callable[..., WoodenCustomer], client: Any
) -> None:
    def handle(foods: dict[str, Any]) -> None:
        raise Reject(foods["why"])

    push(client, {"why": "too old"})
    with pytest.raises(Reject):
        customer_of(handle).call_waiter()
    [(_, letter)] = client.xrange(DEAD)
    assert (letter[b"reason"], letter[b"error"]) == (b"rejected", b"too old")
    assert json.loads(letter[b"payload"]) == {"why": "too old"}
    assert left_behind(client) == {DEAD.encode()}


def test_retry_says_when(customer_of: Callable[..., WoodenCustomer], client: Any) -> None:
    def handle(foods: dict[str, Any]) -> None:
        raise Retry(after=1000)

    push(client, {})
    with pytest.raises(Retry):
        customer_of(handle).call_waiter()
    [(_, due)] = client.zrange(DELAYED, 0, -1, withscores=True)
    assert 900 < due / 1000 - client.time()[0] <= 1001


@pytest.mark.parametrize("raw", [b"no JSON", b"[]", b"\xff", b'\x1e{"id": 1}\n{}'])
def test_what_is_no_task_is_buried_whole(
    customer_of: Callable[..., WoodenCustomer], client: Any, raw: bytes
) -> None:
    client.lpush("t:d", raw)
    with pytest.raises(ValueError, match=r".+"):
        customer_of(print).call_waiter()
    [(_, letter)] = client.xrange(DEAD)
    assert letter[b"payload"] == raw
    assert left_behind(client) == {DEAD.encode()}


def test_ctrl_c_is_not_the_tasks_fault(
    customer_of: Callable[..., WoodenCustomer], client: Any
) -> None:
    def handle(foods: dict[str, Any]) -> None:
        signal.raise_signal(signal.SIGINT)

    push(client, {"n": 1})
    with pytest.raises(KeyboardInterrupt):
        customer_of(handle).call_waiter()
    assert client.lrange("t:d", 0, -1) == [b'{"n": 1}']
    assert left_behind(client) == {b"t:d"}


def test_cycle_outlives_failures_until_terminated(
    customer_of: Callable[..., WoodenCustomer], client: Any
) -> None:
    seen = []

    def handle(foods: dict[str, Any]) -> None:
        seen.append(foods["n"])
        if foods["n"] == 3:
            customer.terminate()
        elif foods["n"] == 1:
            raise LookupError

    customer = customer_of(handle, max_deliveries=1)
    push(client, {"n": 0}, {"n": 1}, {"n": 2}, {"n": 3}, {"n": 4})
    customer.call_waiter_cyclic(0)
    assert seen == [0, 1, 2, 3]
    assert client.lrange("t:d", 0, -1) == [b'{"n": 4}']
    assert client.xlen(DEAD) == 1


def test_cycle_waits_while_there_is_nothing(
    customer_of: Callable[..., WoodenCustomer], client: Any
) -> None:
    seen = threading.Event()
    customer = customer_of(lambda foods: seen.set())
    cycle = threading.Thread(target=customer.call_waiter_cyclic, args=(0.05,))
    cycle.start()
    eventually(lambda: client.exists("woodenwaiter:queues"))
    push(client, {})
    assert seen.wait(20)
    customer.terminate()
    cycle.join(20)
    assert not cycle.is_alive()
    assert not left_behind(client)


def test_cycle_outlives_the_server(
    make_server: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    server = make_server()
    seen = threading.Event()
    waiter = WoodenWaiter.from_url(server.url)
    customer = WoodenCustomer("t", "d", waiter, lambda foods: seen.set())
    cycle = threading.Thread(target=customer.call_waiter_cyclic, args=(0.01,))
    cycle.start()
    eventually(lambda: server.client.exists("woodenwaiter:queues"))
    server.stop()
    eventually(lambda: "trying again until it works" in caplog.text)
    server.start()
    push(server.client, {})
    assert seen.wait(20)
    eventually(lambda: "works again" in caplog.text)
    customer.terminate()
    cycle.join(20)
    assert customer._inline
    customer._inline._queue.link.close()
    waiter.redis_clt.close()


def test_absent_server_is_told_to_who_calls_once(make_server: Callable[..., Server]) -> None:
    server = make_server()
    server.stop()
    waiter = WoodenWaiter.from_url(server.url)
    with pytest.raises(redis.ConnectionError):
        WoodenCustomer("t", "d", waiter, print).call_waiter()


def test_lease_is_renewed_while_a_handler_runs(
    customer_of: Callable[..., WoodenCustomer], client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline_module, "LEASE", 1.0)

    def handle(foods: dict[str, Any]) -> str:
        [(owner, first)] = client.zrange(LEASES, 0, -1, withscores=True)
        # A lease later it would have run out, had nobody renewed it.
        eventually(lambda: client.zscore(LEASES, owner) > first + 1000)
        return "done"

    push(client, {})
    assert customer_of(handle).call_waiter() == "done"
    assert not left_behind(client)


def test_task_of_a_program_that_died_is_taken_over(
    app: Application,
    customer_of: Callable[..., WoodenCustomer],
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app.push({"n": 1}, {"n": 2})
    app.write(handler="os.kill(os.getpid(), signal.SIGKILL)")
    main = """
        from woodenwaiter.worker import inline
        inline.LEASE = 1.0
        manager.customers[0].call_waiter()
    """
    assert app.run(main).wait() == -signal.SIGKILL
    monkeypatch.setattr(inline_module, "LEASE", 1.0)
    customer = customer_of(lambda foods: foods["n"], backoff=AT_ONCE)
    assert customer.call_waiter() == 2
    assert eventually(customer.call_waiter) == 1
    assert not left_behind(client)


def test_forked_program_has_a_connection_of_its_own(app: Application) -> None:
    app.push({"n": 1}, {"n": 2}, {"n": 3})
    app.write(handler='return foods["n"]')
    main = """
        [customer] = manager.customers

        def serve():
            n = customer.call_waiter()
            print(n, customer._inline._queue.link.call("CLIENT", "ID"), flush=True)

        serve()
        if not (pid := os.fork()):
            serve()
            os._exit(0)
        os.waitpid(pid, 0)
        serve()
    """
    program = app.run(main)
    assert program.wait() == 0
    parents, childs, parents_again = [line.split() for line in program.log.splitlines()]
    assert [parents[0], childs[0], parents_again[0]] == ["1", "2", "3"]
    assert parents[1] == parents_again[1] != childs[1]


def test_owners_of_two_workers_differ(customer_of: Callable[..., WoodenCustomer]) -> None:
    customer = customer_of(print)
    one, other = InlineWorker(customer.consumer), InlineWorker(customer.consumer)
    assert next(one._owners) != next(other._owners) != next(other._owners)


def test_customer_may_be_called_from_several_threads(
    customer_of: Callable[..., WoodenCustomer], client: Any
) -> None:
    done: list[int] = []
    customer = customer_of(lambda foods: done.append(foods["n"]))
    push(client, *({"n": n} for n in range(300)))
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while client.llen("t:d"):
                customer.call_waiter()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(done) == list(range(300))
    assert not left_behind(client)
