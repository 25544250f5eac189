"""What handlers tell of their progress, and what becomes of those that tell nothing."""

from __future__ import annotations

import re
import signal

import pytest

from woodenwaiter.processes.tree import find, is_alive

from ..application import Application
from ..support import eventually
from .test_limits import HASTE


def test_report_and_title_tell_how_far_a_task_is(app: Application) -> None:
    handler = """
        this = delivery()
        this.progress(0.4, "page 3 of 8\\n\\x1b[31m" + "é" * 500)
        note("begun", 0)
        while not os.path.exists("go"):
            time.sleep(0.01)
        while not os.path.exists("stop"):
            this.progress(0.875)
            time.sleep(0.01)
        note("done", 0)
    """
    app.write(handler=handler, processes=1)
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: app.begun)
    eventually(lambda: supervisor.titled(r"t:d #0 task 1 at 40%: page 3 of 8\n\x1b[31méé"))
    supervisor.signal(signal.SIGUSR1)
    line = supervisor.logged("runs claim")
    assert re.search(r" s, at 40%: page 3 of 8\\n\\x1b\[31m[éu\\xe9]+, told [\d.]+ s ago; ", line)
    (app.folder / "go").touch()
    eventually(lambda: supervisor.titled("t:d #0 task 1 at 88%"))
    (app.folder / "stop").touch()
    eventually(lambda: app.done)
    eventually(lambda: supervisor.titled("t:d #0 idle"))
    assert supervisor.stop() == 0


def test_title_changes_once_a_second_however_often_a_task_tells(app: Application) -> None:
    text = """
        import setproctitle
        from woodenwaiter.worker import title
        def entitle(text):
            note("titles", text)
            setproctitle.setproctitle(text)
        title.setproctitle = entitle
    """
    handler = """
        this, began, n = delivery(), time.monotonic(), 0
        while time.monotonic() < began + 2.5:
            n += 1
            this.progress(n % 1000 / 1000, str(n))
        note("told", n)
    """
    app.write(text=text, handler=handler, processes=1)
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: app.noted("told"))
    assert supervisor.stop() == 0
    assert len([t for t in app.noted("titles") if "task 1 at" in t]) == 3
    assert int(app.noted("told")[0]) > 1000


def test_threads_tell_for_their_own_task_alone(app: Application) -> None:
    """Also one that its task has left behind."""
    handler = """
        this, n = delivery(), foods["n"]
        def tell():
            while not os.path.exists(f"go-{n}-thread"):
                this.progress(0.25 if n == 0 else 0.75, f"of {n}")
                time.sleep(0.001)
        threading.Thread(target=tell, daemon=True).start()
        time.sleep(0.1)
        note("begun", n)
        while not os.path.exists(f"go-{n}"):
            time.sleep(0.01)
        note("done", n)
    """
    app.write(handler=handler, processes=1)
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGUSR1)
    supervisor.logged("/1 for ")
    assert ", at 25%: of 0, told" in supervisor.log
    app.let_go(0)
    eventually(lambda: app.done)
    app.push({"n": 1})
    eventually(lambda: app.begun == [0, 1])
    supervisor.signal(signal.SIGUSR1)
    assert ", at 75%: of 1, told" in supervisor.logged("/2 for ")
    app.let_go(1)
    assert supervisor.stop() == 0


def test_forked_child_tells_nothing(app: Application) -> None:
    handler = """
        this = delivery()
        this.progress(0.5, "its own")
        if not (pid := os.fork()):
            this.progress(0.75, "the child's")
            delivery().progress(0.75, "the child's")
            try:
                this.progress(2)
            except ValueError:
                os._exit(7)
        note("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        while not os.path.exists("go"):
            time.sleep(0.01)
    """
    app.write(handler=handler, processes=1)
    app.push({"n": 0})
    supervisor = app.serve()
    assert eventually(lambda: app.noted("child")) == ["7"]
    supervisor.signal(signal.SIGUSR1)
    assert ", at 50%: its own, told" in supervisor.logged("runs claim")
    (app.folder / "go").touch()
    assert supervisor.stop() == 0


def test_without_a_supervisor_progress_is_ignored(app: Application) -> None:
    handler = """
        delivery().progress(0.5, "half")
        note("cost", delivery().cost().seconds < 60)
        delivery().progress(2)
    """
    app.write(handler=handler)
    app.push({"n": 0})
    program = app.run("manager.customers[0].call_waiter()")
    assert program.wait() == 1
    assert "WrongValue: fraction must be from 0 to 1" in program.log
    assert app.noted("cost") == ["True"]


SLEEPS = {"function": "time.sleep(0.01)", "coroutine": "await asyncio.sleep(0.01)"}


@pytest.mark.parametrize("kind", SLEEPS)
def test_stalled_task_is_ended_and_one_that_tells_lives(app: Application, kind: str) -> None:
    text = f"""
        import asyncio
        {"async " if kind == "coroutine" else ""}def run(foods):
            this = delivery()
            until = time.monotonic() + foods["seconds"]
            while time.monotonic() < until:
                if foods["tells"]:
                    this.progress(0.5)
                {SLEEPS[kind]}
            note("done", foods["n"])
    """
    app.write(
        text=text, handler="return run(foods)", processes=2, stall_timeout=1, max_deliveries=1
    )
    app.push({"n": 0, "seconds": 300, "tells": False}, {"n": 1, "seconds": 4, "tells": True})
    supervisor = app.serve()
    [letter] = eventually(app.letters)
    eventually(lambda: app.done == [1])
    assert supervisor.stop() == 0
    assert letter[b"reason"] == b"no progress was reported within stall_timeout"
    assert letter[b"error"] == b"TaskStalled"
    assert b"in run" in letter[b"traceback"]


def test_stalled_task_that_goes_on_is_killed_though_it_tells_again(app: Application) -> None:
    handler = """
        note("pids", os.getpid())
        while True:
            try:
                time.sleep(300)
            except BaseException:
                try:
                    while True:
                        delivery().progress(1)
                except BaseException:
                    pass
    """
    app.write(text=HASTE, handler=handler, processes=1, stall_timeout=0.5, max_deliveries=1)
    app.push({"n": 0})
    supervisor = app.serve()
    [letter] = eventually(app.letters)
    assert b"killed, as the task went on after telling nothing for too long" in letter[b"reason"]
    assert "is killed, as its task goes on after telling nothing for too long" in supervisor.log
    assert not is_alive(find(int(app.noted("pids")[0])))
    assert supervisor.stop() == 0


def test_time_limit_ends_what_tells_without_end(app: Application) -> None:
    handler = """
        while True:
            delivery().progress(0)
            time.sleep(0.01)
    """
    app.write(handler=handler, processes=1, timeout=1, stall_timeout=0.9, max_deliveries=1)
    app.push({"n": 0})
    supervisor = app.serve()
    [letter] = eventually(app.letters)
    assert letter[b"reason"] == b"the time limit was exceeded"
    assert supervisor.stop() == 0
