"""What an application's import brings along, and what becomes of it in the workers."""

from __future__ import annotations

import signal
import sys
import time
from textwrap import dedent

import pytest

from woodenwaiter.errors import EXIT_APP

from ..application import Application, Code
from ..support import Server, await_end_of, eventually, title
from .test_reload import anew

DRAW = """
    note("drawn", f"{os.getpid()} {sorted(draw() for _ in range(5))}")
"""

NUMPY = "import numpy.random; draw = numpy.random.random"


def fake_library(app: Application, name: str, text: str) -> None:
    """A package that stands in for a large one: a global generator, made at import."""
    path = app.folder / name.replace(".", "/")
    path.parent.mkdir(exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.with_suffix(".py").write_text(dedent(text))


def fake_numpy(app: Application) -> None:
    generator = """
        from random import Random
        generator = Random()
        random, seed = generator.random, generator.seed
    """
    fake_library(app, "numpy/random", generator)


def fake_torch(app: Application) -> None:
    generator = """
        from random import Random
        generator = Random()
        rand, seed = generator.random, generator.seed
    """
    fake_library(app, "torch", generator)


def assert_draws_differ(app: Application, draw: str) -> None:
    """In each of six workers, of which four are others' successors."""
    app.write(text=draw, then=DRAW, processes=2, max_tasks=1)
    app.push(*({"n": n} for n in range(6)))
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 6)
    assert supervisor.stop() == 0
    drawn = [line.split(" ", 1) for line in app.noted("drawn")]
    assert len({pid for pid, _ in drawn}) == 6
    assert len({numbers for _, numbers in drawn}) == 6
    assert "cannot be seeded" not in supervisor.log


def test_draws_of_pythons_generator_differ(app: Application) -> None:
    assert_draws_differ(app, "from random import random as draw")


def test_draws_of_numpys_generator_differ(app: Application) -> None:
    fake_numpy(app)
    assert_draws_differ(app, NUMPY)


def test_draws_of_torchs_generator_differ(app: Application) -> None:
    fake_torch(app)
    assert_draws_differ(app, "from torch import rand as draw")


@pytest.mark.parametrize(
    ("library", "draw"),
    [
        ("numpy", "import numpy; draw = numpy.random.random"),
        ("torch", "import torch; draw = lambda: torch.rand(1).item()"),
    ],
)
def test_draws_of_the_real_library_differ(app: Application, library: str, draw: str) -> None:
    pytest.importorskip(library)
    assert_draws_differ(app, draw)


def test_setup_may_seed(app: Application) -> None:
    """Whoever wants the same draws everywhere."""
    fake_numpy(app)
    setup = f"{NUMPY}\ndef setup():\n    numpy.random.seed(7)"
    app.write(text=setup, then=DRAW, processes=2, max_tasks=1, setup=Code("setup"))
    app.push(*({"n": n} for n in range(4)))
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 4)
    assert supervisor.stop() == 0
    assert len({line.split(" ", 1)[1] for line in app.noted("drawn")}) == 1


@pytest.mark.parametrize(
    "library",
    [
        "def seed(): raise TypeError('can only re-seed a MT19937 BitGenerator')",
        "def __getattr__(name): raise OSError('it is loaded when it is used')",
    ],
)
def test_library_that_cannot_be_seeded_is_told_and_left(app: Application, library: str) -> None:
    fake_library(app, "torch", library)
    app.write(text="import torch")
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: app.done == [0])
    assert supervisor.stop() == 0
    assert "torch cannot be seeded" in supervisor.log


def test_module_that_has_nothing_to_seed_is_left(app: Application) -> None:
    """Somebody's own ``torch.py``; and a name that is barred from being imported."""
    fake_library(app, "torch", "light = True")
    app.write(text="import torch; sys.modules['numpy.random'] = None")
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: app.done == [0])
    assert supervisor.stop() == 0
    assert "seeded" not in supervisor.log


CONNECTED = """
    import socket
    connection = socket.create_connection(({host!r}, {port}))
"""


def connected(server: Server, host: str = "127.0.0.1") -> str:
    return dedent(CONNECTED).format(host=host, port=server.port)


def test_open_connection_is_no_start(app: Application, server: Server) -> None:
    app.write(text=connected(server))
    supervisor = app.serve()
    assert supervisor.wait() == EXIT_APP
    told = supervisor.log.splitlines()[-1]
    peer = f"127.0.0.1:{server.port}"
    assert told.startswith(
        f"woodenwaiter: loading the application left open connections, to {peer}:"
    )
    assert "setup" in told
    assert "--allow-open-connections" in told
    assert "Traceback" not in supervisor.log


@pytest.mark.parametrize("way", ["option", "variable"])
def test_open_connection_may_be_allowed(app: Application, server: Server, way: str) -> None:
    app.write(text=connected(server))
    if way == "option":
        supervisor = app.serve("--allow-open-connections")
    else:
        supervisor = app.serve(WOODENWAITER_ALLOW_OPEN_CONNECTIONS="yes")
    supervisor.ready(2)
    assert f"WARNING [{supervisor.pid} supervisor] loading the application left" in supervisor.log
    assert supervisor.stop() == 0


FORKS_WELL = """
    import socket
    import redis
    client = redis.Redis.from_url(os.environ["WOODENWAITER_REDIS_URL"])
    pooled = client.ping()
    WoodenWaiter().take_dish("other:d", {"n": 1})
    pair = socket.socketpair()
    listening = socket.create_server(("127.0.0.1", 0))
    closed = socket.create_connection(listening.getsockname())
    listening.accept()[0].close()
    assert closed.recv(1) == b""
"""


def test_what_survives_a_fork_is_no_hindrance(app: Application) -> None:
    """Clients of redis-py connect anew; nobody answers on the rest."""
    app.write(text=FORKS_WELL, then='note("pong", client.echo(str(foods["n"])).decode())')
    app.push(*({"n": n} for n in range(20)))
    supervisor = app.serve()
    eventually(lambda: len(app.done) == 20)
    assert supervisor.stop() == 0
    assert app.numbers("pong") == list(range(20))


def test_program_that_launches_keeps_its_connections(app: Application, server: Server) -> None:
    """The forked supervisor cannot tell which of them the handlers use."""
    app.write(text=connected(server))
    app.push({"n": 0})
    program = app.run("with manager:\n    time.sleep(300)\n")
    eventually(lambda: app.done == [0])
    assert program.stop() == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP])
@pytest.mark.parametrize(
    "start",
    [
        "import subprocess\nkept = subprocess.Popen(['sleep', '300'])",
        "import multiprocessing\nkept = multiprocessing.Pool(1)",
        "import multiprocessing\nkept = multiprocessing.Manager()",
        "os.fork() or time.sleep(300)",
    ],
    ids=["subprocess", "pool", "manager", "fork"],
)
def test_processes_that_an_import_started_end(app: Application, start: str, number: int) -> None:
    """With the supervisor, and with its code, of which the new one has its own."""
    app.write(text=start)
    supervisor = app.serve().ready(2)
    kin = [child for child in supervisor.tree() if "woodenwaiter: " not in title(child)[:20]]
    supervisor.signal(number)
    supervisor.logged("what loading the application left running is ended: ")
    if kin:
        await_end_of(kin)
    if number == signal.SIGHUP:
        anew(supervisor)
    else:
        supervisor.wait()
        eventually(lambda: not supervisor.left_behind(), "the end of what a thread forked at last")
    assert "can only join" not in supervisor.log


def test_manager_that_is_run_refuses_them(app: Application, server: Server) -> None:
    app.write(text=connected(server))
    main = """
        from woodenwaiter import AppError
        try:
            manager.run()
        except AppError as error:
            print("refused", error)
        raise SystemExit(manager.run(allow_open_connections=True))
    """
    program = app.run(main)
    program.logged("refused loading the application left open connections")
    program.logged("#1 (pid")
    assert program.stop() == 0


NATIVE = """
    import _thread
    from woodenwaiter import pace
    pace.STALL = 0.5
    for _ in range({threads}):
        _thread.start_new_thread(time.sleep, (300,))  # unknown to threading, as a library's are
"""

NAMED = """
    named = threading.Semaphore(0)

    def solve():
        with open(f"/proc/self/task/{threading.get_native_id()}/comm", "w") as file:
            file.write("solver")
        named.release()
        time.sleep(300)

    for _ in range(3):
        _thread.start_new_thread(solve, ())
        named.acquire()
"""

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="shows no threads' names")
STALLS = "computes next to nothing in its "


@linux
@pytest.mark.parametrize("where", ["first task", "setup"])
def test_hang_after_an_import_with_threads_is_explained_once(app: Application, where: str) -> None:
    hang = dedent(NATIVE).format(threads=1) + "\ndef hang(*_): time.sleep(300)"
    if where == "setup":
        app.write(text=hang, setup=Code("hang"))
    else:
        app.write(text=hang, then="hang()")
        app.push({"n": 0}, {"n": 1})
    supervisor = app.serve("--drain-seconds", "0")
    line = supervisor.logged(STALLS + where)
    assert "has started threads (" in line
    await_looks()
    assert supervisor.log.count(STALLS) == 1


def await_looks() -> None:
    """At workers, by their supervisor; a few of them."""
    until = time.monotonic() + 2
    eventually(lambda: time.monotonic() > until)


def test_hang_for_a_thread_of_python_is_explained(app: Application) -> None:
    text = """
        from concurrent.futures import ThreadPoolExecutor
        from woodenwaiter import pace
        pace.STALL = 0.5
        pool = ThreadPoolExecutor(1, "pool")
        pool.submit(int).result()
    """
    app.write(text=text, handler="pool.submit(int).result()")
    app.push({"n": 0})
    supervisor = app.serve("--drain-seconds", "0")
    assert "(pool_0)" in supervisor.logged(STALLS + "first task")


@linux
def test_threads_of_one_name_are_told_together(app: Application) -> None:
    app.write(text=dedent(NATIVE).format(threads=2) + dedent(NAMED))
    supervisor = app.serve().ready(2)
    assert supervisor.logged("not forked: ").endswith(" 2 without a name, solver (3)")
    assert supervisor.stop() == 0


@linux
@pytest.mark.parametrize(
    ("threads", "handler"),
    [
        (0, "time.sleep(2)"),
        (1, "end = time.monotonic() + 2\nwhile time.monotonic() < end: pass"),
        (1, "n = foods['n']; n and time.sleep(2)"),
    ],
    ids=["no threads", "it computes", "its second task"],
)
def test_task_that_takes_long_is_no_stall(app: Application, threads: int, handler: str) -> None:
    text = dedent(NATIVE).format(threads=threads)
    app.write(text=text, handler=handler + "\nnote('done', foods['n'])", processes=1)
    app.push({"n": 0})
    supervisor = app.serve()
    eventually(lambda: app.done == [0])
    app.push({"n": 1})
    eventually(lambda: app.done == [0, 1])
    assert supervisor.stop() == 0
    assert STALLS not in supervisor.log
    assert ("not forked: " in supervisor.log) == bool(threads)


@linux
def test_threads_of_a_real_library(app: Application) -> None:
    polars = pytest.importorskip("polars")
    text = """
        import polars
        from woodenwaiter import pace
        pace.STALL = 2.0
        frame = polars.DataFrame({"a": range(100_000)}).lazy().group_by("a").len()
        frame.collect()
    """
    app.write(text=text, then="frame.collect()")
    app.push({"n": 0})
    supervisor = app.serve("--drain-seconds", "0")
    assert "polars-0" in supervisor.logged(STALLS), polars


KEEPS_CHILDREN = """
fork, set_action = os.fork, signal.signal

def watched_fork():
    pid = fork()
    if pid:
        set_action(signal.SIGCHLD, signal.SIG_DFL)  # its own loop would hear of the end
    return pid

os.fork = watched_fork
signal.signal = lambda number, action: number == signal.SIGCHLD or set_action(number, action)
"""

OF_GEVENT = """
import warnings
warnings.simplefilter("ignore")
from gevent import monkey
monkey.patch_all()
"""


@pytest.mark.parametrize("text", [KEEPS_CHILDREN, OF_GEVENT], ids=["likewise", "gevent"])
def test_loop_that_takes_the_ends_of_children(app: Application, text: str) -> None:
    if text == OF_GEVENT:
        pytest.importorskip("gevent")
    app.write(text=f"import signal\n{text}", processes=1)
    supervisor = app.serve().ready(1)
    [worker] = supervisor.workers()
    worker.kill()
    eventually(lambda: worker.pid not in [each.pid for each in supervisor.ready(1).workers()])
    assert supervisor.stop() == 0
