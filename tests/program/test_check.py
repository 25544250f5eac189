"""``woodenwaiter check``: what is wrong, or will be, and what to do."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from woodenwaiter import pace
from woodenwaiter.commands.operate import main
from woodenwaiter.protocol.urls import REDIS_URL

from ..application import source
from ..clock import Clock, can_be_set
from ..support import Programs, Server, eventually, free_port, path_with, run
from ..topologies.cluster import Cluster

Checked = dict[str, list[tuple[str, str, str]]]
"""By the word that a line is about: its grade, what it says, and what to do."""

Check = Callable[..., tuple[int, Checked]]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """Runs the command on a server; returns its exit code, and what it found."""

    def check(url: str) -> tuple[int, Checked]:
        code = main(["--redis", url, "check", "--json"])
        printed, errors = capsys.readouterr()
        assert errors == ""
        return code, found_in(printed)

    return check


def found_in(printed: str) -> Checked:
    told = json.loads(printed)
    assert told["version"] == 1
    found: Checked = {}
    for each in told["findings"]:
        found.setdefault(each["about"], []).append((each["grade"], each["text"], each["remedy"]))
        assert bool(each["remedy"]) == (each["grade"] != "ok")
    return found


@pytest.fixture
def own(make_server: Callable[..., Server]) -> Server:
    """A server to be configured."""
    return make_server()


def only(found: Checked, about: str) -> tuple[str, str, str]:
    [finding] = found[about]
    return finding


def test_all_is_well(check: Check, server: Server) -> None:
    code, found = check(server.url)
    assert code == 0
    assert {grade for each in found.values() for grade, _, _ in each} == {"ok"}
    about = {"reach", "version", "persistence", "eviction", "memory", "connections", "clock"}
    assert found.keys() == about | {"queues"}


def test_it_is_told_in_lines(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.client.sadd("woodenwaiter:queues", "\x1b:d")
    server.client.lpush("\x1b:d", "{}")
    assert main(["--redis", server.url, "check"]) == 0
    printed = capsys.readouterr().out
    assert printed.replace("\n", "").isprintable()
    lines = printed.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[-2:] == [
        r"warning queues      nobody takes tasks of \x1b:d",
        "                    Start a supervisor for it",
    ]
    assert {line.split()[0] for line in lines[:-2]} == {"ok"}


def test_server_that_is_not_there(check: Check) -> None:
    code, found = check(f"redis://:s3cret@127.0.0.1:{free_port()}")
    grade, text, remedy = only(found, "reach")
    assert (code, grade, set(found)) == (1, "trouble", {"reach"})
    assert text.startswith("no usable Redis at redis://127.0.0.1:")
    assert remedy.startswith("Start one there")
    assert "s3cret" not in text


@pytest.mark.parametrize(
    ("settings", "about", "grade", "told"),
    [
        ({"appendonly": "no"}, "persistence", "warning", "no append-only file"),
        ({"maxmemory-policy": "allkeys-lru"}, "eviction", "warning", "allkeys-lru: loses no task"),
        (
            {"maxmemory-policy": "allkeys-lru", "maxmemory": "1gb"},
            "eviction",
            "trouble",
            "allkeys-lru: when its memory is full, tasks are lost",
        ),
        ({"maxmemory-policy": "volatile-ttl"}, "eviction", "warning", "volatile-ttl: loses no"),
        ({"maxmemory": "1mb"}, "memory", "warning", "MiB are used, of 1"),
        ({"maxmemory": "1gb"}, "memory", "ok", "MiB are used, of 1,024"),
    ],
    ids=str,
)
def test_settings_of_the_server(
    check: Check, own: Server, settings: dict[str, str], about: str, grade: str, told: str
) -> None:
    for name, value in settings.items():
        own.client.config_set(name, value)
    code, found = check(own.url)
    assert code == (1 if grade == "trouble" else 0)
    assert only(found, about)[0] == grade
    assert told in only(found, about)[1]


def test_server_with_few_connections(check: Check, own: Server) -> None:
    address = ("127.0.0.1", own.port)
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection(address))
        eventually(lambda: own.client.info("clients")["connected_clients"] > 20)
        assert only(check(own.url)[1], "connections")[0] == "ok"
        own.client.config_set("maxclients", 25)
        assert only(check(own.url)[1], "connections")[0] == "warning"


def test_disk_that_is_full(check: Check, own: Server) -> None:
    own.client.config_set("appendonly", "no")
    own.client.set("x", "y")
    (Path(own.client.config_get("dir")["dir"]) / "dump.rdb").mkdir()
    own.client.bgsave()
    eventually(lambda: own.client.info("persistence")["rdb_last_bgsave_status"] == "err")
    code, found = check(own.url)
    grade, text, _ = only(found, "persistence")
    assert (code, grade, text) == (1, "trouble", "the last snapshot failed")


def test_replica_takes_no_tasks(
    check: Check, own: Server, make_server: Callable[..., Server]
) -> None:
    primary = make_server()
    own.client.replicaof("127.0.0.1", primary.port)
    eventually(lambda: own.client.info("replication")["master_link_status"] == "up")
    code, found = check(own.url)
    assert code == 1
    assert only(found, "role")[:2] == (
        "trouble",
        f"a replica of 127.0.0.1:{primary.port}, which takes no tasks",
    )


@pytest.mark.skipif(not can_be_set(), reason="it takes a C compiler")
def test_clocks_that_differ(
    check: Check, tmp_path: Path, make_server: Callable[..., Server]
) -> None:
    clock = Clock(tmp_path)
    server = make_server(**clock.environment)
    for ahead, told in ((600, "10 min ahead of"), (-600, "10 min behind")):
        clock.set_ahead(ahead)
        _, found = check(server.url)
        assert only(found, "clock")[0] == "warning"
        assert only(found, "clock")[1].startswith(told)


def test_user_who_may_not_serve(check: Check, own: Server) -> None:
    own.client.sadd("woodenwaiter:queues", "t:d")
    own.client.execute_command("ACL", "SETUSER", "some", "on", ">pw", "~*", "+@all", "-xadd")
    code, found = check(own.url.replace("//", "//some:pw@"))
    grade, text, remedy = only(found, "rights")
    assert (code, grade) == (1, "trouble")
    assert text == "serving XADD {t:d}:dead: refused to user some"
    assert remedy == "ACL SETUSER some +xadd"


def test_user_who_may_not_look(check: Check, own: Server) -> None:
    rules = ("on", ">pw", "~*", "+@all", "-info", "-smembers", "-time", "-eval", "-evalsha")
    own.client.execute_command("ACL", "SETUSER", "some", *rules)
    code, found = check(own.url.replace("//", "//some:pw@"))
    assert code == 0
    assert only(found, "server")[0] == "warning"
    assert found["queues"][0][1].startswith("not looked at: NOPERM ")


# Queues.


def test_queues_that_nobody_sees_to(check: Check, server: Server) -> None:
    client, past = server.client, time.time() * 1000
    client.sadd("woodenwaiter:queues", "idle:d", "left:d", "gone:d", "bare:d", "old:d", "odd:d")
    client.lpush("left:d", "{}")
    for queue in ("gone:d", "bare:d"):
        client.hset(f"{{{queue}}}:settled", "a", "0 1")
    client.zadd("{gone:d}:leases", {"a": past - (pace.LAPSED + 1) * 1000})
    client.xadd("{old:d}:dead", {"payload": "{}"}, id=f"{past - 9 * 86_400_000:.0f}-0")
    client.set("{odd:d}:leases", "text")
    code, found = check(server.url)
    assert code == 0
    assert [(grade, text) for grade, text, _ in found["queues"]] == [
        ("warning", found["queues"][0][1]),
        ("warning", "nobody takes tasks of left:d"),
        ("warning", "hosts are gone, and nobody gives their tasks to others, of gone:d"),
        ("warning", "workers have no lease, in bare:d"),
        ("warning", "dead letters, up to 9.0 d old, are in old:d"),
    ]
    assert found["queues"][0][1].startswith("odd:d: WRONGTYPE ")
    assert only(found, "rights")[0] == "ok"


def test_all_nodes_of_a_cluster_are_looked_at(check: Check, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    try:
        names = [f"{letter}:d" for letter in "abcdef"]
        cluster.client.sadd("woodenwaiter:queues", *names)
        for name in names:
            cluster.client.lpush(name, "{}")
        code, found = check(cluster.url)
        assert code == 0
        assert len(found["reach"]) == len(found["eviction"]) == 3
        assert only(found, "queues")[1] == f"nobody takes tasks of {', '.join(names)}"
        cluster.owner("woodenwaiter:queues").kill()
        code, found = check(cluster.url)
        assert code == 1
        assert "trouble" in {grade for grade, _, _ in found["reach"]}
    finally:
        cluster.close()


# An application.


@pytest.fixture
def application(programs: Programs, server: Server) -> Callable[..., tuple[int, Checked]]:
    """Checks one of this source text, beside a server."""

    def check(text: str, **environment: Any) -> tuple[int, Checked]:
        (programs.folder / "app.py").write_text(text)
        given = () if REDIS_URL in environment else ("--redis", server.url)
        command = ("-m", "woodenwaiter", *given, "check", "app", "--json")
        result = run(programs.folder, *command, **environment)
        print(result.stderr)
        return result.returncode, found_in(result.stdout)

    return check


def test_application_that_can_be_served(
    application: Callable[..., tuple[int, Checked]], programs: Programs
) -> None:
    text = """
        print("printed at import")
        note("pid", os.getpid())
        note("parent", os.getppid())
    """
    code, found = application(source(text=text))
    assert code == 0
    assert only(found, "app")[1] == "app can be loaded; queues, and workers of each: t:d (2)"
    assert {only(found, about)[0] for about in ("import", "descriptors", "rights")} == {"ok"}
    assert only(found, "rights")[1] == "this user may serve t:d"
    pids = [(programs.folder / name).read_text() for name in ("pid", "parent")]
    assert pids[0] != pids[1]


def test_application_is_found_in_the_current_folder(programs: Programs, server: Server) -> None:
    (programs.folder / "app.py").write_text(source())
    command = Path(sys.executable).parent / "woodenwaiter"
    given = (command, "--redis", server.url, "check", "app", "--json")
    result = subprocess.run(given, cwd=programs.folder, capture_output=True, text=True, check=True)
    assert only(found_in(result.stdout), "app")[0] == "ok"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("raise ValueError('no licence')", "app: importing it fails: ValueError: no licence"),
        ("os._exit(3)", "app: the process that was to load it "),
        ("os.kill(os.getpid(), 9)", "app: the process that was to load it "),
        ("manager = None", "app: there is no WoodenCustomer in it"),
    ],
)
def test_application_that_cannot_be_loaded(
    application: Callable[..., tuple[int, Checked]], text: str, told: str
) -> None:
    code, found = application(source(text=text) if text != "manager = None" else text)
    assert (code, only(found, "app")[0]) == (1, "trouble")
    assert only(found, "app")[1].startswith(told)
    assert only(found, "reach")[0] == "ok"


LEAVES = """
import socket
threading.Thread(target=time.sleep, args=(60,), daemon=True, name="ticker").start()
listening = socket.create_server(("127.0.0.1", 0))
connection = socket.create_connection(listening.getsockname())
"""


def test_what_an_import_leaves(application: Callable[..., tuple[int, Checked]]) -> None:
    code, found = application(source(text=LEAVES))
    (grade, connections, _), (other, threads, _) = found["import"]
    assert (code, grade, other) == (1, "trouble", "warning")
    assert connections.startswith("the import leaves open connections, to 127.0.0.1:")
    assert "the thread 'ticker'" in threads
    allowed = {"WOODENWAITER_ALLOW_OPEN_CONNECTIONS": "yes"}
    code, found = application(source(text=LEAVES), **allowed)
    assert (code, {grade for grade, _, _ in found["import"]}) == (0, {"warning"})
    code, found = application(source(text=LEAVES), WOODENWAITER_IMPORT_IN="worker")
    assert (code, "import" in found) == (0, False)


def test_application_of_another_server(
    application: Callable[..., tuple[int, Checked]], server: Server
) -> None:
    text = source(text="other = WoodenWaiter('127.0.0.1', 1)").replace("WoodenWaiter()", "other")
    assert len(application(text)[1]["app"]) == 1  # with --redis, all are there
    code, found = application(text, **{REDIS_URL: server.url})
    _, (grade, told, _) = found["app"]
    assert (code, grade) == (0, "warning")
    assert told == "t:d: on redis://127.0.0.1:1/0, which is not looked at"


def test_more_workers_than_descriptors(
    application: Callable[..., tuple[int, Checked]], programs: Programs
) -> None:
    text = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))\n"
    (programs.folder / "sitecustomize.py").write_text(text)
    code, found = application(source(processes=200), PYTHONPATH=path_with(programs.folder))
    assert code == 1
    assert only(found, "descriptors")[:2] == (
        "trouble",
        "200 workers need 464, 300 are allowed here",
    )


def test_import_that_hangs_can_be_interrupted(programs: Programs, server: Server) -> None:
    (programs.folder / "app.py").write_text(
        source(text="note('pid', os.getpid())\ntime.sleep(100)")
    )
    command = programs.start("-m", "woodenwaiter", "--redis", server.url, "check", "app")
    eventually((programs.folder / "pid").exists)
    command.signal(signal.SIGINT)
    assert command.wait() == 128 + signal.SIGINT
    assert not command.left_behind()
    assert "Traceback" not in command.log
