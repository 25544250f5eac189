"""What a handler gave to a thread is done before its worker ends."""

from __future__ import annotations

import pytest

from ..application import Application
from ..support import eventually

LATER = """
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor()

    def later(foods):
        time.sleep(0.5)
        note("later", foods["n"])

    def thread(foods):
        threading.Thread(target=later, args=[foods]).start()

    def executor(foods):
        pool.submit(later, foods)
"""


@pytest.mark.parametrize("way", ["thread", "executor"])
def test_drain_waits_for_threads(app: Application, way: str) -> None:
    app.push({"n": 0})
    app.write(text=LATER, handler=f'{way}(foods)\nnote("done", foods["n"])', processes=1)
    supervisor = app.serve()
    eventually(lambda: app.done)
    assert supervisor.stop() == 0
    assert app.numbers("later") == [0]


def test_recycled_worker_waits_for_threads(app: Application) -> None:
    app.push({"n": 0}, {"n": 1})
    app.write(text=LATER, handler="thread(foods)", processes=1, max_tasks=1)
    supervisor = app.serve()
    eventually(lambda: app.numbers("later") == [0, 1])
    assert supervisor.stop() == 0


def test_thread_that_does_not_end_is_cut_off_after_the_drain(app: Application) -> None:
    handler = """
        threading.Thread(target=time.sleep, args=[300]).start()
        note("done", foods["n"])
    """
    app.push({"n": 0})
    app.write(handler=handler, processes=1)
    supervisor = app.serve("--drain-seconds", "1")
    eventually(lambda: app.done)
    assert supervisor.stop() == 1
    assert not supervisor.left_behind()
    assert not app.letters()
    assert not app.delayed()
