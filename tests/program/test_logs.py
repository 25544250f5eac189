"""Whatever becomes of the log, and whatever the application has registered, the pool goes on."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ..application import Application, Code, Supervisor
from ..support import Program, eventually

SOON = 15.0
"""Seconds for a drain with nothing to wait for, on a busy machine."""

Inside = tuple[str, ...]


def redirected(to: str) -> Inside:
    return ("sh", "-c", f'exec "$@" {to}', "sh")


def filled(fd: int) -> int:
    """A descriptor that takes nothing more."""
    os.set_blocking(fd, False)
    with suppress(BlockingIOError):
        while os.write(fd, b"." * 1000):
            pass
    return fd


class Sinks(ExitStack):
    """Places for a log to go to, which take nothing until somebody reads."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def keep(self, fd: int) -> int:
        self.callback(os.close, fd)
        return fd

    def fifo(self) -> int:
        """Its other end, to read from; it is full."""
        os.mkfifo(self.folder / "fifo")
        reader = self.keep(os.open(self.folder / "fifo", os.O_RDONLY | os.O_NONBLOCK))
        filled(self.keep(os.open(self.folder / "fifo", os.O_WRONLY | os.O_NONBLOCK)))
        return reader

    def pipe(self) -> Inside:
        self.fifo()
        return redirected("2>fifo")

    def terminal(self) -> Inside:
        """Of which somebody has typed Ctrl-S."""
        _, slave = map(self.keep, pty.openpty())
        termios.tcflow(slave, termios.TCOOFF)
        return redirected(f"2>{os.ttyname(slave)}")

    def stream(self) -> Inside:
        return self._socket(socket.SOCK_STREAM)

    def datagrams(self) -> Inside:
        return self._socket(socket.SOCK_DGRAM)

    def _socket(self, kind: socket.SocketKind) -> Inside:
        listener = self.enter_context(socket.socket(socket.AF_UNIX, kind))
        listener.bind(str(self.folder / "socket"))
        if kind == socket.SOCK_STREAM:
            listener.listen()
        connect = f"""
import os, socket, sys
connection = socket.socket(socket.AF_UNIX, {int(kind)})
connection.connect("socket")
try:
    while connection.send(b"." * 100, socket.MSG_DONTWAIT):
        pass
except BlockingIOError:
    os.dup2(connection.detach(), 2)
os.execv(sys.argv[1], sys.argv[1:])
"""
        return (sys.executable, "-c", connect)

    def device(self) -> Inside:
        return redirected("2>/dev/full")

    def limited_file(self) -> Inside:
        (self.folder / "limited").write_bytes(b"." * (1 << 20))
        return ("sh", "-c", 'ulimit -f 100; exec "$@" 2>>limited', "sh")

    def left_pipe(self) -> Inside:
        """Whose reader has left after one line."""
        return ("bash", "-c", 'exec "$@" 2> >(head -1)', "bash")


@pytest.fixture
def sinks(tmp_path: Path) -> Iterator[Sinks]:
    with Sinks(tmp_path) as sinks:
        yield sinks


STUCK: list[Callable[[Sinks], Inside]] = [
    Sinks.pipe,
    Sinks.terminal,
    Sinks.stream,
    Sinks.datagrams,
    Sinks.device,
    Sinks.limited_file,
    Sinks.left_pipe,
]

FAILING = """
note("begun", foods["n"])
if foods["n"] == 1:
    raise ValueError("x" * 100_000)
note("done", foods["n"])
"""


def serve_both(app: Application, inside: Inside) -> Supervisor:
    """A supervisor that has had a task done and another one fail."""
    app.write(handler=FAILING, max_deliveries=1)
    app.push({"n": 0}, {"n": 1}, {"n": 2})
    supervisor = app.serve("--log-level", "debug", inside=inside)
    eventually(lambda: app.done == [0, 2] and app.letters())
    return supervisor


@pytest.mark.parametrize("sink", STUCK, ids=lambda sink: sink.__name__)
def test_nobody_waits_for_who_reads_the_log(
    app: Application, sinks: Sinks, sink: Callable[[Sinks], Inside]
) -> None:
    supervisor = serve_both(app, sink(sinks))
    supervisor.signal(signal.SIGUSR1)
    os.kill(supervisor.ready(2).workers()[0].pid, signal.SIGKILL)
    eventually(lambda: len(supervisor.titled(" idle")) == 2, "a replacement")
    assert supervisor.stop(SOON) == 0


def test_default_action_of_sigpipe_ends_nobody(app: Application, sinks: Sinks) -> None:
    app.write(text="signal.signal(signal.SIGPIPE, signal.SIG_DFL)", processes=1)
    app.push({"n": 0})
    supervisor = app.serve(inside=sinks.left_pipe()).ready()
    worker = supervisor.workers()[0].pid
    for n in range(2, 4):
        supervisor.signal(signal.SIGTTIN)
        supervisor.ready(n)
    assert worker in [process.pid for process in supervisor.workers()]
    assert supervisor.stop(SOON) == 0


def test_it_can_be_stopped_at_once_though_nobody_reads(app: Application, sinks: Sinks) -> None:
    app.push({"n": 0, "sleep": 300})
    supervisor = app.serve(inside=sinks.pipe())
    eventually(lambda: app.begun)
    supervisor.signal(signal.SIGQUIT)
    assert supervisor.wait(SOON) == 131
    assert app.waiting() == [0]


def test_worker_that_crashes_does_not_wait_either(app: Application, sinks: Sinks) -> None:
    app.write(handler='note("begun", 0); os.kill(os.getpid(), signal.SIGSEGV)', max_deliveries=1)
    app.push({"n": 0})
    supervisor = app.serve(inside=sinks.pipe())
    eventually(app.letters, "the end of the task")
    assert supervisor.stop(SOON) == 0


def read(fd: int) -> str:
    """What is there."""
    text = b""
    try:
        while found := os.read(fd, 1 << 16):
            text += found
    except BlockingIOError:
        pass
    return text.decode()


class Reader:
    """Of a pipe that nobody has read so far."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.text = ""

    def read(self) -> str:
        """All that has come."""
        self.text += read(self._fd)
        return self.text

    def has(self, text: str) -> bool:
        return text in self.read()


def test_what_was_dropped_is_told_once_it_flows_again(app: Application, sinks: Sinks) -> None:
    reader = Reader(sinks.fifo())
    supervisor = serve_both(app, redirected("2>fifo")).ready(2)
    assert reader.read().strip(".") == ""
    for number in (3, 4):
        supervisor.signal(signal.SIGTTIN)
        eventually(partial(reader.has, f"workers now: {number}"))
    assert supervisor.stop(SOON) == 0
    told = [line for line in reader.read().splitlines() if "dropped: stderr did not" in line]
    assert sum(f"[{supervisor.pid} supervisor]" in line for line in told) == 1
    assert len(told) == len({line.partition("] ")[0].partition("[")[2] for line in told})
    assert "drained in" in reader.text


# The application's own logging.

HOSTILE = {
    "raises": "raise ValueError('no')",
    "blocks": "time.sleep(300)",
    "exits": "os._exit(9)",
    "crashes": "os.kill(os.getpid(), signal.SIGSEGV)",
    "leaves": "raise SystemExit(9)",
    "starts threads": "threading.Thread(target=time.sleep, args=(300,)).start()",
    "takes the default of SIGALRM": "signal.alarm(1)",
}

OWN_LOGGING = """
import logging

class Own(logging.Handler):
    def emit(self, record):
        with open("own", "a") as out:
            out.write(f"{os.getpid()} {record.process} {self.format(record)}\\n")
        if not os.path.exists("tame"):
            HOSTILE

    def flush(self):
        if not os.path.exists("tame"):
            HOSTILE

logging.basicConfig(level="INFO", handlers=[Own()])
"""

LAUNCHED = """
manager.launch()
while not os.path.exists("enough"):
    time.sleep(0.01)
manager.terminate_all()
print("terminated", flush=True)
os._exit(0)
"""

RUN = """
os._exit(manager.run())
"""


def logging_that(does: str) -> str:
    return OWN_LOGGING.replace("HOSTILE", does)


def end(app: Application, program: Program, main: str) -> int:
    """The exit code of a program that is told to drain."""
    if main == RUN:
        return program.stop(SOON)
    (app.folder / "enough").touch()
    return program.wait(SOON)


def own(app: Application) -> str:
    """What the application's logging was given."""
    return "\n".join(app.noted("own"))


@pytest.mark.parametrize(
    ("main", "does"), [*((LAUNCHED, does) for does in HOSTILE), (RUN, "blocks"), (RUN, "exits")]
)
def test_applications_log_handler_is_not_run_in_the_supervisor(
    app: Application, main: str, does: str
) -> None:
    app.write(text=logging_that(HOSTILE[does]))
    app.push({"n": 0}, {"n": 1})
    program = app.run(main)
    eventually(lambda: app.done == [0, 1])
    eventually(lambda: app.noted("own"), "a record")
    supervisor = program.pid if main == RUN else program.titled("supervisor of")[0].pid
    assert end(app, program, main) == 0
    assert not [line for line in app.noted("own") if line.startswith(f"{supervisor} ")]


@pytest.mark.parametrize("main", [LAUNCHED, RUN], ids=["launched", "run"])
def test_log_goes_where_the_application_sends_it(app: Application, main: str) -> None:
    (app.folder / "tame").touch()
    app.write(text=logging_that("pass"))
    app.push({"n": 0})
    program = app.run(main)
    eventually(lambda: app.done)
    assert end(app, program, main) == 0
    for text in ("supervisor, pid", "draining", "drained in"):
        assert own(app).count(text) == 1
    assert "INFO" not in program.log


NOTING = """
import json, logging

class Noting(logging.Handler):
    def emit(self, record):
        if event := getattr(record, "event", ""):
            told = {name: getattr(record, name, None) for name in ("task", "worker_pid", "cause")}
            note("told", json.dumps({"event": event, **told}))

logging.basicConfig(level="INFO", handlers=[Noting()])
"""


def told(app: Application, event: str) -> list[dict[str, Any]]:
    """What the application's logging was given of these events."""
    return [each for each in map(json.loads, app.noted("told")) if each["event"] == event]


@pytest.mark.parametrize("main", [LAUNCHED, RUN], ids=["launched", "run"])
def test_applications_logging_has_the_fields(app: Application, main: str) -> None:
    """Of what workers say, and, through the reporter, of what supervisor and housekeeper do."""
    app.write(text=NOTING, then="1 / 0", processes=1, max_deliveries=1)
    app.push({"n": 0}, {"n": 1, "kill": 9})
    program = app.run(main)
    eventually(lambda: len(told(app, "task.buried")) == 2)
    raised, killed = told(app, "task.buried")
    [ended] = eventually(lambda: told(app, "worker.ended"))
    assert raised["cause"] == "the handler failed"
    assert killed["cause"] == f"its worker (pid {ended['worker_pid']}) {ended['cause']}"
    assert raised["worker_pid"] == killed["worker_pid"] == ended["worker_pid"]
    assert raised["task"] != killed["task"]
    assert len(told(app, "supervisor.started")) == 1
    assert end(app, program, main) == 0
    assert len(told(app, "supervisor.drained")) == 1


def test_json_tells_what_has_happened(app: Application) -> None:
    app.write(then="raise Retry(after=0) if foods['n'] else Reject('no')", processes=1)
    app.push({"n": 0}, {"n": 1})
    supervisor = app.serve("--log-format", "json", "--slow", "0.1").ready()
    app.push({"n": 2, "sleep": 0.2})
    eventually(lambda: len(app.letters()) == 3)
    assert supervisor.stop() == 0
    records = [json.loads(line) for line in supervisor.log.splitlines()]
    events = [each["event"] for each in records if "event" in each]
    assert events[:2] == ["supervisor.started", "helper.started"]
    assert events[-1] == "supervisor.drained"
    assert events.count("task.retry") == 8
    assert events.count("task.buried") == 3
    [rejected] = [each for each in records if each.get("cause") == "rejected"]
    assert (rejected["queue"], rejected["delivery"], rejected["error"]) == ("t:d", 1, "no")
    assert rejected["pid"] == rejected["worker_pid"]
    assert 0 < rejected["seconds"] < 10
    slow = next(each for each in records if each.get("event") == "task.slow")
    assert slow["seconds"] >= 0.2
    assert slow["task"] in {letter[b"id"].decode() for letter in app.letters()}


def test_what_a_stuck_handler_did_not_take_is_said_on_stderr(app: Application) -> None:
    app.write(text=logging_that("time.sleep(300)"))
    program = app.run(RUN)
    eventually(lambda: app.noted("own"), "a record")
    assert program.stop(SOON) == 0
    assert "drained in" in program.logged("drained in")
    assert "reporter (pid" in program.logged("is killed")


def test_log_goes_to_stderr_once_the_application_has_ended_its_reporters(app: Application) -> None:
    app.write(text=logging_that("os._exit(9)"))
    program = app.run(RUN)
    program.logged("the application's logging ends who calls it")
    program.logged("supervisor, pid")  # the record on which they died
    program.signal(signal.SIGTTIN)
    program.logged("workers now: 3")
    assert program.stop(SOON) == 0


QUEUED = """
import logging, logging.handlers, queue

records = queue.Queue()
logging.getLogger().addHandler(logging.handlers.QueueHandler(records))
logging.getLogger().setLevel("INFO")

def listen():
    logging.handlers.QueueListener(records, logging.FileHandler("own")).start()

listen()
"""


@pytest.mark.parametrize("main", [LAUNCHED, RUN], ids=["launched", "run"])
def test_what_the_application_logs_in_a_thread_is_said_without_it(
    app: Application, main: str
) -> None:
    app.write(text=QUEUED, then="1 / 0")
    app.push({"n": 0})
    program = app.run(main)
    program.logged("worker t:d #0 (pid")
    program.logged("ZeroDivisionError: division by zero")
    assert end(app, program, main) == 0
    assert "drained in" in program.log


def test_thread_that_setup_starts_for_the_log_is_passed_what_is_logged(app: Application) -> None:
    app.write(text=QUEUED, then="1 / 0", setup=Code("listen"))
    app.push({"n": 0})
    program = app.run(RUN)
    eventually(lambda: "the handler failed: ZeroDivisionError" in own(app))
    assert end(app, program, RUN) == 0
    assert "the handler failed" not in program.log


def test_reporter_outlives_a_supervisor_that_is_killed(app: Application) -> None:
    (app.folder / "tame").touch()
    app.write(text=logging_that("pass"))
    program = app.run(RUN)
    [reporter] = eventually(lambda: program.titled("woodenwaiter: reporter"))
    eventually(lambda: len(program.titled(" idle")) == 2)
    program.signal(signal.SIGKILL)
    program.wait()
    eventually(lambda: "the supervisor is gone" in own(app))
    eventually(lambda: not reporter.is_running(), "the reporter's end")


def test_workers_have_the_applications_logging(app: Application) -> None:
    (app.folder / "tame").touch()
    app.write(text=logging_that("pass"), handler="raise ValueError('told')", max_deliveries=1)
    app.push({"n": 0})
    program = app.run(RUN)
    eventually(lambda: "ValueError: told" in own(app))
    assert program.stop(SOON) == 0


@pytest.mark.parametrize("error", ["KeyError", "SystemExit"])
def test_workers_survive_the_applications_logging(app: Application, error: str) -> None:
    app.write(text=logging_that(f"raise {error}('no')"), handler=FAILING, max_deliveries=1)
    app.push({"n": 1}, {"n": 2})
    program = app.run(RUN)
    eventually(lambda: app.done == [2] and app.letters())
    program.logged(f"the application's logging fails: {error}")
    assert app.begun == [1, 2]
    assert program.stop(SOON) == 0


# What else an import may leave behind.

EXITS = {
    "hangs": "time.sleep(300)",
    "crashes": "os.kill(os.getpid(), signal.SIGKILL)",
    "leaves": "os._exit(9)",
    "raises": "raise ValueError",
}


@pytest.mark.parametrize("does", EXITS)
def test_exit_function_of_the_application_does_no_harm(app: Application, does: str) -> None:
    text = f"""
        import atexit
        atexit.register(lambda: note("last", 1))

        @atexit.register
        def end():
            note("first", 1)
            {EXITS[does]}
    """
    app.write(text=text)
    assert app.serve().ready(2).stop(SOON) == 0
    assert app.numbers("first") == [1]
    assert app.numbers("last") == ([1] if does == "raises" else [])


FAIL_AT_FORK = "os.register_at_fork(before=lambda: 1 / 0, after_in_parent=lambda: 1 / 0)"
HOOKS = {
    "of records": "import logging; logging.setLogRecordFactory(lambda *_, **__: 1 / 0)",
    "of what is ignored": f"sys.unraisablehook = lambda _: os._exit(9); {FAIL_AT_FORK}",
    "of the garbage": """
        import gc
        from setproctitle import getproctitle

        def is_in_the_loop():
            frame = sys._getframe()
            while frame and not frame.f_code.co_filename.endswith("supervisor/supervisor.py"):
                frame = frame.f_back
            return frame and "supervisor of" in getproctitle()

        gc.callbacks.append(lambda *_: is_in_the_loop() and os._exit(9))
    """,
}


@pytest.mark.parametrize("hook", HOOKS)
def test_hook_of_the_application_does_no_harm(app: Application, hook: str) -> None:
    app.write(text=HOOKS[hook])
    app.push({"n": 0})
    supervisor = app.serve().ready(2)
    eventually(lambda: app.done)
    assert supervisor.stop(SOON) == 0


def test_what_python_ignores_at_a_fork_waits_for_no_reader(app: Application, sinks: Sinks) -> None:
    app.write(text=FAIL_AT_FORK)
    assert app.serve(inside=sinks.pipe()).ready(2).stop(SOON) == 0


def test_patch_of_logging_is_not_run_in_the_supervisor(app: Application) -> None:
    """Sentry's way."""
    text = """
        import logging

        def patched(self, record):
            note("own", f"{os.getpid()} {record.getMessage()}")
            os._exit(9)

        logging.Logger.callHandlers = patched
    """
    app.write(text=text)
    supervisor = app.serve().ready(2)
    supervisor.logged("the log goes to stderr now")
    assert supervisor.stop(SOON) == 0
    assert not [line for line in app.noted("own") if line.startswith(f"{supervisor.pid} ")]


def test_class_of_loggers_of_the_application_does_no_harm(app: Application) -> None:
    text = """
        class Own(logging.Logger):
            def _log(self, *args, **options):
                note("own", os.getpid())
                super()._log(*args, **options)

        logging.setLoggerClass(Own)
    """
    app.write()
    path = app.folder / "app.py"
    own_class = "import logging, os\n" + "\n".join(line[8:] for line in text.splitlines())
    path.write_text(own_class + "\n" + path.read_text())
    program = app.run(RUN)
    eventually(lambda: len(program.titled(" idle")) == 2)
    assert program.stop(SOON) == 0
    assert program.pid not in app.numbers("own")


@pytest.mark.parametrize("method", ["flush", "write"])
@pytest.mark.parametrize("does", ["raise ValueError", "raise OSError", "time.sleep(300)"])
def test_stdout_of_the_application_does_no_harm(app: Application, method: str, does: str) -> None:
    text = f"""
        class Own:
            encoding, errors, closed = "utf-8", "strict", False

            def write(self, text):
                {does if method == "write" else "pass"}

            def flush(self):
                {does if method == "flush" else "pass"}

        sys.stdout = Own()
    """
    app.write(text=text)
    app.push({"n": 0})
    supervisor = app.serve().ready(2)
    eventually(lambda: app.done)
    assert supervisor.stop(SOON) == 0


def test_what_an_import_printed_into_a_pipe_that_nobody_reads(
    app: Application, sinks: Sinks
) -> None:
    """Nobody waits for that, either."""
    app.write(text='print("x" * 5000)')
    sinks.fifo()
    app.push({"n": 0})
    supervisor = app.serve(inside=redirected(">fifo 2>&1"), PYTHONUNBUFFERED="")
    eventually(lambda: app.done)
    assert supervisor.stop(SOON) == 0


@pytest.mark.parametrize("to", [">&4 4>&-", ">/dev/full"])
def test_stdout_that_takes_nothing_is_told_by_the_dead_letters(
    app: Application, sinks: Sinks, to: str
) -> None:
    app.write(handler='print("x" * 10_000)', max_deliveries=1)
    app.push({"n": 0})
    left = ("bash", "-c", f'exec 4> >(true); wait $!; exec "$@" {to} 2>&1', "bash")
    supervisor = app.serve(inside=left)
    [letter] = eventually(app.letters)
    error = b"BrokenPipeError" if "4" in to else b"No space left"
    assert error in letter[b"traceback"]
    assert supervisor.stop(SOON) == 0
