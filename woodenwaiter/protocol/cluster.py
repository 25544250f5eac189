"""A process's connections to the nodes of a cluster, which send it from one to another."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

from redis.crc import key_slot
from redis.exceptions import ResponseError

from .atlas import Atlas, redirect_of
from .client import Node, Source, spelled
from .replies import Meaning, is_hopeless, is_outage, meaning_of
from .wire import Command, Ready, ServerTrouble, Wire

MOST_ROUNDS = 5
"""In which a command is sent from one node to the next: more are a circle."""

KEYLESS = frozenset(
    """ACL AUTH CLIENT CLUSTER COMMAND CONFIG DBSIZE ECHO HELLO INFO PING ROLE SCAN SCRIPT SHUTDOWN
    TIME WAIT WAITAOF""".split()  # noqa: SIM905
)
"""Commands for any node, or for the one that got the command before."""

RUNS_SCRIPT = frozenset(("EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO"))


class Errand:
    """A command, and what came of it. ``leader``: the one before that has a key, where it has none;
    ``node``: who was asked; ``aside``: who is to be asked, though the slot is not his yet."""

    __slots__ = ("aside", "command", "leader", "node", "outcome")

    def __init__(self, command: Command, leader: Errand | None) -> None:
        self.command = command
        self.leader = leader or self
        self.node: Node = ("localhost", 0)
        self.aside: Node | None = None
        self.outcome: Any = None

    @property
    def sent(self) -> list[Command]:
        return [("ASKING",), self.command] if self.leader.aside else [self.command]


def errands_of(commands: Sequence[Command], outcomes: Iterable[Any] = ()) -> list[Errand]:
    errands: list[Errand] = []
    leader = None
    for command, outcome in zip_longest(commands, outcomes):
        errand = Errand(command, leader if key_of(command) is None else None)
        errand.outcome = outcome
        errands.append(errand)
        leader = errand.leader
    return errands


def key_of(command: Command) -> Any:
    """The first key, which all others share their slot with; None where there is none."""
    if command[0] in KEYLESS:
        return None
    place = 3 if command[0] in RUNS_SCRIPT else 1
    return command[place] if len(command) > place else None


class Cluster:
    """``source`` names some of the nodes; ``home``: a connection to the first of them."""

    def __init__(self, source: Source, timeout: float, home: Wire) -> None:
        self._source = source.of_all_nodes()
        self._is_named = source.is_cluster
        self._timeout = timeout
        self._encoded = home.encoded
        self._atlas = Atlas(source.nodes, source.remap)
        self._wires: dict[Node, Wire] = dict.fromkeys(source.nodes[:1], home)

    def ask(
        self, errands: Sequence[Errand], deadline: float | None = None, ready: Ready | None = None
    ) -> None:
        """Send all commands to whom they are for, and read what these answer. The trouble of a node
        is the outcome of its errands. Raises what is in ServerTrouble where nobody answers."""
        self._look_around(deadline)
        self._round(errands, deadline, ready)
        self.follow(errands, deadline, ready)

    def follow(
        self, errands: Sequence[Errand], deadline: float | None = None, ready: Ready | None = None
    ) -> None:
        """Send again what those who were asked say is elsewhere."""
        for _ in range(MOST_ROUNDS):
            errands = [errand for errand in errands if self._leads_on(errand.leader)]
            if not errands:
                return
            self._round(errands, deadline, ready)

    def nodes(self) -> list[Wire]:
        """All primaries, as far as they are known."""
        self._look_around(None)
        return [*map(self._wire_to, self._atlas.primaries)] or [self.somewhere()]

    def address_for(self, key: str) -> str | None:
        owner = self._atlas.owner(self._slot_of(key))
        return owner and self._address_of(owner)

    def anybody(self) -> Node:
        """Whom a command is sent to that any node answers, or leads on."""
        open_ones = (node for node, wire in self._wires.items() if wire.is_open)
        return next(open_ones, None) or self._atlas.peers[0]

    def somewhere(self) -> Wire:
        return self._wire_to(self.anybody())

    def close(self) -> None:
        for wire in self._wires.values():
            wire.close()

    # One round: requests to all, then replies from all.

    def _round(
        self, errands: Iterable[Errand], deadline: float | None, ready: Ready | None
    ) -> None:
        batches: dict[Node, list[Errand]] = {}
        for errand in errands:
            errand.node = self._destination(errand.leader)
            batches.setdefault(errand.node, []).append(errand)
        # Those last whom to connect to takes time, and those in trouble at the very end.
        order = {node: place for place, node in enumerate(self._atlas.peers)}
        nodes = sorted(batches, key=lambda n: (not self._wire_to(n).is_open, order.get(n, 0)))
        try:
            sent = [node for node in nodes if self._send(node, batches[node], deadline)]
            for node in sent:
                self._receive(node, batches[node], ready)
        finally:
            for node in nodes:
                self._wire_to(node).limit(None)

    def _destination(self, errand: Errand) -> Node:
        if errand.aside:
            return errand.aside
        key = key_of(errand.command)
        return (key is not None and self._atlas.way(self._slot_of(key))) or self.anybody()

    def _send(self, node: Node, batch: Sequence[Errand], deadline: float | None) -> bool:
        wire = self._wire_to(node)
        try:
            wire.limit(deadline)
            wire.send([command for errand in batch for command in errand.sent])
        except ServerTrouble as error:
            self._blame(node, error, batch)
            return False
        return True

    def _receive(self, node: Node, batch: Sequence[Errand], ready: Ready | None) -> None:
        wire, left = self._wire_to(node), list(batch)
        try:
            if ready:
                ready(wire)
            while left:
                left[0].outcome = [wire.outcome() for _ in left[0].sent][-1]
                del left[0]
        except ServerTrouble as error:
            self._blame(node, error, left)
        outcomes = [errand.outcome for errand in batch]
        if any(isinstance(o, ResponseError) and meaning_of(o) is Meaning.AWAY for o in outcomes):
            wire.close()
            self._atlas.avoid(node)

    def _blame(self, node: Node, error: Exception, batch: Iterable[Errand]) -> None:
        if is_outage(error):
            self._atlas.avoid(node)
        for errand in batch:
            errand.outcome = error

    def _leads_on(self, errand: Errand) -> bool:
        redirect = redirect_of(errand.outcome, errand.node)
        if redirect:
            node = self._atlas.follow(redirect)
            errand.aside = node if redirect.once else None
        return redirect is not None

    # Who is there.

    def _look_around(self, deadline: float | None) -> None:
        """Ask who serves what, if that may have changed. Raises the trouble of the last node that
        does not answer, where none does."""
        if not self._atlas.is_stale:
            return
        trouble: Exception | None = None
        deadline = deadline or time.monotonic() + self._timeout
        for node in [*self._atlas.peers]:
            trouble = self._learn_from(node, deadline)
            if not trouble:
                break
        if trouble:
            raise trouble
        for node in {*self._wires} - {*self._atlas.primaries}:
            self._wires.pop(node).close()

    def _learn_from(self, node: Node, deadline: float) -> Exception | None:
        wire = self._wire_to(node)
        try:
            wire.limit(deadline)
            self._atlas.read(wire.call("CLUSTER", "SLOTS"), node)
        except ServerTrouble as error:
            if self._must_know(error):
                self._atlas.avoid(node)
                return error
            self._atlas.is_stale = False
        finally:
            wire.limit(None)
        return None

    def _must_know(self, error: Exception) -> bool:
        """Whether others are to be asked instead. Where this one tells nobody, redirects will have
        to do; but not where somebody has named a cluster, and this is none."""
        return is_outage(error) and (self._is_named or not is_hopeless(error))

    def line_for(self, key: str) -> Wire:
        """A connection of its own to who serves this key, as far as is known."""
        return self._new_wire_to(self._atlas.owner(self._slot_of(key)) or self.anybody())

    def _wire_to(self, node: Node) -> Wire:
        if node not in self._wires:
            self._wires[node] = self._new_wire_to(node)
        return self._wires[node]

    def _new_wire_to(self, node: Node) -> Wire:
        options = {**self._source.options, "host": node[0], "port": node[1]}
        return Wire(self._source.kind, options, self._timeout, self._address_of(node))

    def _address_of(self, node: Node) -> str:
        return f"{self._source.scheme}://{spelled(node)}"

    def _slot_of(self, key: Any) -> int:
        return key_slot(self._encoded(key))
