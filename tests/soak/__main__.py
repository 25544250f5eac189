"""``python -m tests.soak``: run, let everything drain, and account for every task."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.queue import Queue
from woodenwaiter.protocol.urls import client_at

from ..support import Program, eventually
from ..topologies.cluster import Cluster
from ..topologies.node import Node
from ..topologies.sentinels import Sentinels
from . import failovers as failovers  # noqa: PLC0414 - faults that it adds
from . import report
from .faults import CLUSTER, PLACES, SENTINEL, SERVER, Fault, Planned, Scene, prepare, schedule
from .hosts import ROOT, Host, left_behind, send
from .kinds import FATAL, ID, MAX_DELIVERIES, MOST_BYTES, QUEUES, id_in
from .ledger import Ledger, Letter, check
from .operators import desk_at, restore_all
from .servers import Place, Servers
from .watch import Watch

PUBLISHED = "woodenwaiter==0.0.4"
HOSTS = 3
LEASE = 3.0
PROGRESS_EVERY = 10.0
DRAIN_WITHIN = 120.0
"""Seconds: a worker that died too often is replaced after 30."""


class Lane(threading.Thread):
    """Injects the faults that are planned for it, one after the other, unless ``over``."""

    def __init__(
        self, scene: Scene, plan: list[Planned], begun: float, over: threading.Event
    ) -> None:
        super().__init__()
        self._scene = scene
        self._plan = plan
        self._begun = begun
        self._over = over
        self.injected: Counter[str] = Counter()
        self.trouble = ""

    def run(self) -> None:
        try:
            for planned in self._plan:
                if self._over.wait(max(0.0, self._begun + planned.at - time.monotonic())):
                    return
                self._inject(planned.fault, planned.chance)
        except Exception:
            self.trouble = traceback.format_exc()

    def _inject(self, fault: Fault, chance: float) -> None:
        for _ in fault.inflict(self._scene, chance):
            self.injected[fault.name] += 1
            self._over.wait(self._scene.stop if fault.lasts is None else fault.lasts)


class Progress:
    """Counts a ledger's records by what they are, as they come."""

    def __init__(self, ledger: Ledger) -> None:
        self._path = ledger.path
        self._read = 0
        self._counts: Counter[str] = Counter()

    def counts(self) -> Counter[str]:
        with self._path.open("rb") as records:
            records.seek(self._read)
            complete, newline, _ = records.read().rpartition(b"\n")
        self._read += len(complete) + len(newline)
        self._counts.update(json.loads(line)[1] for line in complete.splitlines())
        return self._counts


class Soak:
    """One run in ``folder``; ``problems`` says in the end what was wrong."""

    def __init__(self, folder: Path, seconds: float, seed: int, place: str) -> None:
        self._kind_of_place = place
        self._folder = folder
        self._seconds = seconds
        self._seed = seed
        self._ledger = Ledger(folder / "ledger")
        self._progress = Progress(self._ledger)
        self._producers: list[Program] = []
        self.problems: list[str] = []

    def run(self) -> None:
        install_published(self._folder / "published")
        with ExitStack() as stack:
            self._place = PLACE_AT[self._kind_of_place](self._folder)
            stack.callback(self._place.close)
            self._hosts = [stack.enter_context(self._host(f"host{n}")) for n in range(HOSTS)]
            scene = Scene(self._place, self._hosts, self._ledger, LEASE)
            self._watch = Watch(self._hosts)
            stack.callback(self._watch.stop)
            self._start_producers(stack)
            self._suffer(scene, stack)
            self._drain()
            self._show()

    @contextmanager
    def _host(self, name: str) -> Iterator[Host]:
        host = Host(
            name,
            self._folder,
            *("--redis", self._place.url, "--lease-seconds", f"{LEASE:g}"),
            SOAK_LEDGER=str(self._ledger.path),
            SOAK_LEASE=str(LEASE),
        )
        try:
            yield host
        finally:
            host.kill()

    def _start_producers(self, stack: ExitStack) -> None:
        published = f"{self._folder / 'published'}:{ROOT}"
        for name, path in (("young", str(ROOT)), ("sly", str(ROOT)), ("old", published)):
            producer = Program(
                *(self._folder, "-m", "tests.soak.producers", name, str(self._ledger.path)),
                *(self._place.url, str(self._seed)),
                PYTHONPATH=path,
            )
            self._producers.append(stack.enter_context(producer))
            library = Path(producer.logged("woodenwaiter.py"))
            if (name == "old") != library.is_relative_to(self._folder):
                raise AssertionError(f"the producer {name} uses {library}")

    def _suffer(self, scene: Scene, stack: ExitStack) -> None:
        begun, over = time.monotonic(), threading.Event()
        plan = schedule(self._seed, self._seconds, LEASE, self._kind_of_place)
        self._lanes = [Lane(scene, plan[name], begun, over) for name in plan]
        for lane in self._lanes:
            lane.start()
            stack.callback(lane.join)
        stack.callback(over.set)
        while (passed := time.monotonic() - begun) < self._seconds:
            time.sleep(min(PROGRESS_EVERY, self._seconds - passed))
            self._tell_progress(time.monotonic() - begun)
        for lane in self._lanes:
            lane.join()
            if lane.trouble:
                self.problems.append(f"a fault could not be injected:\n{lane.trouble}")

    def _tell_progress(self, passed: float) -> None:
        events = self._progress.counts()
        faults = sum(sum(lane.injected.values()) for lane in self._lanes)
        print(
            f"{passed:5.0f} s of {self._seconds:.0f}: {events['pushing']} tasks, "
            f"{events['start']} runs, {events['born']} workers, {faults} faults",
            flush=True,
        )

    def _drain(self) -> None:
        """Let all be handled, then let all leave. What servers forgot of what operators undid, they
        undo again."""
        with desk_at(self._place.url) as desk:
            restore_all(desk)
        for host in self._hosts:
            send(host.supervisor(), signal.SIGCONT)
        for producer in self._producers:
            if producer.stop() != 0:
                self.problems.append(f"a producer failed:\n{producer.log[-2000:]}")
        client = client_at(self._place.url)
        self._queues = [Queue(Link(client, 10), name, LEASE) for name in QUEUES]
        begun = time.monotonic()
        try:
            eventually(self._is_idle, "queues that are empty", DRAIN_WITHIN)
        except AssertionError as error:
            self.problems.append(f"{error}: {[queue.sizes() for queue in self._queues]}")
        print(f"drained in {time.monotonic() - begun:.1f} s", flush=True)
        self._watch.stop()
        self._end_hosts()

    def _is_idle(self) -> bool:
        busy = ("waiting", "claimed", "delayed")
        return not any(queue.sizes()[state] for queue in self._queues for state in busy)

    def _end_hosts(self) -> None:
        for host in self._hosts:
            if not host.is_up:
                self.problems.append(f"{host.name}: its supervisor has left by itself")
            else:
                host.drain()
        for host in self._hosts:
            # 1: a worker whose handler goes on for longer was killed.
            if host.wait() not in (0, 1):
                self.problems.append(f"{host.name}: its supervisor left with {host.wait()}")
        for process in left_behind(self._hosts):
            self.problems.append(f"left behind: {process}")
        for queue in self._queues:
            if queue.sizes()["workers"]:
                self.problems.append(f"owners left in {queue.name}: {queue.sizes()}")

    def _letters(self) -> Iterator[Letter]:
        for queue in self._queues:
            for _, fields in queue.dead_letters():
                task, deliveries = id_in(fields["payload"]), int(fields["deliveries"])
                yield Letter(task, deliveries, fields["reason"] == b"cancelled")

    def _disregarded(self) -> Iterator[str]:
        """What those who are primaries in the end were told of, and what nobody ran or buried."""
        settled = {record.task for record in self._ledger if record.what == "end"}
        settled |= {letter.task for letter in self._letters()}
        for node in self._survivors():
            told = node.told(ID)
            print(report.row(f"tasks that {node.address} knows of", len(told)), flush=True)
            if never := told - settled:
                yield f"{node.address} had {len(never)} that never ran, such as {min(never)}"

    def _survivors(self) -> list[Node]:
        return [] if isinstance(self._place, Servers) else self._place.primaries

    def _show(self) -> None:
        findings = check(self._ledger, self._letters(), fatal=FATAL, max_deliveries=MAX_DELIVERIES)
        kinds = Counter(record.kind for record in self._ledger if record.what == "pushing")
        injected: Counter[str] = sum((lane.injected for lane in self._lanes), Counter())
        lines = [
            *report.faults_table(injected),
            *report.kinds_table(kinds),
            *report.tasks_table(findings),
        ]
        for role in ("supervisor", "housekeeper"):
            growths = self._watch.of(role)
            lines += report.growth_table(role, growths)
            self.problems += report.growth_problems(role, growths)
        self.problems += report.task_problems(findings)
        self.problems += self._disregarded()
        print("\n".join(lines), flush=True)


def one_server(folder: Path) -> Servers:
    servers = Servers(folder)
    prepare(servers.present)
    return servers


LINES = (f"proto-max-bulk-len {MOST_BYTES}", "auto-aof-rewrite-percentage 100")

PLACE_AT: dict[str, Callable[[Path], Place]] = {
    SERVER: one_server,
    SENTINEL: lambda folder: Sentinels(folder, *LINES, replicas=2),
    CLUSTER: lambda folder: Cluster(folder, *LINES, replicas=3),
}


def install_published(folder: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"),
            *("--no-deps", "--target", str(folder), PUBLISHED),
        ],
        check=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (1)")
    parser.add_argument("--seed", type=int, help="of the faults and of the producers (random)")
    parser.add_argument("--on", choices=PLACES, default=SERVER, help="where the tasks are (server)")
    parser.add_argument("--keep", action="store_true", help="keep logs and ledger in any case")
    given = parser.parse_args()
    seed = random.randrange(1_000_000) if given.seed is None else given.seed
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    print(f"seed {seed}, in {folder}", flush=True)
    soak = Soak(folder, given.minutes * 60, seed, given.on)
    soak.run()
    if soak.problems:
        print(f"FAILED with seed {seed}; logs and ledger are in {folder}")
        print("\n".join(soak.problems))
        return 1
    if not given.keep:
        shutil.rmtree(folder)
    print(f"ok, with seed {seed}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
