"""Two hosts and a server, each with a network of its own, and what lies between them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..application import Application, Supervisor, kill_all
from ..clock import Clock, can_be_set
from ..load import LEASE, MOMENT, Load
from ..support import Programs, Server, eventually
from ..topologies.network import Host, Network, Unavailable

pytestmark = pytest.mark.xdist_group("two hosts")

QUEUE = "t:a"

TAKES_OVER = LEASE + 2
"""Seconds."""


@pytest.fixture(scope="module")
def shared_network() -> Iterator[Network]:
    try:
        network = Network(hosts=2)
    except Unavailable as error:
        pytest.skip(str(error))
    yield network
    network.close()


@pytest.fixture
def network(shared_network: Network) -> Network:
    network = shared_network
    network.delay = network.loss = 0.0
    for host in network.hosts:
        host.is_cut_off = False
    network.client.flushall()
    return network


def served(programs: Programs, network: Network, lease: float = LEASE, **policy: float) -> Load:
    """By a supervisor on each host."""
    load = Load(Application(programs, network), [QUEUE], network.near_url, **policy)
    for number, host in enumerate(network.hosts):
        load.serve(f"host{number}", "--lease-seconds", f"{lease:g}", inside=host.inside)
    return load


def host_of(task: int, load: Load, network: Network) -> Host:
    return network.hosts[int(load.hosts_of(task)[0].removeprefix("host"))]


def test_host_that_is_cut_off_longer_than_a_lease(programs: Programs, network: Network) -> None:
    load = served(programs, network)
    with load.produced():
        task = load.push(QUEUE, seconds=2.0)
        load.await_start(task)
        host, name = host_of(task, load, network), load.hosts_of(task)[0]
        host.is_cut_off = True
        load.note_lapse(name, TAKES_OVER)
        eventually(lambda: len(load.hosts_of(task)) == 2, "another host's try", TAKES_OVER)
        load.await_progress()
        host.is_cut_off = False
        load.note_lapse(name, MOMENT)
        await_work_of(load, name)
    assert not load.account()
    assert load.hosts_of(task) == [name, *({"host0", "host1"} - {name})]
    assert any("does not know" in supervisor.log for supervisor in load.supervisors)


def await_work_of(load: Load, host: str) -> None:
    """Wait until it runs something that is pushed from now on."""
    begun = time.monotonic()
    eventually(
        lambda: any(r.host == host and r.what == "start" and r.at > begun for r in load.ledger),
        f"a task that {host} runs",
        TAKES_OVER,
    )


def test_slow_network_costs_no_lease(programs: Programs, network: Network) -> None:
    network.delay, network.loss = 0.05, 0.02
    lease = 2 * LEASE  # a busy machine is slow, too
    load = served(programs, network, lease)
    with load.produced():
        until = time.monotonic() + 1.2 * lease
        while time.monotonic() < until:
            load.await_progress()
            load.push(QUEUE, fails=True)
    assert not load.account()
    assert all("does not know" not in supervisor.log for supervisor in load.supervisors)


def test_idle_host_that_is_cut_off(programs: Programs, network: Network) -> None:
    """What is pushed meanwhile rings at its worker, too; and it works when it is back."""
    load = served(programs, network, seconds=60)
    gone, left = network.hosts
    gone.is_cut_off = True
    tasks = [load.push(QUEUE) for _ in range(4)]
    eventually(lambda: load.done.issuperset(tasks), "all tasks, by the other host", TAKES_OVER)
    left.is_cut_off, gone.is_cut_off = True, False
    load.assert_serves(QUEUE, TAKES_OVER)


def test_connections_that_a_firewall_has_forgotten(programs: Programs, network: Network) -> None:
    """Packets vanish, and nobody hangs up."""
    load = served(programs, network, seconds=60)
    network.forget()
    load.assert_serves(QUEUE, TAKES_OVER)


@pytest.mark.skipif(not can_be_set(), reason="needs a C compiler")
def test_hosts_whose_clocks_are_an_hour_apart(
    programs: Programs, server: Server, tmp_path: Path
) -> None:
    load = Load(Application(programs, server), [QUEUE])
    hosts = {"ahead": 3600, "behind": -3600}
    supervisors = {name: on_time_of(name, off, load, tmp_path) for name, off in hosts.items()}
    with load.produced():
        retried = [load.push(QUEUE, fails=True) for _ in range(10)]
        eventually(lambda: load.done.issuperset(retried), "all retries", 3)
        for host in hosts:
            await_work_of(load, host)
        task = load.push(QUEUE, seconds=1.0)
        load.await_start(task)
        [dying] = load.hosts_of(task)
        load.note_lapse(dying, MOMENT)
        kill_all(supervisors[dying])
        eventually(lambda: len(load.hosts_of(task)) == 2, "another host's try", TAKES_OVER)
    assert not load.account()


def on_time_of(name: str, ahead: int, load: Load, folder: Path) -> Supervisor:
    own = folder / name
    own.mkdir()
    clock = Clock(own)
    clock.set_ahead(ahead)
    return load.serve(name, **clock.environment)
