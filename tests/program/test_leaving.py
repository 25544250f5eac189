"""How processes leave: what is flushed, what runs, what reaches the log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from ..support import Server, Supervisor, eventually, lines
from .test_supervisor import APP, numbers, push


def test_exit_handlers_run_in_the_process_that_registered_them(
    server: Server, tmp_path: Path
) -> None:
    app = (
        APP.replace("processes=2", 'processes=2, setup=lambda: atexit.register(leave, "worker")')
        + """
    import atexit

    def leave(role):
        note(role, os.getpid())

    atexit.register(leave, "supervisor")
    """
    )
    with Supervisor(tmp_path, app, "--redis", server.url).ready(2) as supervisor:
        workers = sorted(process.pid for process in supervisor.workers())
        assert supervisor.stop() == 0
    assert numbers(tmp_path / "supervisor") == [supervisor.pid]
    assert numbers(tmp_path / "worker") == workers


def test_nothing_printed_into_a_pipe_is_lost_or_torn(server: Server, tmp_path: Path) -> None:
    """Whole lines from many processes at once, and what had no line's end when its worker left."""
    app = """
    import sys
    from woodenwaiter import WoodenCustomer, WoodenWaiter

    def handle(foods):
        if foods["letter"] == "tail":
            sys.stdout.write("<tail>")
            open("tail", "w").close()
        else:
            for _ in range(20):
                print(foods["letter"] * 2000)

    print("<while loading>", end="")
    customer = WoodenCustomer("t", "d", WoodenWaiter(), handle, processes=4)
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(app))
    letters = ["abcd"[n % 4] for n in range(100)]
    push(server.client, *({"letter": letter} for letter in letters))
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "woodenwaiter.supervisor", "app", "--redis", server.url],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert supervisor.stdout is not None
    output = b""
    while output.count(b"\n") < 2000:
        output += os.read(supervisor.stdout.fileno(), 1 << 16)
    push(server.client, {"letter": "tail"})
    eventually((tmp_path / "tail").exists)
    supervisor.send_signal(signal.SIGTERM)
    output += supervisor.stdout.read()
    assert supervisor.wait(30) == 0
    supervisor.stdout.close()

    *whole, tail = output.decode().replace("<while loading>", "", 1).split("\n")
    assert sorted(whole) == sorted(letter * 2000 for letter in letters for _ in range(20))
    assert tail == "<tail>"


def test_log_lines_of_many_processes_stay_whole(server: Server, tmp_path: Path) -> None:
    push(server.client, *({"n": n} for n in range(200)))
    app = APP.replace("processes=2", "processes=4, max_deliveries=1").replace(
        'note("begun"', 'raise ValueError(f"<{foods[\'n\']}>" + "x" * 1000)\n        note("begun"'
    )
    options = ("--redis", server.url, "--log-format", "json")
    with Supervisor(tmp_path, app, *options) as supervisor:
        eventually(lambda: server.client.xlen("{t:d}:dead") == 200)
        assert supervisor.stop() == 0
        records = [json.loads(line) for line in supervisor.log.splitlines()]
    errors = [record["message"] for record in records if "traceback" in record]
    assert len(errors) == 200
    assert all("x" * 1000 in error for error in errors)


def test_process_that_a_handler_forks_does_not_become_a_worker(
    server: Server, tmp_path: Path
) -> None:
    push(server.client, *({"n": n} for n in range(20)))
    app = APP.replace('note("begun"', 'os.fork()\n        note("begun"')
    with Supervisor(tmp_path, app, "--redis", server.url) as supervisor:
        eventually(lambda: len(lines(tmp_path / "done")) == 40)
        eventually(lambda: len(supervisor.workers()) == 2, "only the workers are left")
        assert supervisor.stop() == 0
    assert numbers(tmp_path / "done") == sorted([*range(20), *range(20)])


def test_worker_that_lost_its_lease_starts_over(server: Server, tmp_path: Path) -> None:
    app = APP.replace("processes=2", "processes=1")
    with Supervisor(tmp_path, app, "--redis", server.url).ready(1) as supervisor:
        server.client.delete("{t:d}:settled", "{t:d}:leases")
        push(server.client, {"n": 0})
        eventually(lambda: lines(tmp_path / "done") == ["0"])
        assert "ran out" in supervisor.log
        assert supervisor.stop() == 0
    assert lines(tmp_path / "begun") == ["0"]


def test_failure_in_an_outage_counts_though_its_worker_was_told_to_leave(
    server: Server, tmp_path: Path
) -> None:
    failure = "from woodenwaiter import Retry\n        raise Retry(after=600)"
    app = APP.replace('note("done", foods["n"])', failure)
    push(server.client, {"n": 0, "sleep": 300})
    with Supervisor(tmp_path, app, "--redis", server.url) as supervisor:
        eventually(lambda: lines(tmp_path / "begun"))
        supervisor.signal(signal.SIGTERM)
        supervisor.logged("draining")
        eventually(lambda: len(supervisor.workers()) == 1, "only the one that works")
        server.client.client_kill_filter(_type="normal", skipme=True)
        (tmp_path / "go-0").touch()
        assert supervisor.wait() == 0
    assert server.client.zcard("{t:d}:delayed") == 1
    assert server.client.llen("t:d") == 0


def test_sleeping_worker_finds_what_was_claimed_for_it(server: Server, tmp_path: Path) -> None:
    """By a request that it gave up, say, and that the server carried out all the same."""

    def waits() -> int:
        return int(server.client.info("commandstats").get("cmdstat_blmove", {"calls": 0})["calls"])

    app = APP.replace("processes=2", "processes=1, seconds=0")
    options = ("--redis", server.url, "--lease-seconds", "2")
    with Supervisor(tmp_path, app, *options).ready(1) as supervisor:
        before = waits()
        eventually(lambda: waits() > before + 3, "a worker that only waits")
        [owner] = server.client.hkeys("{t:d}:settled")
        server.client.lpush(b"{t:d}:claims:" + owner, json.dumps({"n": 0}))
        eventually(lambda: lines(tmp_path / "done") == ["0"])
        assert supervisor.stop() == 0


def test_process_that_a_handler_forks_can_be_terminated(server: Server, tmp_path: Path) -> None:
    """At once, as when a multiprocessing.Pool ends."""
    app = APP.replace(
        'note("done"',
        """pid = os.fork()
        if pid == 0:
            time.sleep(300)
        os.kill(pid, signal.SIGTERM)
        note("status", os.waitpid(pid, 0)[1])
        note("done\"""",
    ).replace("import os,", "import os, signal,")
    push(server.client, *({"n": n} for n in range(20)))
    with Supervisor(tmp_path, app, "--redis", server.url) as supervisor:
        eventually(lambda: len(lines(tmp_path / "done")) == 20)
        assert supervisor.stop() == 0
    assert set(lines(tmp_path / "status")) == {str(signal.SIGTERM.value)}


def test_event_loop_in_a_handler_does_not_make_its_worker_deaf(
    server: Server, tmp_path: Path
) -> None:
    app = APP.replace(
        'note("done"',
        """async def main():
            asyncio.get_running_loop().add_signal_handler(signal.SIGALRM, print)

        asyncio.run(main())
        note("done\"""",
    ).replace("import os,", "import asyncio, os, signal,")
    push(server.client, {"n": 0})
    with Supervisor(
        tmp_path, app.replace("processes=2", "processes=1"), "--redis", server.url
    ) as s:
        eventually(lambda: lines(tmp_path / "done"))
        s.ready(1).signal(signal.SIGTSTP)
        eventually(lambda: s.titled(" quiet"))
        assert s.stop() == 0
