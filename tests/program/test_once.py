"""--once: serve until nothing is left to do, then leave."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from woodenwaiter import Backoff
from woodenwaiter.errors import EXIT_KILLED, EXIT_SETUP
from woodenwaiter.protocol.link import Link

from ..application import Application, Code, customer
from ..counting import CountingQueue
from ..support import Server, eventually, free_port

LEAVING = "leaving: nothing is left to do"


def test_all_is_done_and_it_leaves(app: Application) -> None:
    app.push(*({"n": n, "sleep": 0.002} for n in range(200)))
    supervisor = app.serve("--once")
    assert supervisor.wait() == 0
    assert app.done == app.begun == list(range(200))
    assert supervisor.log.count(LEAVING) == 1
    assert "tasks done: 200" in supervisor.logged("drained in")
    assert not supervisor.left_behind()


def test_soon_after_the_last_task(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve("--once")
    eventually(lambda: app.begun)
    app.let_go(0)
    eventually(lambda: app.done)
    done = time.monotonic()
    supervisor.logged(LEAVING)
    assert time.monotonic() - done < 2  # 0.5 on a machine with nothing else to do
    assert supervisor.wait() == 0


def test_empty_from_the_start_it_leaves_once_workers_are_up(app: Application) -> None:
    app.write(processes=1, setup=Code("setup"), text="def setup(): note('up', time.sleep(0.5))")
    assert app.serve("--once").wait() == 0
    assert app.noted("up") == ["None"]


def test_retries_are_awaited(app: Application) -> None:
    then = 'if delivery().number < 3: raise ValueError("not yet")'
    app.write(then=then, backoff=Code("Backoff(0.7, 0.7)"))
    app.push({"n": 0})
    assert app.serve("--once").wait() == 0
    assert (app.begun, app.done) == ([0, 0, 0], [0])
    assert not app.delayed()


def test_tasks_that_tasks_push_are_awaited(app: Application) -> None:
    then = """
        if foods["n"] < 20:
            WoodenWaiter().take_dish("t:d", {"n": foods["n"] + 1})
    """
    app.write(then=then)
    app.push({"n": 0})
    assert app.serve("--once").wait() == 0
    assert app.done == list(range(21))


def test_what_is_never_due_and_what_is_paused_is_not_awaited(app: Application) -> None:
    app.write(customer("t:d"), customer("t:e"))
    app.client.zadd("{t:d}:delayed", {"{}": "inf"})
    app.client.set("{t:e}:paused", "1 {}")
    app.client.lpush("t:e", "{}")
    app.client.zadd("{t:e}:delayed", {"{}": 1e15})
    assert app.serve("--once").wait() == 0
    assert app.client.llen("t:e") == app.client.zcard("{t:e}:delayed") == 1


def test_what_others_hold_is_not_awaited(app: Application, queue: CountingQueue) -> None:
    app.push({"n": 0})
    queue.enroll("another/1", 0)
    assert queue.claim("another/1", 0, 1)
    assert app.serve("--once").wait() == 0
    assert not app.begun
    assert app.client.llen("{t:d}:claims:another/1") == 1


def test_what_others_give_back_is_found(app: Application) -> None:
    link = Link(app.client, timeout=10)
    another = CountingQueue(link, "t:d", lease=1)
    app.push({"n": 1})
    another.enroll("another/1", 0)
    assert another.claim("another/1", 0, 1)
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve("--once", "--lease-seconds", "1")
    eventually(lambda: app.done == [1], "what another held when its lease ran out")
    app.let_go(0)
    assert supervisor.wait() == 0
    assert app.done == [0, 1]
    link.close()


def test_redis_that_is_away_is_awaited(
    app: Application, make_server: Callable[..., Server]
) -> None:
    server = make_server()
    away = app.at(server)
    away.push({"n": 0, "sleep": 300}, {"n": 1})
    supervisor = away.serve("--once", "--processes", "1")
    eventually(lambda: app.begun)
    server.stop()
    app.let_go(0)
    eventually(lambda: app.done == [0])
    supervisor.logged("Redis at")
    assert supervisor.process.poll() is None
    assert LEAVING not in supervisor.log
    server.start()
    assert supervisor.wait() == 0
    assert app.done == [0, 1]


def test_several_servers(app: Application, make_server: Callable[..., Server]) -> None:
    server = make_server()
    app.write(customer("t:d"), customer("t:e", f"WoodenWaiter(port={server.port})"))
    app.push({"n": 0})
    server.client.lpush("t:e", '{"n": 1, "sleep": 300}')
    supervisor = app.serve("--once")
    eventually(lambda: app.done == [0])
    eventually(lambda: len(app.begun) == 2)
    assert LEAVING not in supervisor.log
    app.let_go(1)
    assert supervisor.wait() == 0
    assert app.done == [0, 1]


@pytest.mark.parametrize("options", [(), ("--cpus", "1")])
def test_workers_that_follow_the_load(app: Application, options: tuple[str, ...]) -> None:
    app.write(*(customer(f"t:{dish}", processes=(0, 2)) for dish in "def"))
    app.push(*({"n": n} for n in range(10)))
    app.client.lpush("t:f", '{"n": 10}')
    supervisor = app.serve("--once", *options)
    assert supervisor.wait() == 0
    assert app.done == list(range(11))
    assert "worker t:e" not in supervisor.log


def test_embedded_server(app: Application) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    app.write(setup=Code("setup"), text="def setup(): WoodenWaiter().take_dish('t:d', {'n': 0})")
    for times in (1, 2):
        assert app.serve("--once", "--embedded", "data", WOODENWAITER_REDIS_URL=url).wait() == 0
        assert len(app.done) == 2 * times


def test_task_that_kills_its_worker_is_seen_to(app: Application) -> None:
    app.write(max_deliveries=2, backoff=Backoff(0, 0))
    app.push({"n": 0, "kill": 9})
    assert app.serve("--once").wait() == 0
    assert (app.begun, len(app.letters())) == ([0, 0], 1)


def test_exit_codes_are_those_of_any_drain(app: Application) -> None:
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve("--once", "--drain-seconds", "0.1")
    eventually(lambda: app.begun)
    assert supervisor.stop() == EXIT_KILLED
    app.client.delete("t:d")
    app.write(setup=Code("setup"), text="def setup(): raise ValueError")
    assert app.serve("--once", "--setup-wait", "1").wait() == EXIT_SETUP


def test_variable(app: Application) -> None:
    assert app.serve(WOODENWAITER_ONCE="yes").wait() == 0


@pytest.mark.parametrize(
    "main", ["raise SystemExit(manager.run(once=True))", "manager.launch(once=True)"]
)
def test_in_python(app: Application, main: str) -> None:
    app.push(*({"n": n} for n in range(5)))
    assert app.run(main).wait() == 0
    assert app.done == list(range(5))
