"""Walks through all worlds that can be reached, and holds each against the protocol's promises."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations
from types import ModuleType
from typing import Any

from woodenwaiter import pace
from woodenwaiter.housekeeper.sights import Sights
from woodenwaiter.housekeeper.upkeep import takeover_of
from woodenwaiter.protocol import moves as moving
from woodenwaiter.protocol.recovery import Takeover, lapse_of
from woodenwaiter.protocol.tokens import Tokens
from woodenwaiter.supervisor import time_limits
from woodenwaiter.worker import claims as decisions
from woodenwaiter.worker.claims import Claim, Deed, Enroll, Fail, Release

from .server import LOST, Contents, Failed, Request, Server, Violation, deliveries_of, task_of
from .world import Expiry, Faults, Life, Minds, Task, Words, Worker, World, new_row, row_of

Step = tuple[Any, World]
"""What happens, and the world after it."""


KILLER = b"2"
"""Its neighbours come before it and after it."""


class Explorer:
    """``module``: where the workers' `Claims` are from: the product, or a mutant of it;
    ``ordered``: whether tasks must start in their order; ``lives``: in how many lives of the host
    the task KILLER may run, which takes it down each time; 0: it does not."""

    def __init__(
        self,
        server: Server,
        faults: Faults,
        *,
        workers: int = 2,
        tasks: int = 3,
        module: ModuleType = decisions,
        ordered: bool = False,
        lives: int = 0,
    ) -> None:
        self._server = server
        self._ordered = ordered
        self._lives = lives
        self._tasks = tasks
        self._minds = Minds(module)
        present = tuple(b"%d" % n for n in range(1, tasks + 1 - faults.pushes))
        self._start = World(
            server.intern(Contents(queue=present)),
            self._host("ABCD"[:workers]),
            tuple(self._task(b"%d" % n, workers) for n in range(1, tasks + 1)),
            faults,
        )
        self._before: dict[World, World | None] = {self._start: None}

    def _host(self, letters: str) -> tuple[Worker, ...]:
        """A host's workers."""
        return tuple(Worker(Words(name), self._minds.new(name, want=2)) for name in letters)

    def _task(self, name: bytes, workers: int) -> Task:
        """No neighbour of the killer is charged more than once, and none of the same worker's."""
        if not self._lives:
            return Task()
        return Task(charges=self._lives if name == KILLER else int(workers > 1))

    def explore(self) -> int:
        """Returns the number of worlds; raises Violation with the way to it."""
        waiting = deque([self._start])
        while waiting:
            world = waiting.popleft()
            with self._telling(world):
                self._check(world)
                steps = [self._tidy(after) for _, after in self._steps(world)]
                following = [after for after in steps if after != world]
                if not following:
                    self._check_end(world)
            for after in following:
                if after not in self._before:
                    self._before[after] = world
                    waiting.append(after)
        return len(self._before)

    @contextmanager
    def _telling(self, world: World) -> Iterator[None]:
        try:
            yield
        except Violation as violation:
            raise Violation(f"{violation}\n{self._tell(world)}") from None

    def _tell(self, world: World) -> str:
        told = [f"    {world.contents}"]
        while (before := self._before[world]) is not None:
            label = self._label(before, world)
            told.append("  " + " ".join(map(str, label)))
            world = before
        return "\n".join(reversed(told))

    def _label(self, before: World, after: World) -> tuple[Any, ...]:
        for label, world in self._steps(before):
            if self._tidy(world) == after:
                return tuple(label)
        raise LookupError(after)

    # Promises.

    def _check(self, world: World) -> None:
        there = world.contents.deliveries()
        names = [name for name, _ in there]
        if len(set(names)) < len(names):
            raise Violation("a task is there twice")
        if world.other is not None:
            names += [name for name, _ in world.other.deliveries()]
        for number, task in enumerate(world.tasks, 1):
            pushed = number <= self._tasks - world.faults.pushes
            if pushed and not task.handled and b"%d" % number not in names:
                raise Violation(f"task {number} is lost")
        for name, deliveries in there:
            if deliveries > world.task(name).charges:
                raise Violation(f"task {name.decode()} is charged more than its failures")
        for owner, _ in world.contents.claims:
            if world.contents.settled_of(owner) is None and not self._is_moving_for(world, owner):
                raise Violation(f"claims of {owner}, whom nobody knows")
        for worker in world.workers:
            if worker.running is not None and not self._is_entitled(world, worker):
                raise Violation(f"{self._owner(worker)} runs what was given to others")

    def _is_entitled(self, world: World, worker: Worker) -> bool:
        settled = world.contents.settled_of(self._owner(worker))
        return (
            worker.lapsed
            or not self._owner(worker)  # its failure went with its release
            or self._holds_running(world, worker)
            or (self._is_failing(worker) and settled is not None and settled >= worker.row.started)
        )

    def _is_moving_for(self, world: World, owner: str) -> bool:
        """Whether somebody is still to come who puts back what was moved: the script, or who
        recovers the dead worker."""
        if any(request[:2] == ("move_and_claim", owner) for request in world.late):
            return True
        dead = (Life.DEAD, Life.JUDGED)
        return any(
            worker.row.owner == owner
            if worker.life in dead
            else worker.moved is not None and self._owner(worker) == owner
            for worker in world.workers
        )

    def _check_end(self, world: World) -> None:
        all_left = all(worker.life != Life.ALIVE for worker in world.workers)
        if all_left and not world.contents.owes_nothing():
            raise Violation("something stays behind")

    # What a worker thinks.

    def _owner(self, worker: Worker) -> str:
        owner: str = self._minds[worker.mind].owner
        return owner

    def _is_failing(self, worker: Worker) -> bool:
        return self._minds[worker.mind]._verdict is not None

    def _holds_running(self, world: World, worker: Worker) -> bool:
        return worker.running in world.contents.claimed_by(self._owner(worker))

    def _think(self, world: World, index: int, method: str, *given: Any, **flags: Any) -> World:
        """The worker's decisions hear of something; its row says which owner it is now."""
        worker = world.workers[index]
        _, mind = self._minds.do(worker.mind, method, *given, **flags)
        claims = self._minds[mind]
        lapsed = worker.lapsed and claims.generation == worker.row.generation
        row = worker.row._replace(generation=claims.generation, token=claims.token)
        return world.with_worker(index, mind=mind, row=row, lapsed=lapsed, rung=False)

    # One step of anybody.

    def _steps(self, world: World) -> Iterator[Step]:
        for index, worker in enumerate(world.workers):
            if worker.life == Life.ALIVE:
                yield from self._live(world, index, worker)
            elif worker.life in (Life.DEAD, Life.JUDGED):
                yield from self._recover(world, index, worker)
        yield from self._late(world)
        yield from self._upkeep(world)
        yield from self._fail_over(world)
        yield from self._pause(world)
        if world.faults.pushes:
            task = b"%d" % (self._tasks + 1 - world.faults.pushes)
            contents = world.contents._replace(queue=(*world.contents.queue, task))
            yield (
                ("a producer pushes",),
                world.spend("pushes")._replace(contents=self._server.intern(contents)),
            )

    def _pause(self, world: World) -> Iterator[Step]:
        contents = world.contents
        changed = self._server.intern(contents._replace(paused=not contents.paused))
        if contents.paused:
            yield ("an operator resumes",), world._replace(contents=changed)
        elif world.faults.pauses:
            yield ("an operator pauses",), world.spend("pauses")._replace(contents=changed)

    def _fail_over(self, world: World) -> Iterator[Step]:
        if world.other is None:
            if world.faults.rollbacks or world.faults.swaps:
                yield ("a replica falls behind",), world._replace(other=world.contents)
            return
        for fault, other in (("rollbacks", None), ("swaps", world.contents)):
            if getattr(world.faults, fault):
                after = world.with_contents(world.other).spend(fault)._replace(other=other)
                yield (fault[:-1], "to", world.other), _excused(after)

    def _tidy(self, world: World) -> World:
        """Tokens matter by their order: the same world with the smallest numbers that have it."""
        for index, worker in enumerate(world.workers):
            claims = self._minds[worker.mind] if worker.life == Life.ALIVE else None
            used = {worker.row.token, *(_tokens(world, worker.letter))}
            if claims:
                used |= {claims.token, claims._tried}
            if max(used) >= len(used):
                ranks = {token: rank for rank, token in enumerate(sorted(used))}
                if claims:
                    tokens = ranks[claims.token], ranks[claims._tried]
                    mind = self._minds.with_tokens(worker.mind, *tokens)
                    world = world.with_worker(index, mind=mind)
                row = worker.row._replace(token=ranks[worker.row.token])
                world = _renumbered(world.with_worker(index, row=row), worker.letter, ranks)
                world = world.with_contents(self._server.intern(world.contents))
        return world

    def _live(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        if worker.moved is not None:
            yield from self._move(world, index, worker, worker.moved)
            return
        if worker.running is not None and not self._is_failing(worker):
            yield from self._running(world, index, worker)
            return
        if worker.running is not None:
            yield from self._looks(world, index, worker)
        for told, heard in [((), world), *self._told(world, index)]:
            worker = heard.workers[index]
            steps, mind = self._minds.steps(worker.mind, quiet=worker.quiet, leaving=worker.leaving)
            asked = heard.with_worker(index, mind=mind)  # a release that is tried must succeed
            for step in steps:
                for label, after in self._carry_out(asked, index, step):
                    yield (*told, *label), after

    def _told(self, world: World, index: int) -> Iterator[Step]:
        """Somebody tells the worker something. Nobody else can see that: it makes no difference
        how long before the worker's next step it is."""
        worker = world.workers[index]
        if worker.leaving:
            return
        if world.faults.drains:
            after = world.spend("drains").with_worker(index, leaving=True)
            yield (worker.letter, "is told to leave"), after
        if world.faults.rests and not worker.quiet:
            after = world.spend("rests").with_worker(index, quiet=True)
            yield (worker.letter, "is told to rest"), after
        if worker.quiet:
            yield (worker.letter, "is told to go on"), world.with_worker(index, quiet=False)

    def _carry_out(self, world: World, index: int, step: Any) -> Iterator[Step]:
        worker = world.workers[index]
        if step is Deed.LEAVE:
            yield (worker.letter, "leaves"), world.ending(index, Life.DEAD)
        elif step is Deed.RUN:
            yield (worker.letter, "goes on"), self._go_on(world, index)
        elif step is Deed.WAIT:
            yield from self._wait(world, index)
        elif isinstance(step, Claim):
            yield from self._claim(world, index, step)
        elif step is not Deed.REST:
            yield from self._request(world, index, step)

    # Its requests.

    def _wait(self, world: World, index: int) -> Iterator[Step]:
        """It sleeps until there is something."""
        letter, woken = world.workers[index].letter, self._ring(world)
        if woken is not None:
            yield (letter, "wakes up"), self._think(woken, index, "rang")
            if world.faults.lost:
                after = self._think(woken.spend("lost"), index, "unheard", Deed.WAIT)
                yield (letter, "would wake up -> reply lost"), after
            yield from self._interrupted(woken, index, "woken")
        yield from self._interrupted(world, index, "asleep")

    def _claim(self, world: World, index: int, claim: Claim) -> Iterator[Step]:
        letter = world.workers[index].letter
        rung = self._ring(world) if claim.waits and not world.workers[index].rung else None
        if rung is not None:
            yield (letter, "is woken"), rung.with_worker(index, rung=True)
            return
        if not claim.waits and world.faults.moves and world.contents.queue:
            worker = world.workers[index]
            if self._moves(worker, claim):
                yield from self._move(world.spend("moves"), index, worker, ())
        yield from self._request(world, index, claim)
        if claim.waits:
            _, contents = self._server.perform(world.contents, _request(claim))
            for ran in (world, world.with_contents(contents)):
                yield from self._interrupted(ran, index, *_request(claim))

    def _moves(self, worker: Worker, claim: Claim) -> int:
        """How many entries the product would move in front of this claim, of so large ones that
        two are enough."""
        moves = moving.Moves(2 * moving.LARGE)
        large, answered = b"x" * moving.LARGE, Tokens(-1, claim.tokens.known)
        moves.claimed(claim.owner, worker.through - 1, answered, [large])
        if worker.unsure == worker.row.generation:
            moves.begun(claim.owner)
        return moves.before(claim.owner, claim.completed, claim.want, claim.tokens)

    def _move(
        self, world: World, index: int, worker: Worker, moved: tuple[Any, ...]
    ) -> Iterator[Step]:
        """One command after the other of such a claim: anybody's may come in between, and the last
        ones late, or never."""
        steps, _ = self._minds.steps(worker.mind, quiet=worker.quiet, leaving=worker.leaving)
        [claim] = [step for step in steps if isinstance(step, Claim) and not step.waits]
        moves = self._moves(worker, claim)
        rest = ("move_and_claim", *claim[:4], moves, moves - len(moved))
        if len(moved) < moves:
            entry, contents = self._server.perform(world.contents, ("move", claim.owner))
            after = world.with_contents(contents).with_worker(index, moved=(*moved, entry))
            yield (worker.letter, "moves", entry), after
        else:
            yield from self._claim_moved(world, index, claim, moved)
        broken = world.with_worker(index, moved=None)
        if moved and world.faults.late:
            after = (
                broken.with_late(rest)
                .spend("late")
                .with_worker(index, unsure=worker.row.generation)
            )
            yield (worker.letter, *rest, "-> delayed"), self._think(after, index, "unheard", claim)
        for label, after in self._deaths(broken, index) if moved else ():
            yield (*label, "before", *rest), after
        for label, after in self._deaths(broken.with_late(rest), index) if moved else ():
            yield (*label, "while under way", *rest), after

    def _claim_moved(
        self, world: World, index: int, claim: Claim, moved: tuple[Any, ...]
    ) -> Iterator[Step]:
        request = ("claim_moved", *claim[:4], len(moved))
        reply, contents = self._server.perform(world.contents, request)
        ran = world.with_contents(contents).with_worker(index, moved=None)
        label = (ran.workers[index].letter, *request, "->", reply)
        if reply == len(moved) and not moving.are_claims(moved, reply):
            yield label, ran.with_worker(index, through=-1)  # it asks the script for them
        else:
            claims = moved if reply == len(moved) else reply
            yield label, self._go_on(self._heard(ran, index, claim, claims), index)
        if world.faults.lost:
            after = ran.spend("lost").with_worker(index, unsure=ran.workers[index].row.generation)
            yield (*label, "-> reply lost"), self._think(after, index, "unheard", claim)
        for label_of_death, after in self._deaths(ran, index):
            yield (*label_of_death, "after", *request), after

    def _ring(self, world: World) -> World | None:
        if not world.contents.queue:
            return None
        return world.with_contents(self._server.perform(world.contents, ("ring",))[1])

    def _interrupted(self, world: World, index: int, *what: Any) -> Iterator[Step]:
        """It is told something and gives up its wait; the server may see to it all the same."""
        for label, told in self._told(world, index):
            yield (*label, "giving up", *what), self._think(told, index, "interrupted")

    def _request(self, world: World, index: int, step: Any) -> Iterator[Step]:
        """Whatever may become of a worker's request."""
        request = _request(step)
        reply, contents = self._server.perform(world.contents, request)
        ran = world.with_contents(contents)
        label = (world.workers[index].letter, *request)
        heard = self._heard(ran, index, step, reply)
        yield (*label, "->", reply), self._go_on(heard, index)
        if self._has_claims(heard, index):
            for told, after in self._told(heard, index):
                yield (*label, "->", reply, *told), after
        faults, late = world.faults, world.with_late(request)
        if faults.lost:
            after = self._think(ran.spend("lost"), index, "unheard", step)
            yield (*label, "-> reply lost"), after
        if faults.late:
            after = self._think(late.spend("late"), index, "unheard", step)
            yield (*label, "-> delayed"), after
        for label_of_death, after in self._deaths(world, index):
            yield (*label_of_death, "before", *request), after
        for label_of_death, after in self._deaths(ran, index):
            yield (*label_of_death, "after", *request), after
        for label_of_death, after in self._deaths(late, index):
            yield (*label_of_death, "while under way", *request), after

    def _heard(self, world: World, index: int, step: Any, reply: Any) -> World:
        if isinstance(step, Enroll):
            return self._think(world, index, "enrolled")
        if isinstance(step, Release):
            return self._think(world, index, "released")
        if isinstance(step, Fail):
            world = world.with_worker(index, through=0)
            return self._finished(world, index, "refused" if reply == LOST else "told")
        if reply == LOST:
            return self._think(world, index, "lost")
        if len(reply) > step.want:
            raise Violation("more was claimed than wanted")
        if reply and world.contents.paused:
            raise Violation("claims of a queue that is paused")
        world = self._think(world, index, "claimed", reply, 0.0)
        row = world.workers[index].row
        if world.faults.moves:
            world = world.with_worker(index, through=row.completed + len(reply))
        if reply:
            row = row._replace(first=row.completed + 1, last=row.completed + len(reply))
        return world.with_worker(index, row=row)

    # Its tasks.

    def _has_claims(self, world: World, index: int) -> bool:
        return bool(self._minds[world.workers[index].mind]._batch)

    def _go_on(self, world: World, index: int) -> World:
        """It begins what it has in hand: nobody else can see that it has not yet begun."""
        worker = world.workers[index]
        if not self._has_claims(world, index) or self._is_failing(worker):
            return world
        raw = self._minds.do(worker.mind, "begin")[0]
        world = self._think(world, index, "begin")
        return world if raw is None else self._begun(world, index, worker, raw)

    def _begun(self, world: World, index: int, worker: Worker, raw: bytes) -> World:
        task, owner = world.task(raw), self._owner(worker)
        row = worker.row._replace(started=worker.row.completed + 1)
        world = world.with_worker(index, running=raw, row=row)
        if self._lives and task_of(raw) == KILLER and world.deaths == self._lives:
            raise Violation("the task has taken its host down often enough")
        if not worker.lapsed:
            if not task.startable:
                raise Violation(f"{owner} runs task {task_of(raw).decode()} again")
            if not self._holds_running(world, world.workers[index]):
                raise Violation(f"{owner} begins what was given to others")
            world = world.with_task(raw, startable=False)
        if self._ordered and not task.begun and not deliveries_of(raw):
            number = int(task_of(raw)) - 1
            if not all(earlier.begun for earlier in world.tasks[:number]):
                raise Violation(f"task {number + 1} begins before its turn")
        return world.with_task(raw, begun=True)

    def _running(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        raw = worker.running
        assert raw is not None
        task = task_of(raw).decode()
        if self._lives and task_of(raw) == KILLER:
            yield from self._take_down_host(world, worker)
            return
        done = self._finished(world.with_task(raw, handled=True), index)
        yield (worker.letter, "finishes", task), self._go_on(done, index)
        for label, after in self._deaths(done, index):
            yield (worker.letter, "finishes", task, *label), after
        for label, told in self._told(world.with_task(raw, handled=True), index):
            after = self._finished(told, index, signalled=True)
            yield (*label, "and finishes", task), after
        yield from self._looks(world, index, worker)
        yield from self._cancelled(world, index, worker)
        for final in (False, True) if world.faults.failures else ():
            after = self._failed(world.spend("failures"), index, final)
            yield (worker.letter, "fails in", task), after
        yield from self._deaths(world, index)

    def _failed(self, world: World, index: int, final: bool) -> World:
        """It raises something in its handler."""
        worker = world.workers[index]
        raw = worker.running
        assert raw is not None
        after = world.charge(raw)
        is_unwanted = row_of(worker.row).cancellation.is_of(worker.row.started)
        if self._holds_running(world, worker) and not is_unwanted:
            after = after.excuse((raw,))
        return self._think(after, index, "failed", Failed(raw, final or is_unwanted))

    def _cancelled(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        """Its housekeeper is to have this task ended, and the word stays in its row; its supervisor
        looks at that some time, and interrupts it if the product thinks so."""
        raw = worker.running
        assert raw is not None
        if world.faults.cancels:
            words = worker.row._replace(unwanted=worker.row.started)
            after = world.spend("cancels").with_task(raw, unwanted=True)
            yield (worker.letter, "is to end", task_of(raw)), after.with_worker(index, row=words)
        row, now = new_row(worker.row), 1.0
        if time_limits.TimeLimit(math.inf, 0.0).check(row, now) is time_limits.Measure.RAISE:
            if not world.task(raw).unwanted:
                raise Violation(f"{task_of(raw)!r} is ended, which nobody has cancelled")
            if row.overdue == worker.row.completed + 1:
                yield (worker.letter, "ends", task_of(raw)), self._failed(world, index, final=False)

    def _finished(
        self, world: World, index: int, how: str = "finish", *, signalled: bool = False
    ) -> World:
        worker = world.workers[index]
        now = self._minds[worker.mind]._began + worker.took
        row = worker.row._replace(completed=worker.row.started)
        world = world.with_worker(index, row=row, running=None, took=0.0)
        flags = {} if how == "refused" else {"signalled": signalled}
        world = self._think(world, index, how, now, **flags)
        if self._has_claims(world, index):
            return world
        row = world.workers[index].row._replace(first=0, last=0)
        return world.with_worker(index, row=row)

    def _looks(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        """Its housekeeper sees this task at two moments, and calls `give_back` some day if the
        product thinks that it is slow."""
        if not world.faults.slow or worker.took:
            return
        for seconds in (pace.LONG / 2, pace.SLOW):
            sights, row = Sights(), row_of(worker.row)
            sights.slow_claim(row, 0.0, lambda: 0.0)
            slow = sights.slow_claim(row, seconds, lambda: 0.0)
            if slow:
                yield (
                    (worker.letter, "is seen to be slow"),
                    world.spend("slow")
                    .with_worker(index, took=seconds)
                    .with_late(("give_back", worker.row.owner, slow, worker.row.token)),
                )

    # Deaths.

    def _deaths(self, world: World, index: int) -> Iterator[Step]:
        worker = world.workers[index]
        if world.faults.crashes:
            after = world.spend("crashes")
            if worker.running is not None and self._holds_running(world, worker):
                if not row_of(worker.row).cancellation.is_of(worker.row.started):
                    after = after.excuse((worker.running,))
                if not self._is_failing(worker):
                    after = after.charge(worker.running)
            yield (worker.letter, "crashes"), after.ending(index, Life.DEAD)
        if world.faults.hosts:
            after = world.spend("hosts").excuse(world.contents.claimed_by(self._owner(worker)))
            yield (worker.letter, "dies with its host"), after.ending(index, Life.PERISHED)

    def _take_down_host(self, world: World, worker: Worker) -> Iterator[Step]:
        """Its workers' leases run out, in whatever order they are recovered; the host is there
        again, and its workers are others."""
        for dead in permutations([owner for owner, _ in world.contents.leases]):
            after = world._replace(deaths=world.deaths + 1)
            for owner in dead:
                after = self._lapse(after, owner)[1]
                [(_, seen)] = self._expired(after)
                [(_, after)] = self._expired(seen)
            first = ord("A") + after.deaths * len(world.workers)
            letters = map(chr, range(first, first + len(world.workers)))
            yield (
                (worker.letter, "takes its host down, recovered:", *dead),
                after._replace(workers=self._host("".join(letters))),
            )

    # A housekeeper.

    def _recover(self, world: World, index: int, worker: Worker) -> Iterator[Step]:
        """Its own worker is dead: look what it was running, then release."""
        takeover: Takeover = takeover_of(row_of(worker.row))
        label = (worker.letter.lower(), "recovers", takeover.owner)
        if worker.life == Life.DEAD and takeover.failure:
            oldest = self._oldest(world.contents, takeover)
            failed = None
            if takeover.charges(oldest):
                failed = Failed(oldest.raw, takeover.failure.final)
                if failed.final and not world.task(oldest.raw).unwanted:
                    raise Violation(f"{oldest.raw!r} is buried, which nobody has cancelled")
            judged = world.ending(index, Life.JUDGED, failed)
            yield (*label, "and charges" if failed else "", oldest.raw), judged
            return
        request = (
            "release",
            takeover.owner,
            takeover.completed,
            takeover.known,
            worker.failed,
        )
        put_back, contents = self._server.perform(world.contents, request)
        ran = world.with_contents(contents)
        if not worker.lapsed:
            _check_charge(world, ran, takeover.owner, worker.failed)
        yield (*label, *request, "->", put_back), ran.ending(index, Life.GONE)
        if world.faults.lost:
            yield (*label, "-> reply lost"), ran.ending(index, Life.DEAD).spend("lost")

    def _oldest(self, contents: Contents, takeover: Takeover) -> Any:
        request = ("oldest_claim", takeover.owner, takeover.completed, takeover.known)
        return self._server.perform(contents, request)[0]

    def _upkeep(self, world: World) -> Iterator[Step]:
        contents = world.contents
        if contents.arrivals or contents.delayed:
            _, after = self._server.perform(contents, ("tend", ()))
            yield ("tend",), world.with_contents(after)
        gone = (Life.GONE, Life.PERISHED)
        owners = {worker.row.owner for worker in world.workers if worker.life not in gone}
        for owner, holds in contents.leases:
            if not holds and owner in owners:
                _, after = self._server.perform(contents, ("tend", (owner,)))
                yield ("tend for", owner), world.with_contents(after)
            elif holds and owner not in owners and self._matters(world, owner):
                yield self._lapse(world, owner)
            elif holds and world.faults.expiries:
                yield self._lapse(world.spend("expiries"), owner)
        yield from self._expired(world)

    @staticmethod
    def _matters(world: World, owner: str) -> bool:
        """Nobody will ever claim as an owner whose enrolling failed: when it ends changes nothing,
        so the end will do."""
        workers = world.workers
        return any(worker.row.owner == owner for worker in workers) or all(
            worker.life != Life.ALIVE for worker in workers
        )

    def _lapse(self, world: World, owner: str) -> Step:
        leases = tuple((o, holds and o != owner) for o, holds in world.contents.leases)
        contents = self._server.intern(world.contents._replace(leases=leases))
        return ("the lease of", owner, "runs out"), world.with_contents(contents)

    def _expired(self, world: World) -> Iterator[Step]:
        """Any housekeeper sees an expired lease, looks what its owner was running, releases."""
        if world.expiry is not None:
            yield self._release_expired(world, world.expiry)
            return
        if all(holds for _, holds in world.contents.leases):
            return
        tended, contents = self._server.perform(world.contents, ("tend", ()))
        for owner in tended.expired:
            takeover = lapse_of(owner)
            oldest = self._oldest(contents, takeover)
            failed = None
            if takeover.charges(oldest):
                assert takeover.failure
                limit = self._lives - 1 if self._lives else 5
                failed = Failed(oldest.raw, False, takeover.failure.suspicion, limit)
            yield (
                ("a housekeeper sees that the lease of", owner, "ran out"),
                world._replace(contents=contents, expiry=Expiry(owner, oldest.settled, failed)),
            )

    def _release_expired(self, world: World, expiry: Expiry) -> Step:
        owner, failed = expiry.owner, expiry.failed
        request = ("lapsed", owner, expiry.settled if failed else 0, failed)
        put_back, contents = self._server.perform(world.contents, request)
        after = world._replace(contents=contents, expiry=None)
        if put_back is not None:
            if dict(world.contents.leases).get(owner):
                raise Violation(f"{owner} is ended, though its lease holds")
            after = after.excuse(world.contents.claimed_by(owner))
            if failed and not self._lives:
                after = after.charge(failed.raw)
            for index, worker in enumerate(world.workers):
                if worker.life == Life.ALIVE and self._owner(worker) == owner:
                    after = after.with_worker(index, lapsed=True)
        return ("a housekeeper", *request, "->", put_back), after

    # The network.

    def _late(self, world: World) -> Iterator[Step]:
        """Requests whose senders wait no more are carried out at last."""
        for number, request in enumerate(world.late):
            rest = world._replace(late=world.late[:number] + world.late[number + 1 :])
            if request[0] == "move_and_claim":
                yield self._late_move(rest, request)
                continue
            for variant in self._variants(world, request):
                reply, contents = self._server.perform(world.contents, variant)
                ran = rest.with_contents(contents)
                yield ("late:", *variant, "->", reply), ran
                if world.faults.lost and variant[0] == "give_back":
                    again = ran.with_late(request).spend("lost")
                    yield ("late, and sent again:", *variant, "->", reply), again

    def _late_move(self, world: World, request: Request) -> Step:
        """The next of the commands, or the script behind them."""
        *claim, moves, left = request[1:]
        if left:
            entry, contents = self._server.perform(world.contents, ("move", claim[0]))
            after = world.with_late((*request[:-1], left - 1))
            return ("late: move for", claim[0], "->", entry), after.with_contents(contents)
        reply, contents = self._server.perform(world.contents, ("claim_moved", *claim, moves))
        return ("late: claim_moved", *claim, moves, "->", reply), world.with_contents(contents)

    @staticmethod
    def _variants(world: World, request: Request) -> Iterator[Request]:
        """A housekeeper may read the number of the running claim, and later the owner's name."""
        yield request
        if request[0] == "give_back":
            for worker in world.workers:
                if worker.letter == request[1][0] and worker.row.owner != request[1]:
                    yield (request[0], worker.row.owner, *request[2:])


def _request(step: Any) -> Request:
    """A worker's request as the server takes it."""
    given = step[:4] if isinstance(step, Claim) else step
    return (type(step).__name__.lower(), *given)


def _check_charge(before: World, after: World, owner: str, failed: Failed | None) -> None:
    """What kills its worker does not go uncharged."""
    if failed and failed.raw in before.contents.claimed_by(owner):
        task, deliveries = task_of(failed.raw), deliveries_of(failed.raw)
        if (task, deliveries + 1) not in after.contents.deliveries():
            raise Violation(f"task {task.decode()} killed {owner} uncharged")


TOKENS_AT = {"enroll": 3, "claim": 4, "move_and_claim": 4, "fail": 4, "release": 3, "give_back": 3}
"""Where a request has its token, or tokens."""


def _tokens(world: World, letter: str) -> Iterator[int]:
    """All that servers and late requests have of one worker."""
    for contents in filter(None, (world.contents, world.other)):
        yield from (token for owner, _, token in contents.settled if owner[0] == letter)
    for request in world.late:
        if request[1][0] == letter:
            tokens = request[TOKENS_AT[request[0]]]
            yield from tokens if isinstance(tokens, tuple) else (tokens,)


def _renumbered(world: World, letter: str, ranks: dict[int, int]) -> World:
    def contents(old: Contents) -> Contents:
        settled = (
            (owner, count, ranks[token] if owner[0] == letter else token)
            for owner, count, token in old.settled
        )
        return old._replace(settled=tuple(settled))

    def request(old: Request) -> Request:
        if old[1][0] != letter:
            return old
        at = TOKENS_AT[old[0]]
        tokens = old[at]
        new = (
            Tokens(*map(ranks.__getitem__, tokens)) if isinstance(tokens, tuple) else ranks[tokens]
        )
        return (*old[:at], new, *old[at + 1 :])

    other = None if world.other is None else contents(world.other)
    late = tuple(sorted(map(request, world.late), key=repr))
    return world._replace(contents=contents(world.contents), other=other, late=late)


def _excused(world: World) -> World:
    """After a failover: what the server has may run once more, and what it has not is not lost by
    us. Workers go on with what they have in hand until they hear of it."""
    there = {name for name, _ in world.contents.deliveries()}
    if world.other is not None:
        there |= {name for name, _ in world.other.deliveries()}
    tasks = (
        task._replace(startable=True, handled=task.handled or b"%d" % number not in there)
        for number, task in enumerate(world.tasks, 1)
    )
    workers = tuple(worker._replace(lapsed=True) for worker in world.workers)
    return world._replace(workers=workers, tasks=tuple(tasks))
