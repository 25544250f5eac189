"""launch() in programs that others start, import, reload and end."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Mapping
from textwrap import dedent

import psutil
import pytest

from woodenwaiter.errors import EXIT_APP

from ..application import Application
from ..support import Command, Program, Programs, await_end_of, eventually, free_port, title

GUARD = 'Move the call under if __name__ == "__main__"'

SWALLOWED = "try:\n    manager.launch()\nexcept Exception:\n    pass"

IN_A_THREAD = "thread = threading.Thread(target=manager.launch)\nthread.start()\nthread.join()"


def supervisors(program: Command) -> list[psutil.Process]:
    """Those that run, though who launched them may be gone."""
    return [p for p in program.left_behind() if "supervisor of" in title(p)]


class Host:
    """Starts programs beside an application."""

    def __init__(self, app: Application, programs: Programs) -> None:
        self.app = app
        self._programs = programs

    def start(self, *arguments: str, environment: Mapping[str, str] = {}, **files: str) -> Program:
        for name, text in files.items():
            (self.app.folder / f"{name}.py").write_text(dedent(text))
        url = {"WOODENWAITER_REDIS_URL": self.app.url}
        return self._programs.start(*arguments, **url, **environment)

    def command(self, package: str, *arguments: str) -> Program:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
        # Its warnings are its own business.
        return self.start("-W", "ignore", "-m", package, *arguments)


@pytest.fixture
def host(app: Application, programs: Programs) -> Host:
    app.write(processes=1)
    return Host(app, programs)


def launched(program: Command, count: int = 1) -> list[psutil.Process]:
    """All of ours, once there are so many supervisors with their workers."""
    eventually(lambda: program.log.count("worker t:d #0") >= count, "workers")
    return program.titled("woodenwaiter: ")


# An application that launches while it is imported.


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("manager.launch()", "launch()"),
        ("raise SystemExit(manager.run())", "run()"),
        ("with manager: pass", "launch()"),
        (SWALLOWED, "launch()"),
        (IN_A_THREAD, "launch()"),
        ("import workers", "launch()"),
    ],
)
def test_application_that_launches_when_it_is_imported(
    app: Application, call: str, name: str
) -> None:
    app.write()
    text = (app.folder / "app.py").read_text()
    (app.folder / "workers.py").write_text(text + "manager.launch()")
    (app.folder / "app.py").write_text(f"{text}{call}\n")
    supervisor = app.serve()
    assert supervisor.wait() == EXIT_APP
    line = supervisor.log.splitlines()[-1]
    assert line.startswith(f"woodenwaiter: app: {name} is called while the module is imported")
    assert GUARD in line
    if call != IN_A_THREAD:
        assert f"{app.folder}/{'workers' if 'workers' in call else 'app'}.py, line " in line
        assert supervisor.log.count("\n") == 1
    assert not supervisor.left_behind()


def test_factory_that_launches(app: Application) -> None:
    app.write()
    with (app.folder / "app.py").open("a") as file:
        file.write("def make():\n    manager.launch()\n    return manager\n")
    supervisor = app.serve(app="app:make()")
    assert supervisor.wait() == EXIT_APP
    assert GUARD in supervisor.log


def test_handler_may_launch(app: Application) -> None:
    """It is a program of its own, at least for this."""
    handler = """
        other = WoodenManager()
        other.add_customer(WoodenCustomer("t", "other", WoodenWaiter(), print))
        with other:
            note("done", 0)
    """
    app.write(handler=handler, processes=1)
    app.push({})
    supervisor = app.serve()
    eventually(lambda: app.done)
    assert supervisor.stop() == 0
    assert "Misuse" not in supervisor.log


# A program whose main part ends.


def test_tells_once_what_it_waits_for(host: Host) -> None:
    program = host.app.run("manager.launch()")
    line = program.logged("the main part of this program has ended")
    assert f"SIGTERM to pid {program.pid}, drains" in line
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.log.count("main part") == 1


@pytest.mark.parametrize("end", ["manager.terminate_all()", "1 / 0", "os.kill(os.getpid(), 15)"])
def test_tells_nothing_where_it_does_not_go_on(host: Host, end: str) -> None:
    program = host.app.run(f"manager.launch()\n{end}")
    program.wait()
    assert not program.left_behind()
    assert "main part" not in program.log


OWNED = "signal.signal(signal.SIGTERM, lambda *_: note('heard', 1))\n"


@pytest.mark.parametrize(
    "main",
    [
        OWNED + "manager.launch()",
        "manager.launch()\n" + OWNED,
        OWNED + "manager.launch()\nsignal.signal(signal.SIGTERM, signal.SIG_DFL)",
    ],
    ids=["before", "after", "meanwhile"],
)
def test_drains_where_the_signal_is_somebody_elses(host: Host, main: str) -> None:
    program = host.app.run(main)
    assert program.wait() == 0
    assert "drained" in program.log
    assert not program.left_behind()


def test_program_that_executes_another_in_its_place(host: Host) -> None:
    main = """
manager.launch()
while not os.path.exists("go"):
    time.sleep(0.01)
os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(300)"])
"""
    program = host.app.run(main)
    ours = launched(program)
    (host.app.folder / "go").touch()
    await_end_of(ours)
    assert "drained" in program.log
    assert program.process.poll() is None


# multiprocessing.

CHILDREN = """
    import multiprocessing, sys
    from app import manager

    def launch():
        manager.launch()

    {launch}
    if __name__ == "__main__":
        context = multiprocessing.get_context("{method}")
        child = context.Process(target={target})
        child.start()
        child.join()
        print("joined", child.exitcode, flush=True)
        manager.terminate_all()
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_child_launches_nothing_by_importing_the_program(host: Host, method: str) -> None:
    text = CHILDREN.format(launch="manager.launch()", method=method, target="print")
    program = host.start("program.py", program=text)
    program.logged("joined")
    assert "Misuse: launch() is called while the module is imported by a child" in program.log
    assert GUARD in program.log
    assert program.wait() == 0
    assert program.log.count("supervisor, pid") == 1
    eventually(lambda: not program.left_behind(), "the end of all")


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_child_that_launches_drains_at_its_end(host: Host, method: str) -> None:
    text = CHILDREN.format(launch="", method=method, target="launch")
    program = host.start("program.py", program=text)
    program.logged("joined 0")
    program.logged("drained")
    assert program.wait() == 0
    eventually(lambda: not program.left_behind(), "the end of all")


def test_forked_child_leaves_the_pool_to_its_parent(host: Host) -> None:
    text = CHILDREN.format(launch="manager.launch()", method="fork", target="print")
    program = host.start("program.py", program=text)
    program.logged("joined 0")
    assert program.wait() == 0
    assert program.log.count("draining") == 1


# Servers.

WEB = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [b""]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
"""


def gunicorn(host: Host, *options: str, launch: str = "manager.launch()") -> Program:
    with (host.app.folder / "app.py").open("a") as file:
        file.write(f"{WEB}\n{launch}\n")
    address = f"127.0.0.1:{free_port()}"
    return host.command("gunicorn", "app:application", "-b", address, *options)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["", "preload"])
def test_gunicorn_stops(host: Host, options: tuple[str, ...], number: int) -> None:
    program = gunicorn(host, *options)
    ours = launched(program)
    eventually(lambda: "Booting worker" in program.log, "gunicorn's worker")
    program.signal(number)
    program.wait(20)
    await_end_of(ours)
    assert "drained" in program.log


@pytest.mark.parametrize(
    "hook", ["when_ready(server)", "post_fork(server, worker)", "post_worker_init(worker)"]
)
def test_gunicorn_with_a_hook_stops(host: Host, hook: str) -> None:
    (host.app.folder / "gunicorn.conf.py").write_text(
        f"def {hook}:\n    from app import manager\n    manager.launch()\n"
    )
    program = gunicorn(host, launch="")
    ours = launched(program)
    eventually(lambda: "Booting worker" in program.log, "gunicorn's worker")
    program.signal(signal.SIGTERM)
    program.wait(20)
    await_end_of(ours)


def has_one_pool_to_its_end(program: Program, old: list[psutil.Process]) -> None:
    """Once a reload has launched another."""
    launched(program, 2)
    await_end_of(old)
    eventually(lambda: len(supervisors(program)) == 1, "one pool")
    program.signal(signal.SIGTERM)
    program.wait(20)
    eventually(lambda: not supervisors(program), "the end")


def test_gunicorn_reloads(host: Host) -> None:
    program = gunicorn(host)
    old = launched(program)
    program.signal(signal.SIGHUP)
    has_one_pool_to_its_end(program, old)


def uvicorn(host: Host, *options: str) -> Program:
    with (host.app.folder / "app.py").open("a") as file:
        file.write(f"{WEB}\nmanager.launch()\n")
    return host.command("uvicorn", "app:asgi", "--port", str(free_port()), *options)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_uvicorn_stops(host: Host, number: int) -> None:
    program = uvicorn(host)
    ours = launched(program)
    program.logged("Application startup complete")
    program.signal(number)
    program.wait(20)
    await_end_of(ours)


def test_uvicorn_reloads(host: Host) -> None:
    program = uvicorn(host, "--reload")
    old = launched(program)
    program.logged("Application startup complete")

    def is_seen() -> bool:
        """It never sees what was changed before its first look."""
        with (host.app.folder / "app.py").open("a") as file:
            file.write("\n# changed\n")
        return "detected changes" in program.log

    eventually(is_seen, "a reload")
    has_one_pool_to_its_end(program, old)


RELOADER = """
import os, signal, subprocess, sys, time
from app import manager

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
manager.launch()
if os.environ.get("{name}") != "true":
    environment = {{**os.environ, "{name}": "true"}}
    while subprocess.call([sys.executable, *sys.argv], env=environment) == 3:
        pass
else:
    while not os.path.exists("changed"):
        time.sleep(0.01)
    os.remove("changed")
    sys.exit(3)
"""


@pytest.mark.parametrize("name", ["WERKZEUG_RUN_MAIN", "RUN_MAIN"])
def test_reloader_that_starts_the_program_twice_has_one_pool(host: Host, name: str) -> None:
    program = host.start("program.py", program=RELOADER.format(name=name))
    for count in (2, 3, 4):
        launched(program, count)
        eventually(lambda: len(supervisors(program)) == 1, "one pool")
        (host.app.folder / "changed").touch()
    program.signal(signal.SIGINT)


def test_unittest_ends(host: Host) -> None:
    text = "from app import manager\nmanager.launch()\n"
    program = host.start("-m", "unittest", "test_app", test_app=text)
    program.wait()
    assert "Ran 0 tests" in program.log
    assert not program.left_behind()


def test_reloaders_variable_means_nothing_to_other_programs(host: Host) -> None:
    main = """
os.environ["RUN_MAIN"] = "true"
manager.launch()
import subprocess
subprocess.call([sys.executable, "-c", "from app import manager\\nwith manager: pass"])
note("over", 1)
"""
    program = host.app.run(main)
    eventually(lambda: host.app.noted("over"))
    program.logged("the main part of this program has ended")
    assert program.log.count("draining") == 1


def test_installed_program_may_launch_itself(host: Host) -> None:
    """As any other; but what imports others' modules is a host."""
    scripts = host.app.folder / "bin"
    scripts.mkdir()
    (scripts / "own").write_text("from app import manager\ndef main(): manager.launch()\nmain()")
    (scripts / "tool").write_text("import jobs")
    (host.app.folder / "jobs.py").write_text("from app import manager\nmanager.launch()")
    path = os.pathsep.join([str(host.app.folder), os.environ.get("PYTHONPATH", "")])
    places = {"PYTHONUSERBASE": str(host.app.folder), "PYTHONPATH": path}
    own = host.start("bin/own", environment=places)
    own.logged("the main part of this program has ended")
    assert own.stop() == 0
    tool = host.start("bin/tool", environment=places)
    assert tool.wait() == 0
    assert "drained" in tool.log
    assert "main part" not in tool.log


def test_pytest_ends(host: Host) -> None:
    program = host.start(
        "-m",
        "pytest",
        "test_app.py",
        "-p",
        "no:cacheprovider",
        test_app="from app import manager\nmanager.launch()\ndef test(): pass",
    )
    assert program.wait(40) == 0
    assert "1 passed" in program.log
    assert not program.left_behind()


# A person types.


@pytest.mark.parametrize("shell", ["-i -q", "-W ignore -m IPython --simple-prompt --no-banner"])
def test_interrupted_line_leaves_the_pool_alone(host: Host, programs: Programs, shell: str) -> None:
    if "IPython" in shell and importlib.util.find_spec("IPython") is None:
        pytest.skip("IPython is not installed")
    folder = host.app.folder
    os.mkfifo(folder / "typed")
    command = Command(
        folder,
        *("sh", "-c", f"exec {sys.executable} {shell} < typed"),
        WOODENWAITER_REDIS_URL=host.app.url,
        IPYTHONDIR=str(folder),
    )
    shell_program = programs.enter_context(command)
    with (folder / "typed").open("w", buffering=1) as typed:
        typed.write("from app import manager; import time; manager.launch()\n")
        launched(shell_program)
        typed.write("print('in the', 'line'); time.sleep(300)\n")
        shell_program.logged("in the line")
        os.killpg(shell_program.pid, signal.SIGINT)
        shell_program.logged("KeyboardInterrupt")
        typed.write("print('the next', 'line')\n")
        shell_program.logged("the next line")
        host.app.push({"n": 0})
        eventually(lambda: host.app.done, "the task")
        assert "draining" not in shell_program.log
        typed.write("exit()\n")
        assert shell_program.wait() == 0
    assert "drained" in shell_program.log
    eventually(lambda: not shell_program.left_behind(), "the end of all")
