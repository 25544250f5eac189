"""--import-in worker: an application that no fork may share is imported by each worker."""

from __future__ import annotations

import signal

import psutil
import pytest

from woodenwaiter.errors import EXIT_APP, EXIT_SETUP

from ..application import Application, Code, Supervisor, customer
from ..support import Server, eventually, free_port
from .test_reload import SLOWLY, age, anew, served

HELPER = """
    import queue
    asked, answered = queue.Queue(), queue.Queue()

    def help():
        while True:
            answered.put(asked.get() + 1)

    threading.Thread(target=help, daemon=True).start()
"""
"""As libraries do that have threads of their own: no fork takes them along."""

ASK_HELPER = """
asked.put(foods["n"])
note("done", answered.get() - 1)
"""

CONNECTED = """
    import socket
    connection = socket.create_connection(("127.0.0.1", {port}))
"""

ASK_SERVER = """
    text = str(foods["n"]).encode()
    connection.sendall(b"ECHO %d\\r\\n" % foods["n"])
    heard = b""
    while heard.count(b"\\r\\n") < 2:
        heard += connection.recv(64)
    assert heard.split(b"\\r\\n")[1] == text, heard
    note("done", foods["n"])
"""


def serve(app: Application, *options: str, **others: str) -> Supervisor:
    return app.serve("--import-in", "worker", *options, **others)


def scout_fails_not(app: Application, text: str) -> str:
    """Source text that only the first import gets past."""
    once = str(app.folder / "once")
    return f"if os.path.exists({once!r}):\n    {text}\nnote({once!r}, os.getpid())"


def test_threads_of_an_import_work(app: Application) -> None:
    app.write(text=HELPER, handler=ASK_HELPER)
    app.push(*({"n": n} for n in range(50)))
    supervisor = serve(app)
    eventually(lambda: app.done == list(range(50)))
    assert supervisor.stop() == 0
    assert not supervisor.left_behind()


def test_threads_of_an_import_are_missed_where_the_supervisor_has_them(app: Application) -> None:
    handler = f"note('begun', foods['n'])\n{ASK_HELPER}"
    app.write(text=HELPER, handler=handler, processes=1, timeout=1)
    app.push({"n": 0})
    supervisor = app.serve()
    supervisor.logged("TaskTimeout")
    assert app.done == []
    supervisor.stop()


def test_each_worker_has_connections_of_its_own(app: Application, server: Server) -> None:
    app.write(text=CONNECTED.format(port=server.port), handler=ASK_SERVER, processes=4)
    app.push(*({"n": n} for n in range(2000)))
    supervisor = serve(app).ready(4)
    eventually(lambda: app.done == list(range(2000)))
    assert supervisor.stop() == 0
    assert "ERROR" not in supervisor.log


def test_who_imports(app: Application) -> None:
    then = 'note("mine", IMPORTED_BY == os.getpid())'
    app.write(text='IMPORTED_BY = os.getpid()\nnote("imports", IMPORTED_BY)', then=then)
    app.push({"n": 0})
    supervisor = serve(app).ready(2)
    eventually(lambda: app.done)
    children = {process.pid for process in (*supervisor.workers(), supervisor.housekeeper())}
    [scout] = set(app.numbers("imports")) - children
    assert scout != supervisor.pid
    assert len(app.numbers("imports")) == 4
    assert app.noted("mine") == ["True"]
    assert supervisor.stop() == 0


def test_random_numbers_differ(app: Application) -> None:
    text = "import random\nrandom.seed(1)"
    app.write(text=text, setup=Code("lambda: note('drawn', random.random())"))
    supervisor = serve(app).ready(2)
    assert len(set(app.noted("drawn"))) == 2
    assert supervisor.stop() == 0


def test_signals_that_an_import_takes_are_put_right_in_silence(app: Application) -> None:
    app.write(text="signal.signal(signal.SIGTERM, lambda *_: note('mine', 'x'))")
    supervisor = serve(app).ready(2)
    for worker in supervisor.workers():
        worker.terminate()
    eventually(lambda: "left with exit code 0" in supervisor.log)
    assert supervisor.stop() == 0
    assert "put right" not in supervisor.log
    assert app.noted("mine") == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / 0", "app: importing it fails: ZeroDivisionError: division by zero"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "app: the process that was to load it died of"),
        ("os._exit(0)", "app: the process that was to load it left with exit code 0"),
        ("os.fork() or time.sleep(300)\nos._exit(7)", "left with exit code 7"),
    ],
)
def test_application_that_cannot_be_loaded(app: Application, text: str, reason: str) -> None:
    app.write(text=text)
    supervisor = serve(app)
    assert supervisor.wait() == EXIT_APP
    [line] = supervisor.log.splitlines()
    assert reason in line
    assert not supervisor.left_behind()


def test_import_that_fails_in_the_workers_is_a_setup_that_fails(app: Application) -> None:
    app.write(text=scout_fails_not(app, "raise ValueError('no licence')"))
    supervisor = serve(app, "--setup-wait", "3")
    assert supervisor.wait() == EXIT_SETUP
    told = [line for line in supervisor.log.splitlines() if "no licence" in line]
    assert len([line for line in told if " worker t:d " in line]) == 1
    assert "Traceback" not in supervisor.log


def test_application_that_changes_is_not_served(app: Application) -> None:
    app.write(processes=1)
    supervisor = serve(app).ready(1)
    app.write(customer("t:e"), customer("t:d"))
    supervisor.workers()[0].kill()
    line = supervisor.logged("the application has changed")
    assert "send SIGHUP" in line
    assert "[" in line
    app.push({"n": 0})
    supervisor.signal(signal.SIGHUP)
    anew(supervisor)
    eventually(lambda: app.done == [0])
    assert supervisor.stop() == 0


def test_reload(app: Application) -> None:
    age(app, "old")
    supervisor = serve(app).ready(2)
    served(app, "old", 0)
    age(app, "broken", text="1 / 0")
    supervisor.signal(signal.SIGHUP)
    supervisor.logged("the old goes on")
    served(app, "old", 1)
    age(app, "new")
    supervisor.signal(signal.SIGHUP)
    anew(supervisor)
    served(app, "new", 2)
    assert supervisor.stop() == 0


def test_embedded_server(app: Application) -> None:
    url = f"redis://:secret@127.0.0.1:{free_port()}/0"
    supervisor = serve(app, "--redis", url, "--embedded", "data").ready(2)
    assert supervisor.log.count("embedded server at") == 1
    assert supervisor.stop() == 0
    assert "ERROR" not in supervisor.log
    assert not supervisor.left_behind()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_first_import(app: Application, number: int) -> None:
    app.write(text="import subprocess\nsubprocess.Popen(['sleep', '300'])\n" + SLOWLY)
    supervisor = serve(app)
    [scout] = map(int, eventually(lambda: app.noted("importing")))
    tree = supervisor.tree()
    supervisor.signal(number)
    assert supervisor.wait() in (-number, 128 + number)
    assert scout in {process.pid for process in tree}
    eventually(lambda: not any(map(alive, tree)), "the end of all")


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_drain_does_not_wait_for_imports(app: Application) -> None:
    stuck = "note('stuck', os.getpid()); time.sleep(300)"
    app.write(text=scout_fails_not(app, stuck))
    supervisor = serve(app)
    eventually(lambda: len(app.noted("stuck")) == 3, "two workers and a housekeeper")
    supervisor.signal(signal.SIGTERM)
    assert supervisor.wait() == 0
    assert "is killed" not in supervisor.log
    assert "ERROR" not in supervisor.log
    assert not supervisor.left_behind()


def test_worker_that_imports_can_be_told_to_leave(app: Application) -> None:
    app.write(processes=1)
    supervisor = serve(app).ready(1)
    app.write(text="note('stuck', os.getpid()); time.sleep(300)", processes=1)
    supervisor.signal(signal.SIGTTIN)
    [worker] = map(int, eventually(lambda: app.noted("stuck")))
    supervisor.signal(signal.SIGTTOU)
    eventually(lambda: not psutil.pid_exists(worker), "its end")
    supervisor.logged("workers now: 1")
    assert supervisor.stop() == 0


@pytest.mark.parametrize("call", ["launch()", "run()"])
def test_program_that_has_the_application_is_refused(app: Application, call: str) -> None:
    method = call.removesuffix("()")
    program = app.run(f"""
        try:
            manager.{method}(import_in="worker")
        except RuntimeError as error:
            note("refused", error)
    """)
    assert program.wait() == 0
    assert app.noted("refused")[0].startswith("import_in=worker is for python -m")
