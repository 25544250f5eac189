"""What goes wrong. Each fault is a generator: it inflicts itself, yields, and makes good.

One that finds nothing to hit does not yield. What a fault may cause is written into the ledger;
where nothing is written, it must not cause any rerun.
"""

from __future__ import annotations

import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import psutil
import redis

from ..support import Server, eventually
from ..topologies.cluster import Cluster
from ..topologies.sentinels import Sentinels
from .hosts import Host, kill, send, serves_limits, title_of
from .kinds import MOST_BYTES, QUEUES
from .ledger import Ledger
from .servers import Place, Servers

T = TypeVar("T")

MOMENT = 1.5
"""Seconds for what stood still to go on, on a busy machine."""


@dataclass(frozen=True)
class Scene:
    """What faults act on. ``place``: where the tasks are; ``hosts``: the first one's supervisor and
    housekeeper are spared, so that there are long lives to be watched for growth."""

    place: Place
    hosts: Sequence[Host]
    ledger: Ledger
    lease: float

    @property
    def servers(self) -> Servers:
        """There may be another one after a while."""
        assert isinstance(self.place, Servers)
        return self.place

    @property
    def server(self) -> Server:
        return self.servers.present

    @property
    def sentinels(self) -> Sentinels:
        assert isinstance(self.place, Sentinels)
        return self.place

    @property
    def cluster(self) -> Cluster:
        assert isinstance(self.place, Cluster)
        return self.place

    @property
    def stop(self) -> float:
        """Seconds that are longer than a lease."""
        return self.lease * 1.4


Inflict = Callable[[Scene, float], Iterator[None]]


@dataclass(frozen=True)
class Fault:
    """``lasts``: seconds from the infliction to the remedy, None for longer than a lease;
    ``takes``: what the remedy is expected to take."""

    inflict: Inflict
    lasts: float | None
    takes: float = 0.0

    @property
    def name(self) -> str:
        return self.inflict.__name__.replace("_", " ")


@dataclass(frozen=True)
class Planned:
    """``at``: seconds from the start, at the earliest; ``chance`` from 0 to 1 picks the victim."""

    at: float
    fault: Fault
    chance: float


SERVER, SENTINEL, CLUSTER = "server", "sentinel", "cluster"
PLACES = (SERVER, SENTINEL, CLUSTER)
HOSTS, WORKERS, OPERATORS = "hosts", "workers", "operators"
GAPS = {SERVER: 2.5, SENTINEL: 2.5, CLUSTER: 2.0, HOSTS: 2.0, WORKERS: 1.0, OPERATORS: 1.0}
"""The lanes, of places one in a run: in each, one fault at a time, and so many seconds in
between."""

LANES: dict[str, list[Fault]] = defaultdict(list)


def fault(
    lane: str, lasts: float | None = 0.0, weight: int = 1, takes: float = 0.0
) -> Callable[[Inflict], Inflict]:
    """Add a fault to a lane, ``weight`` times."""

    def add(inflict: Inflict) -> Inflict:
        LANES[lane] += [Fault(inflict, lasts, takes)] * weight
        return inflict

    return add


def schedule(
    seed: int, seconds: float, lease: float, place: str = SERVER
) -> dict[str, list[Planned]]:
    """What is to happen in each lane, in random order, but each before any happens again."""
    lanes = (place, HOSTS, WORKERS, OPERATORS)
    return {lane: list(_lane(lane, seed, seconds, lease)) for lane in lanes}


def _lane(lane: str, seed: int, seconds: float, lease: float) -> Iterator[Planned]:
    rng = random.Random(f"{seed} {lane}")
    at = GAPS[lane]
    while True:
        for each in rng.sample(LANES[lane], len(LANES[lane])):
            lasts = lease * 1.4 if each.lasts is None else each.lasts
            if at + lasts + each.takes > seconds:
                return
            yield Planned(at, each, rng.random())
            at += lasts + each.takes + GAPS[lane]


def pick(things: Sequence[T], chance: float) -> T | None:
    return things[int(chance * len(things))] if things else None


def some_worker(scene: Scene, chance: float) -> tuple[Host, psutil.Process] | None:
    """One that runs a task, where there is such a one."""
    workers = [(host, worker) for host in scene.hosts for worker in host.workers()]
    busy = [(host, worker) for host, worker in workers if "idle" not in title_of(worker)]
    return pick(busy or workers, chance)


def let_leases_lapse(scene: Scene, host: str, seconds: float) -> None:
    scene.ledger.note("lapse", host=host, until=time.monotonic() + seconds)


# Workers.


@fault(WORKERS, weight=3)
def kill_a_worker(scene: Scene, chance: float) -> Iterator[None]:
    if victim := some_worker(scene, chance):
        scene.ledger.note("doomed", pid=victim[1].pid)
        if kill(victim[1]):
            yield


@fault(WORKERS, lasts=None)
def stop_a_worker(scene: Scene, chance: float) -> Iterator[None]:
    """Its housekeeper keeps its lease; only a time limit can be exceeded."""
    if victim := some_worker(scene, chance):
        if serves_limits(victim[1]):
            until = time.monotonic() + scene.stop + MOMENT
            scene.ledger.note("stopped", pid=victim[1].pid, until=until)
        yield from stop([victim[1]])


def stop(processes: Sequence[psutil.Process]) -> Iterator[None]:
    stopped = [process for process in processes if send(process, signal.SIGSTOP)]
    if stopped:
        yield
    for process in reversed(stopped):
        send(process, signal.SIGCONT)


# Hosts.


def exposed(scene: Scene, chance: float) -> Host:
    return scene.hosts[1:][int(chance * (len(scene.hosts) - 1))]


@fault(HOSTS)
def kill_a_housekeeper(scene: Scene, chance: float) -> Iterator[None]:
    housekeeper = exposed(scene, chance).housekeeper()
    if housekeeper and kill(housekeeper):
        yield


@fault(HOSTS, lasts=None)
def stop_a_housekeeper(scene: Scene, chance: float) -> Iterator[None]:
    """The leases of its workers with long tasks run out."""
    host = pick(scene.hosts, chance)
    if host and (housekeeper := host.housekeeper()):
        let_leases_lapse(scene, host.name, scene.stop + MOMENT)
        yield from stop([housekeeper])


@fault(HOSTS)
def kill_a_supervisor(scene: Scene, chance: float) -> Iterator[None]:
    """Its housekeeper sees to it that its workers leave in good order; if there is one. One that
    takes too long for a drain is killed, and its task uncharged."""
    host = exposed(scene, chance)
    if not host.housekeeper():
        let_leases_lapse(scene, host.name, 2 * scene.lease)
    for worker in host.workers():
        scene.ledger.note("orphaned", pid=worker.pid)
    if kill(host.supervisor()):
        yield
    host.replace()


@fault(HOSTS, lasts=None)
def stop_a_host(scene: Scene, chance: float) -> Iterator[None]:
    host = pick(scene.hosts, chance)
    if host:
        let_leases_lapse(scene, host.name, scene.stop + MOMENT)
        yield from stop(host.family())


@fault(HOSTS)
def kill_a_host(scene: Scene, chance: float) -> Iterator[None]:
    host = exposed(scene, chance)
    let_leases_lapse(scene, host.name, MOMENT)
    everything = host.remains()
    for process in everything:
        send(process, signal.SIGSTOP)
    if [kill(process) for process in everything]:
        yield
    host.replace()


@fault(HOSTS, lasts=3.0)
def block_the_log_of_a_host(scene: Scene, chance: float) -> Iterator[None]:
    """Who collects it stands still, and the pipe is full soon."""
    host = exposed(scene, chance)
    yield from stop([psutil.Process(host.collector.pid)])


@fault(HOSTS)
def reload_a_host(scene: Scene, chance: float) -> Iterator[None]:
    send(exposed(scene, chance).supervisor(), signal.SIGHUP)
    yield


@fault(HOSTS, lasts=1.0)
def quiet_a_host(scene: Scene, chance: float) -> Iterator[None]:
    """An operator's whim."""
    host = exposed(scene, chance)
    send(host.supervisor(), signal.SIGTSTP)
    yield
    send(host.supervisor(), signal.SIGCONT)


@fault(HOSTS, lasts=1.0)
def add_and_retire_workers(scene: Scene, chance: float) -> Iterator[None]:
    """Another whim."""
    host = exposed(scene, chance)
    send(host.supervisor(), signal.SIGTTIN)
    yield
    send(host.supervisor(), signal.SIGTTOU)


# The server. Its client asks again where the reply was lost; these requests bear it.


def ask(scene: Scene, *command: str | int) -> None:
    scene.server.client.execute_command(*command)


def configure(scene: Scene, name: str, value: str | int) -> None:
    ask(scene, "CONFIG", "SET", name, value)


def prepare(server: Server) -> None:
    """Have it write each reply's cause to its file before the reply, so that its kill loses
    nothing. With "everysec" a slow disk may hold up the writing; what the kernel has, a mere kill
    does not take. And have it take no more than MOST_BYTES at once."""

    def is_prepared() -> bool:
        with suppress(redis.RedisError):  # it is loading
            server.client.config_set("appendfsync", "no")
            server.client.config_set("proto-max-bulk-len", MOST_BYTES)
            return True
        return False

    eventually(is_prepared, "a server that has loaded its data")


@fault(SERVER, lasts=0.7)
def kill_the_server(scene: Scene, chance: float) -> Iterator[None]:
    scene.server.kill()
    yield
    scene.server.start()
    prepare(scene.server)


@fault(SERVER, lasts=1.5)
def stop_the_server(scene: Scene, chance: float) -> Iterator[None]:
    yield from stop([psutil.Process(scene.server.pid)])


@fault(SERVER, lasts=None)
def stop_the_server_for_longer_than_a_lease(scene: Scene, chance: float) -> Iterator[None]:
    yield from stop([psutil.Process(scene.server.pid)])


@fault(SERVER, weight=2)
def kill_connections(scene: Scene, chance: float) -> Iterator[None]:
    kill_all_connections(scene)
    yield


def kill_all_connections(scene: Scene) -> None:
    ask(scene, "CLIENT", "KILL", "TYPE", "normal")


@fault(SERVER, lasts=2.0)
def pause_clients(scene: Scene, chance: float) -> Iterator[None]:
    """For so long that they lose their patience, and their requests are carried out late. The
    server ends it by its clock: it is over before that is set back."""
    ask(scene, "CLIENT", "PAUSE", int(1000 * scene.lease / 2), "ALL")
    yield


@fault(SERVER)
def flush_scripts(scene: Scene, chance: float) -> Iterator[None]:
    ask(scene, "SCRIPT", "FLUSH")
    yield


@fault(SERVER, weight=2)
def delete_leases(scene: Scene, chance: float) -> Iterator[None]:
    ask(scene, "DEL", *(f"{{{queue}}}:leases" for queue in QUEUES))
    yield


@fault(SERVER, lasts=1.5)
def fill_the_memory(scene: Scene, chance: float) -> Iterator[None]:
    configure(scene, "maxmemory", 1)
    yield
    configure(scene, "maxmemory", 0)


@fault(SERVER, lasts=1.0)
def refuse_writes(scene: Scene, chance: float) -> Iterator[None]:
    """MISCONF: the server could not save. Its saving is made slow, and killed."""
    configure(scene, "rdb-key-save-delay", 10_000_000)
    configure(scene, "save", "3600 1")
    eventually(lambda: begins_to_save(scene), "a server that saves")
    for saving in eventually(psutil.Process(scene.server.pid).children):
        kill(saving)
    yield
    configure(scene, "save", "")
    configure(scene, "rdb-key-save-delay", 0)


def begins_to_save(scene: Scene) -> bool:
    """Not while it writes its append-only file anew."""
    with suppress(redis.ResponseError):
        ask(scene, "BGSAVE")
        return True
    return False


@fault(SERVER, lasts=2.0)
def fail_over(scene: Scene, chance: float) -> Iterator[None]:
    """To a replica; the former primary becomes its replica, and keeps its connections."""
    former, successor = scene.server, scene.servers.another()
    prepare(successor)
    replicate(successor, former)
    eventually(lambda: successor.client.info("replication")["master_link_status"] == "up")
    scene.ledger.note("kept")
    former.client.set("soak:kept", 1)
    former.client.wait(1, 10_000)
    successor.client.replicaof("NO", "ONE")
    scene.servers.let_in(successor)
    replicate(former, successor)
    scene.ledger.note("rollback", until=time.monotonic() + MOMENT)
    yield
    former.close()


def replicate(replica: Server, primary: Server) -> None:
    replica.client.replicaof("127.0.0.1", primary.port)


A_LONG_TIME = 3600


@fault(SERVER)
def set_the_clock_forward(scene: Scene, chance: float) -> Iterator[None]:
    if scene.servers.clock:
        scene.servers.clock.set_ahead(scene.servers.clock.ahead + A_LONG_TIME)
        yield


@fault(SERVER)
def set_the_clock_back(scene: Scene, chance: float) -> Iterator[None]:
    if scene.servers.clock:
        scene.servers.clock.set_ahead(scene.servers.clock.ahead - A_LONG_TIME)
        yield


KEEP = """
local kept = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  kept[#kept + 1] = key
  kept[#kept + 1] = redis.call('DUMP', key)
end
return kept
"""
COME_BACK = """
redis.call('FLUSHALL')
for i = 1, #KEYS do
  redis.call('RESTORE', KEYS[i], 0, ARGV[i])
end
"""


@fault(SERVER, lasts=1.5)
def roll_back(scene: Scene, chance: float) -> Iterator[None]:
    """The server comes back with older data, as after a failover to a replica that lagged."""
    scene.ledger.note("kept")
    kept = scene.server.client.eval(KEEP, 0)
    yield
    configure(scene, "proto-max-bulk-len", 512 << 20)  # some of them are large
    scene.server.client.eval(COME_BACK, len(kept) // 2, *kept[::2], *kept[1::2])
    configure(scene, "proto-max-bulk-len", MOST_BYTES)
    kill_all_connections(scene)
    scene.ledger.note("rollback", until=time.monotonic() + MOMENT)


@fault(SERVER, lasts=1.0)
def make_a_replica(scene: Scene, chance: float) -> Iterator[None]:
    """Read-only, of a master that nobody can reach: it keeps its data."""
    ask(scene, "REPLICAOF", "127.0.0.1", 1)
    yield
    ask(scene, "REPLICAOF", "NO", "ONE")
