"""What goes wrong among servers that stand in for each other: faults, see there.

Each ends when all agree again. Where replication may lose what was acknowledged, it is told to the
ledger; where nothing is told, nothing may get lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from ..support import eventually
from ..topologies.node import Node
from .faults import CLUSTER, MOMENT, SENTINEL, Scene, fault, pick
from .kinds import MOST_BYTES, QUEUES

TAKEOVER_WITHIN = 30.0


def begin_to_forget(scene: Scene, primary: Node, replicas: int) -> None:
    """What it has now, so many others have, too; what comes from now on, they may not."""
    scene.ledger.note("kept")
    assert primary.client.wait(replicas, 10_000) >= replicas


def all_have_forgotten(scene: Scene) -> None:
    scene.ledger.note("rollback", until=time.monotonic() + MOMENT)


def kill_connections(nodes: list[Node]) -> None:
    for node in nodes:
        node.ask("CLIENT", "KILL", "TYPE", "normal")


# Sentinels.


def lose_the_primary(scene: Scene, lose: Callable[[Node], None]) -> Iterator[None]:
    primary = scene.sentinels.primary
    begin_to_forget(scene, primary, replicas=2)
    lose(primary)
    yield
    scene.sentinels.successor_of(primary)
    scene.sentinels.heal()
    all_have_forgotten(scene)


@fault(SENTINEL, takes=5.0)
def kill_the_primary(scene: Scene, chance: float) -> Iterator[None]:
    return lose_the_primary(scene, Node.kill)


@fault(SENTINEL, takes=5.0)
def let_sentinels_fail_over(scene: Scene, chance: float) -> Iterator[None]:
    begin_to_forget(scene, scene.sentinels.primary, replicas=2)
    scene.sentinels.fail_over()
    yield
    scene.sentinels.settle()
    all_have_forgotten(scene)


@fault(SENTINEL, takes=5.0)
def pause_the_primary(scene: Scene, chance: float) -> Iterator[None]:
    """It goes on when there is another one, and does not know yet."""
    return lose_the_primary(scene, Node.pause)


@fault(SENTINEL, lasts=1.0, takes=5.0)
def have_replicas_lag_and_take_over(scene: Scene, chance: float) -> Iterator[None]:
    primary = scene.sentinels.primary
    begin_to_forget(scene, primary, replicas=2)
    for replica in scene.sentinels.replicas:
        replica.refuse_news()
    primary.turn_replicas_away()
    yield
    primary.kill()
    scene.sentinels.successor_of(primary)
    scene.sentinels.heal()
    all_have_forgotten(scene)


@fault(SENTINEL, lasts=1.0, takes=2.0)
def kill_a_replica_and_a_sentinel(scene: Scene, chance: float) -> Iterator[None]:
    for node in (pick(scene.sentinels.replicas, chance), pick(scene.sentinels.sentinels, chance)):
        assert node
        node.kill()
    yield
    scene.sentinels.heal()


@fault(SENTINEL)
def kill_the_primarys_connections(scene: Scene, chance: float) -> Iterator[None]:
    kill_connections([scene.sentinels.primary])
    yield


# A cluster.


def some_queue(chance: float) -> str:
    return QUEUES[int(chance * len(QUEUES))]


def lose_a_queues_primary(
    scene: Scene, chance: float, lose: Callable[[Node], None]
) -> Iterator[None]:
    queue = some_queue(chance)
    primary = scene.cluster.owner(queue)
    replica = scene.cluster.replica_of(primary)
    begin_to_forget(scene, primary, replicas=1)
    lose(primary)
    yield
    eventually(lambda: scene.cluster.owner(queue) is replica, "a takeover", TAKEOVER_WITHIN)
    scene.cluster.heal()
    all_have_forgotten(scene)


@fault(CLUSTER, takes=4.0)
def kill_a_queues_primary(scene: Scene, chance: float) -> Iterator[None]:
    return lose_a_queues_primary(scene, chance, Node.kill)


@fault(CLUSTER, takes=4.0)
def pause_a_queues_primary(scene: Scene, chance: float) -> Iterator[None]:
    return lose_a_queues_primary(scene, chance, Node.pause)


@fault(CLUSTER, takes=1.0)
def let_a_replica_take_over(scene: Scene, chance: float) -> Iterator[None]:
    """Its primary waits until it has everything."""
    scene.cluster.fail_over(scene.cluster.replica_of(scene.cluster.owner(some_queue(chance))))
    yield
    scene.cluster.settle()


@fault(CLUSTER, lasts=1.0, takes=2.0)
def have_a_replica_lag_and_take_over(scene: Scene, chance: float) -> Iterator[None]:
    primary = scene.cluster.owner(some_queue(chance))
    replica = scene.cluster.replica_of(primary)
    begin_to_forget(scene, primary, replicas=1)
    replica.refuse_news()
    primary.turn_replicas_away()
    yield
    primary.kill()
    scene.cluster.fail_over(replica, "TAKEOVER")
    scene.cluster.heal()
    all_have_forgotten(scene)


@fault(CLUSTER, lasts=0.5, weight=2)
def move_a_queue(scene: Scene, chance: float) -> Iterator[None]:
    """Key by key; for a while it is at neither node."""
    queue = some_queue(chance)
    owner = scene.cluster.owner(queue)
    others = [node for node in scene.cluster.primaries if node is not owner]
    target = pick(others, chance * len(QUEUES) % 1)
    assert target
    scene.cluster.begin_move(queue, target)
    yield
    target.client.config_set("proto-max-bulk-len", 512 << 20)  # keys are larger than payloads
    scene.cluster.move_keys(queue, target)
    target.client.config_set("proto-max-bulk-len", MOST_BYTES)
    scene.cluster.end_move(queue, target)
    scene.cluster.settle()


@fault(CLUSTER, lasts=1.0, takes=1.0)
def kill_a_replica(scene: Scene, chance: float) -> Iterator[None]:
    scene.cluster.replica_of(scene.cluster.owner(some_queue(chance))).kill()
    yield
    scene.cluster.heal()


@fault(CLUSTER)
def kill_the_connections_of_all_nodes(scene: Scene, chance: float) -> Iterator[None]:
    kill_connections(scene.cluster.nodes)
    yield
