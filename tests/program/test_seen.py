"""Supervisors tell of themselves, and people see it: ``status --hosts``, ``running``, and so on."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from woodenwaiter import __version__, pace
from woodenwaiter.commands.operate import main
from woodenwaiter.errors import EXIT_REDIS, EXIT_UNKNOWN, EXIT_USAGE
from woodenwaiter.housekeeper.happenings import Happenings
from woodenwaiter.housekeeper.portrait import Portrait
from woodenwaiter.housekeeper.publisher import Publisher
from woodenwaiter.housekeeper.site import Site
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.protocol.errands import Answer, ask
from woodenwaiter.protocol.hosts import Crew, Host
from woodenwaiter.protocol.keys import HOSTS, REGISTRY, host_key
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.published import Sighting, publication, published
from woodenwaiter.protocol.urls import client_at
from woodenwaiter.protocol.verdict import Policy
from woodenwaiter.settings import Settings

from ..application import Application, customer, kill_all
from ..support import Programs, Server, eventually
from ..topologies.cluster import Cluster

SOON = pace.PUBLISH + pace.NEWS + 15
"""Seconds in which something new is shown, on a busy machine."""


class Viewer:
    """Looks at a server."""

    def __init__(self, url: str) -> None:
        self.link = Link(client_at(url), 10)

    def sightings(self) -> list[Sighting]:
        return published(self.link)

    def hosts(self) -> list[Host]:
        return [seen.host for seen in self.sightings() if seen.host]

    def host(self, condition: Callable[[Host], object] = bool) -> Host:
        """The only one there is, once it is so."""

        def found() -> Host | None:
            hosts = self.hosts()
            return hosts[0] if len(hosts) == 1 and condition(hosts[0]) else None

        return eventually(found, "a host that is so", SOON)


@pytest.fixture
def look() -> Iterator[Callable[[str], Viewer]]:
    made: list[Viewer] = []

    def look(url: str) -> Viewer:
        made.append(Viewer(url))
        return made[-1]

    yield look
    for viewer in made:
        viewer.link.close()


@pytest.fixture
def viewer(look: Callable[[str], Viewer], server: Server) -> Viewer:
    return look(server.url)


PROGRESS = """
if foods["n"] == 0:
    delivery().progress(0.4, "page 3\\x1b of 8")
"""


def test_is_seen_with_what_it_runs(app: Application, viewer: Viewer) -> None:
    started = "subprocess.run(['sleep', '60'])"
    text = "import subprocess"
    app.write(text=text, handler="note('begun', foods['n'])" + PROGRESS + started)
    app.push({"n": 0})
    began = time.time()
    supervisor = app.serve("--drain-seconds", "0")
    host = viewer.host(lambda host: host.workers and host.workers[0].cpu is not None)
    assert (host.host, host.pid) == (socket.gethostname(), supervisor.pid)
    assert (host.release, host.started, host.alive) == (__version__, 2, 2)
    assert 0 < host.up < time.time() - began + 1
    assert host.settings["drain_seconds"] == 0
    [crew] = host.queues
    assert (crew.queue, crew.least, crew.most) == ("t:d", 2, 2)
    assert (crew.running, crew.idle, crew.workers) == (1, 1, 2)
    [task] = host.workers
    assert (task.queue, task.done, task.fraction, task.text) == ("t:d", 0, 0.4, r"page 3\x1b of 8")
    assert task.pid in {worker.pid for worker in supervisor.workers()}
    assert task.claim.startswith(f"{socket.gethostname()}.{supervisor.pid}.")
    assert 0 < task.seconds < time.time() - began + 1
    assert task.told is not None
    assert task.told <= task.seconds
    assert task.memory
    assert task.memory > 1 << 20
    assert task.children == (1 if sys.platform == "linux" else None)
    assert host.memory
    assert host.memory >= task.memory
    supervisor.signal(signal.SIGTERM)
    supervisor.wait()
    assert viewer.sightings() == []
    eventually(lambda: not app.client.keys("*hosts*"))


def test_password_is_not_told(
    app: Application, make_server: Callable[..., Server], look: Callable[[str], Viewer]
) -> None:
    server = make_server("s3cr3t")
    supervisor = app.at(server).serve("--redis", server.url)
    look(server.url).host()
    [key] = server.client.keys(host_key("*"))
    assert b"s3cr3t" not in server.client.get(key)
    assert supervisor.stop() == 0


def test_housekeeper_that_dies_is_followed_by_one_that_tells_again(
    app: Application, viewer: Viewer
) -> None:
    supervisor = app.serve().ready(2)
    before = viewer.host()
    first = supervisor.housekeeper()
    first.kill()
    [key] = app.client.keys(host_key("*"))
    app.client.delete(key, HOSTS)
    after = viewer.host()
    assert (after.pid, after.started) == (before.pid, before.started)
    assert after.up > before.up
    assert app.client.keys(host_key("*")) == [key]
    assert supervisor.housekeeper() != first
    assert supervisor.stop() == 0


def test_host_that_dies_is_forgotten(app: Application, viewer: Viewer) -> None:
    supervisor = app.serve().ready(2)
    viewer.host()
    kill_all(supervisor)
    [key] = app.client.keys(host_key("*"))
    assert 0 < app.client.pttl(key) <= 1000 * pace.PUBLISHED
    app.client.pexpire(key, 1)
    eventually(lambda: viewer.sightings() == [])


def test_orphans_take_their_document_with_them(app: Application, viewer: Viewer) -> None:
    supervisor = app.serve().ready(2)
    viewer.host()
    family = supervisor.tree()
    supervisor.signal(signal.SIGKILL)
    psutil.wait_procs(family, 20)
    assert viewer.sightings() == []


def test_supervisors_beside_each_other(app: Application, viewer: Viewer) -> None:
    supervisors = [app.serve().ready(2) for _ in range(2)]
    eventually(lambda: len(viewer.hosts()) == 2, "both", SOON)
    assert {host.pid for host in viewer.hosts()} == {each.pid for each in supervisors}
    assert supervisors[0].stop() == 0
    assert [host.pid for host in viewer.hosts()] == [supervisors[1].pid]
    assert supervisors[1].stop() == 0


def test_two_ways_to_one_database(app: Application, viewer: Viewer, server: Server) -> None:
    other = f"WoodenWaiter.from_url('{server.url}?client_name=other')"
    app.write(customer("t:d"), customer("t:e", waiter=other))
    supervisor = app.serve().ready(2)
    eventually(lambda: len(viewer.hosts()) == 2, "both", SOON)
    assert [host.queues[0].queue for host in viewer.hosts()] == ["t:d", "t:e"]
    assert supervisor.stop() == 0


def test_what_others_keep_there_stops_nothing(app: Application, viewer: Viewer) -> None:
    app.client.set(HOSTS, "mine")
    supervisor = app.serve("--lease-seconds", "1").ready(2)
    app.push(*({"n": n} for n in range(10)))
    eventually(lambda: len(app.done) == 10)
    supervisor.logged("does not show this supervisor: WRONGTYPE")
    assert supervisor.stop() == 0
    assert supervisor.log.count("does not show") == 1
    assert app.client.get(HOSTS) == b"mine"


# In a cluster.


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with closing(Cluster(tmp_path / "servers")) as cluster:
        yield cluster


def queue_on(cluster: Cluster, *, beside: bool) -> str:
    """A queue on the node that has the documents, or on another one."""
    node = cluster.owner(HOSTS)
    names = (f"q:{number}" for number in range(100))
    return next(name for name in names if (cluster.owner(name) is node) == beside)


@dataclass
class Near:
    """A cluster, and the node that has a queue."""

    url: str
    client: Any


def served_on(cluster: Cluster, programs: Programs, name: str) -> Application:
    app = Application(programs, Near(cluster.url, cluster.owner(name).client))
    app.write(customer(name, processes=1, max_deliveries=1))
    return app


@pytest.mark.parametrize("beside", [True, False])
def test_is_seen_in_a_cluster(
    cluster: Cluster, programs: Programs, look: Callable[[str], Viewer], beside: bool
) -> None:
    """And may be asked."""
    app = served_on(cluster, programs, queue_on(cluster, beside=beside))
    supervisor = app.serve().ready()
    viewer = look(cluster.url)
    viewer.host(lambda host: host.up > pace.PUBLISH)
    [name] = {seen.name for seen in viewer.sightings()}
    assert ask(viewer.link, [name], "trace", {}) == {name: Answer({"traces": {}})}
    assert supervisor.stop() == 0
    assert viewer.sightings() == []
    assert "WARNING" not in supervisor.log


def test_silent_node_holds_up_no_other(cluster: Cluster) -> None:
    """The one that has the documents, and none of the queues."""
    site = Site(client_at(cluster.url), pace.LEASE, timeout=pace.reply_within(pace.LEASE))
    site.add(queue_on(cluster, beside=False), Policy(), 1)
    site.attend({})
    portrait = Portrait(Scoreboard(1), Settings(), {}, os.getpid())
    site.publisher = Publisher(site.link, "a/0", portrait, site.happenings)
    node = cluster.owner(HOSTS)
    node.pause()
    began = time.monotonic()
    site.attend({})
    assert pace.PUBLISH_WAIT <= time.monotonic() - began < 5
    assert site.retry_at <= time.monotonic()
    began = time.monotonic()
    site.attend({})
    assert time.monotonic() - began < pace.PUBLISH_WAIT
    site.link.close()
    node.go_on()


# What happened of late.


def events(host: Host) -> list[str]:
    """The latest one first."""
    return [f"{event.level}: {event.text}" for event in host.events]


def told(viewer: Viewer, text: str) -> Host:
    """The host, once it tells of that."""
    return viewer.host(lambda host: any(text in event for event in events(host)))


def test_what_happened_is_told(app: Application, viewer: Viewer) -> None:
    app.write(processes=1, max_deliveries=1)
    supervisor = app.serve().ready(1)
    assert viewer.host().events == ()
    app.push({"n": 0, "kill": 9})
    host = told(viewer, "became a dead letter")
    assert "error: a worker of t:d died of signal 9 (SIGKILL) while it ran a task" in events(host)
    assert all(0 <= event.seconds < SOON for event in host.events)
    supervisor.signal(signal.SIGTSTP)
    told(viewer, "info: its workers claim no tasks for now")
    supervisor.signal(signal.SIGCONT)
    supervisor.housekeeper().kill()
    assert events(told(viewer, "its housekeeper died"))[-1].startswith("error: its housekeeper")
    assert supervisor.stop() == 0


def test_who_asked_and_what_an_outage_was_are_told(app: Application, viewer: Viewer) -> None:
    supervisor = app.serve("--lease-seconds", "1").ready(2)
    viewer.host()
    [name] = {seen.name for seen in viewer.sightings()}
    ask(viewer.link, [name], "quiet", {}, who="anna\x1b")
    host = told(viewer, r"info: anna\x1b asks for: quiet")
    assert "info: its workers claim no tasks for now" in events(host)
    app.client.set("{t:d}:leases", "text")
    host = told(viewer, "error: queue t:d: WRONGTYPE")
    app.client.delete("{t:d}:leases")
    told(viewer, "info: queue t:d works again")
    for connection in app.client.client_list():
        if connection["name"].endswith("housekeeper"):
            app.client.client_kill(connection["addr"])
    host = told(viewer, "info: Redis works again")
    assert "error: Redis: no connection" in events(host)
    assert not any("127.0.0.1" in event for event in events(host))
    assert supervisor.stop() == 0


def test_last_hour_is_told(server: Server, viewer: Viewer) -> None:
    """By a housekeeper for which the time flies."""
    link = Link(server.client, 10)
    portrait = Portrait(Scoreboard(1), Settings(), {}, os.getpid())
    publisher = Publisher(link, "a/0", portrait, Happenings())
    start = time.monotonic()
    for minute in range(70):
        now = start + minute * 60
        commands = publisher.along({}, [link.address], now, is_asking=True)
        publisher.heed(link.exchange(commands), now)
    hour = viewer.host().hour
    assert len(hour.cpu) == len(hour.memory) == 60
    assert all(minute is not None and minute > 0 for minute in hour.memory)
    assert hour.cpu[-1] is not None
    link.close()


# What people see.


@pytest.fixture
def see(server: Server, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    """Runs a command that succeeds; returns what it printed, and its complaints."""

    def see(*arguments: str) -> tuple[str, str]:
        assert main(["--redis", server.url, *arguments]) == 0
        return capsys.readouterr()

    return see


LOOKS = (("status", "--hosts"), ("status", "--workers"), ("running",))


def test_nobody_is_there(see: Callable[..., tuple[str, str]]) -> None:
    assert [see(*look)[0] for look in LOOKS] == [
        "no supervisor is to be seen\n",
        "no worker is to be seen\n",
        "nothing is running\n",
    ]


def test_looks(
    app: Application, viewer: Viewer, see: Callable[..., tuple[str, str]], server: Server
) -> None:
    app.write(
        customer(processes=2),
        customer("t:none", processes=(0, 1)),
        handler=f"{PROGRESS}\ntime.sleep(60)",
    )
    app.push({"n": 0}, {"n": 1})
    supervisor = app.serve("--drain-seconds", "0")
    viewer.host(lambda host: len(host.workers) == 2)
    name = socket.gethostname()

    names, host = see("status", "--hosts")[0].splitlines()
    assert " ".join(names.split()) == "host pid version up state running restarts cpu largest seen"
    assert host.split()[:3] == [name, str(supervisor.pid), __version__]
    assert "2 of 2" in host

    names, *workers, none = see("status", "--workers")[0].splitlines()
    assert " ".join(names.split()) == "host worker pid state for done cpu memory"
    assert {line.split()[1] for line in workers} == {"t:d"}
    assert sum(" running " in line for line in workers) == 2
    assert none.split() == [name, "t:none", "none"]

    names, *tasks = see("running")[0].splitlines()
    assert " ".join(names.split()) == "queue host pid for seen cpu task progress"
    assert len(tasks) == 2
    assert any(line.endswith(r"40%: page 3\x1b of 8") for line in tasks)
    assert see("running", "t:d")[0].splitlines()[1:] != []
    assert see("running", "t:none")[0] == "nothing is running\n"
    assert see("status", "--hosts", "t:other")[0] == "no supervisor is to be seen\n"
    assert see("status", "--workers", "t:none")[0].split()[-3:] == none.split()

    told = [json.loads(see(*look, "--json")[0]) for look in LOOKS]
    assert [each["version"] for each in told] == [1, 1, 1]
    assert told[0]["hosts"][0]["queues"][0]["queue"] == "t:d"
    assert [crew["queue"] for crew in told[1]["crews"]] == ["t:d", "t:none"]
    assert {task["fraction"] for task in told[2]["running"]} == {0.4, None}
    assert abs(told[2]["running"][0]["began"] - time.time()) < 60
    assert len(see("status", "--hosts", "--json")[0].splitlines()) == 1
    supervisor.stop()


def test_what_was_done_is_seen(
    app: Application, viewer: Viewer, see: Callable[..., tuple[str, str]]
) -> None:
    """On two hosts together, and by workers that are no more."""
    app.write(
        customer(processes=1, max_deliveries=1),
        handler="""
            if foods["n"] == 0: os._exit(1)
            if foods["n"] == 1: os.kill(os.getpid(), 9)
            time.sleep(foods.get("sleep", 0))
        """,
    )
    app.push(*({"n": n} for n in range(20)), {"n": 20, "sleep": 0.3})
    first = app.serve()
    eventually(lambda: queue_of(see)["done"] == 19, "all done", SOON)
    second = app.serve().ready(1)
    eventually(lambda: len(viewer.hosts()) == 2, "both", SOON)
    app.push({"n": 22, "sleep": 0.3}, {"n": 23, "sleep": 60}, {"n": 24, "sleep": 60})
    eventually(lambda: queue_of(see)["running"] == 2, "both are running", SOON)
    told = eventually(
        lambda: (now := queue_of(see))["handler_seconds"] and now["done"] == 20 and now, "times"
    )
    assert told["handler_seconds"]["p50"] < 0.15
    assert 0.15 < told["handler_seconds"]["p99"] < 1.2
    assert (told["failed"], told["buried"], told["pushed"], told["requeued"]) == (2, 2, 24, 0)

    hosts = {host.pid: host for host in viewer.hosts()}
    [crew] = hosts[first.pid].queues
    assert crew.restarts == {"exited": 1, "signalled": 1}
    assert (crew.tally["failed"], crew.tally["killed"], crew.tally["buried"]) == (2, 2, 2)
    counted = [crew.tally.get("done", 0) for host in hosts.values() for crew in host.queues]
    assert sum(counted) == 20
    assert sum(sum(crew.times) for host in hosts.values() for crew in host.queues) == 22
    plain = {
        each["pid"]: each for each in json.loads(see("status", "--hosts", "--json")[0])["hosts"]
    }
    assert plain[first.pid]["restarts"] == {"exited": 1, "signalled": 1}
    assert plain[second.pid]["restarts"] == {}
    shown = dict(re.findall(r" (\d+) .* 1 of 1 +(\d+) ", see("status", "--hosts")[0]))
    assert shown == {str(first.pid): "2", str(second.pid): "0"}
    for supervisor in (first, second):
        kill_all(supervisor)


def queue_of(see: Callable[..., tuple[str, str]]) -> dict[str, Any]:
    """What programs are told of the only one."""
    queues = json.loads(see("status", "--json")[0])["queues"]
    return queues[0] if queues else dict.fromkeys(("done", "running", "handler_seconds"))


def test_hosts_that_tell_too_much_or_nonsense(
    see: Callable[..., tuple[str, str]], client: Any, viewer: Viewer
) -> None:
    """Of one that leaves out queues nobody knows what these run; counts in more ranges than there
    are spoil nothing."""
    client.sadd(REGISTRY, "t:d", "t:e")
    crew = Crew("t:d", 1, 1, running=1, times=(0,) * 20 + (5,) * 200)
    host = Host("h", 1, "1.0.0", 1.0, 1, 1, queues=(crew, Crew("t:other", 1, 1)))
    viewer.link.exchange([publication("a/0", host)])
    assert queue_of(see)["running"] == 1
    assert queue_of(see)["handler_seconds"]["p50"] > 1
    viewer.link.exchange([publication("b/0", replace(host, more_queues=7))])
    assert queue_of(see)["running"] is None
    _, shown, other = see("status")[0].splitlines()
    assert shown.split()[4:8] == other.split()[4:8] == ["-", "0", "0", "-"]
    assert other.split()[10:12] == ["-", "-"]
    assert shown.split()[10] != "-"


def test_hostile_documents(see: Callable[..., tuple[str, str]], client: Any) -> None:
    evil = "\x1b[2J\x1b]0;title\x07\n\u202e"
    task = {"queue": evil, "slot": 0, "pid": 1, "claim": evil, "seconds": 1, "done": 0}
    document = {
        "version": 1,
        "host": evil,
        "pid": 1,
        "release": evil,
        "up": 1e15,
        "started": -5,
        "alive": 1,
        "queues": [{"queue": evil, "least": 1, "most": 1, "idle": -3}],
        "workers": [{**task, "text": evil, "fraction": -1e15}],
    }
    client.set(host_key("evil"), json.dumps(document))
    client.set(host_key(evil), b"\xff" * 10)
    client.set(host_key("later"), '{"version": 2}')
    now = int(client.time()[0]) * 1000
    client.zadd(HOSTS, {"evil": now, evil: now, "later": now})
    for look in LOOKS:
        for printed in (*see(*look), *see(*look, "--json")):
            assert printed.replace("\n", "").isprintable()
        complaints = see(*look)[1]
        assert "later: a later release has written it" in complaints
        assert r"\x1b[2J" in complaints
        told = json.loads(see(*look, "--json")[0])
        assert {each["document"] for each in told["unreadable"]} == {evil, "later"}


def test_mistakes(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--redis", server.url, "running", "t:nobodys"]) == EXIT_UNKNOWN
    assert "no such queue" in capsys.readouterr().err
    with pytest.raises(SystemExit) as raised:
        main(["--redis", server.url, "status", "--hosts", "--workers"])
    assert raised.value.code == EXIT_USAGE
    server.client.set(HOSTS, "mine")
    assert main(["--redis", server.url, "status", "--hosts"]) == EXIT_REDIS
    assert "WRONGTYPE" in capsys.readouterr().err.splitlines()[-1]
