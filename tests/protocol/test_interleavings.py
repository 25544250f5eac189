"""The delivery protocol in every order of events: nothing is lost, nothing runs again without an
excuse, nothing stays behind. And the proof of the proof: it finds what is wrong with scripts, and
with a worker's and a housekeeper's decisions, that lack one of their parts."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from woodenwaiter import pace
from woodenwaiter.housekeeper import sights, upkeep
from woodenwaiter.protocol import moves, recovery
from woodenwaiter.protocol import scripts as lua
from woodenwaiter.protocol.queue import Queue
from woodenwaiter.supervisor import time_limits
from woodenwaiter.worker import claims

from .interleavings import Explorer, Faults, Server, Violation, explorer


@pytest.fixture(autouse=True)
def small_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once show all that more would."""
    monkeypatch.setattr(claims, "MOST_AHEAD", 2)


@pytest.fixture
def scripts(client: Any, queue: Queue) -> Server:
    return Server(Queue(queue.link, queue.name, lease=30), client)


def mutate(monkeypatch: pytest.MonkeyPatch, script: str, old: str, new: str) -> None:
    """Replace a part of a script's source, which must be there."""
    mutant = copy.copy(getattr(lua, script))
    assert mutant.source.count(old) == 1, f"{script} has changed: {old!r}"
    mutant.source = mutant.source.replace(old, new)
    mutant.sha = hashlib.sha1(mutant.source.encode()).hexdigest()
    monkeypatch.setattr(lua, script, mutant)


def mutant_of(module: ModuleType, *changes: tuple[str, str]) -> ModuleType:
    """A module of the product with parts of its source replaced, which must be there."""
    assert module.__file__
    source = Path(module.__file__).read_text()
    for old, new in changes:
        assert source.count(old) == 1, f"{module.__name__} has changed: {old!r}"
        source = source.replace(old, new)
    mutant = ModuleType(module.__name__)
    mutant.__package__ = module.__package__
    exec(compile(source, module.__file__, "exec"), mutant.__dict__)
    kept = {"Enroll", "Claim", "Fail", "Release", "Deed", "MOST_AHEAD"}
    mutant.__dict__.update({name: vars(module)[name] for name in kept & vars(module).keys()})
    return mutant


def name(faults: Faults) -> str:
    chosen = (f"{n} {fault}" for fault, n in faults._asdict().items() if n and fault != "drains")
    return ", ".join(chosen) or "no faults"


SMALL = [
    Faults(),
    Faults(crashes=1),
]
PAUSES = [
    Faults(pauses=1),
    Faults(pauses=1, lost=1),
    Faults(pauses=1, late=1),
    Faults(pauses=1, crashes=1),
    Faults(pauses=1, slow=1),
    Faults(pauses=1, expiries=1),
    Faults(pauses=1, moves=1, lost=1),
    Faults(pauses=2, failures=1),
]
LONELY = [
    Faults(hosts=1),
    Faults(lost=1, pushes=1),
    Faults(lost=1, slow=1),
    Faults(failures=1),
    Faults(late=1),
    Faults(crashes=1, slow=1),
    Faults(expiries=1),
    Faults(lost=1, crashes=1),
]
LARGE = [
    Faults(hosts=1),
    Faults(pushes=1),
    Faults(lost=1, slow=1),
    Faults(failures=1),
    Faults(late=1),
    Faults(crashes=1, slow=1),
    Faults(expiries=1),
    Faults(lost=1, crashes=1),
    Faults(lost=1, rests=1, slow=1),
    Faults(lost=1, pushes=1, slow=1),
    Faults(lost=1, crashes=1, slow=1),
    Faults(lost=1, crashes=1, failures=1),
    Faults(lost=1, failures=1, slow=1),
    Faults(lost=1, expiries=1),
    Faults(lost=1, hosts=1, slow=1),
    Faults(late=1, slow=1, pushes=1),
    Faults(late=1, crashes=1),
    Faults(late=1, expiries=1),
    Faults(hosts=1, failures=1),
    Faults(hosts=1, pushes=1, slow=1),
    Faults(expiries=1, crashes=1),
    Faults(expiries=1, slow=1),
    Faults(expiries=1, hosts=1),
]
ALONE = [
    Faults(late=2, expiries=1),
    Faults(lost=1, late=1, slow=1, rests=1),
    Faults(lost=1, late=1, slow=2, pushes=1),
    Faults(lost=1, crashes=1, expiries=1, failures=1),
]


@pytest.mark.parametrize("faults", SMALL, ids=name)
def test_every_interleaving_of_few_faults(scripts: Server, faults: Faults) -> None:
    assert Explorer(scripts, faults).explore() > 500


MOVES = [
    Faults(moves=2),
    Faults(moves=2, lost=1),
    Faults(moves=2, failures=1),
    Faults(moves=2, crashes=1),
    Faults(moves=2, late=1),
    Faults(moves=2, slow=1),
    Faults(moves=2, expiries=1),
]
MORE_MOVES = [
    Faults(moves=2, late=1, slow=1),
    Faults(moves=2, late=1, expiries=1),
    Faults(moves=2, crashes=1, expiries=1),
    Faults(moves=2, lost=1, slow=1),
    Faults(moves=2, hosts=1),
    Faults(moves=1, rollbacks=1),
]


@pytest.mark.parametrize("faults", PAUSES, ids=name)
def test_every_interleaving_of_pauses(scripts: Server, faults: Faults) -> None:
    assert Explorer(scripts, faults, workers=1).explore() > 100


@pytest.mark.exhaustive
@pytest.mark.parametrize("faults", PAUSES[:6], ids=name)
def test_every_interleaving_of_pauses_of_two_workers(scripts: Server, faults: Faults) -> None:
    assert Explorer(scripts, faults, tasks=2).explore() > 1_000


CANCELS = [
    Faults(cancels=1),
    Faults(cancels=2),
    Faults(cancels=1, crashes=1),
    Faults(cancels=1, failures=1),
    Faults(cancels=1, lost=1),
    Faults(cancels=1, late=1),
    Faults(cancels=1, slow=1),
    Faults(cancels=1, expiries=1),
]


@pytest.mark.parametrize("faults", CANCELS, ids=name)
def test_every_interleaving_of_cancels(scripts: Server, faults: Faults) -> None:
    """One worker; in the larger search two."""
    assert Explorer(scripts, faults, workers=1).explore() > 100


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("faults", [*CANCELS[:4], Faults(cancels=2, crashes=1)], ids=name)
def test_every_interleaving_of_cancels_of_two_workers(scripts: Server, faults: Faults) -> None:
    assert Explorer(scripts, faults, tasks=2).explore() > 1_000


@pytest.mark.parametrize("faults", MOVES, ids=name)
def test_every_interleaving_of_moves_before_a_claim(scripts: Server, faults: Faults) -> None:
    """One worker and its housekeepers; in the larger search two workers, with fewer faults."""
    assert Explorer(scripts, faults, workers=1, tasks=4).explore() > 50


@pytest.mark.exhaustive
@pytest.mark.parametrize("faults", MORE_MOVES, ids=name)
def test_more_interleavings_of_moves_before_a_claim(scripts: Server, faults: Faults) -> None:
    assert Explorer(scripts, faults, workers=1, tasks=4).explore() > 50


@pytest.mark.exhaustive
@pytest.mark.parametrize("faults", [Faults(moves=2), Faults(moves=1, late=1)], ids=name)
def test_every_interleaving_of_moves_of_two_workers(scripts: Server, faults: Faults) -> None:
    assert Explorer(scripts, faults).explore() > 5_000


FAILOVERS = [
    Faults(rollbacks=1),
    Faults(swaps=2),
    Faults(rollbacks=1, failures=1),
]
MORE_FAILOVERS = [
    Faults(rollbacks=1, slow=1, crashes=1),
    Faults(rollbacks=1, rests=1),
    Faults(rollbacks=1, late=1),
    Faults(swaps=1, lost=1),
    Faults(swaps=1, expiries=1),
]


@pytest.mark.parametrize("faults", FAILOVERS, ids=name)
def test_what_a_server_has_runs(scripts: Server, faults: Faults) -> None:
    """Whichever server it is: one worker and its housekeepers, and servers with older data."""
    assert Explorer(scripts, faults, workers=1).explore() > 500


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("faults", MORE_FAILOVERS, ids=name)
def test_what_a_server_has_runs_amid_more_faults(scripts: Server, faults: Faults) -> None:
    assert Explorer(scripts, faults, workers=1).explore() > 1_000


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("faults", [Faults(rollbacks=1), Faults(swaps=1)], ids=name)
def test_what_a_server_has_runs_beside_others(scripts: Server, faults: Faults) -> None:
    assert Explorer(scripts, faults, tasks=2).explore() > 10_000


@pytest.mark.parametrize("faults", LONELY, ids=name)
def test_every_interleaving_of_one_worker(scripts: Server, faults: Faults) -> None:
    """And its housekeepers; two workers in the larger search."""
    assert Explorer(scripts, faults, workers=1, tasks=4).explore() > 100


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("faults", LARGE, ids=name)
def test_every_interleaving_of_many_faults(scripts: Server, faults: Faults) -> None:
    assert Explorer(scripts, faults).explore() > 5_000


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("faults", ALONE, ids=name)
def test_every_interleaving_of_very_many_faults(scripts: Server, faults: Faults) -> None:
    """One worker and its housekeepers, four tasks."""
    assert Explorer(scripts, faults, workers=1, tasks=4).explore() > 10_000


def test_one_worker_runs_in_order(scripts: Server) -> None:
    faults = Faults(lost=1, slow=1, rests=1, pushes=1)
    Explorer(scripts, faults, workers=1, tasks=4, ordered=True).explore()


@pytest.mark.parametrize(
    ("workers", "tasks"), [(1, 3), (2, 2), pytest.param(2, 3, marks=pytest.mark.exhaustive)]
)
def test_task_that_takes_its_host_down_is_blamed(scripts: Server, workers: int, tasks: int) -> None:
    """Of two deliveries at most: it is buried in its third life. No neighbour is charged more than
    once, and none of the same worker's."""
    explorer = Explorer(scripts, Faults(drains=0), workers=workers, tasks=tasks, lives=3)
    assert explorer.explore() > 30


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("faults", [Faults(lost=1, drains=0), Faults(late=1, drains=0)], ids=name)
def test_task_that_takes_its_host_down_is_blamed_amid_faults(
    scripts: Server, faults: Faults
) -> None:
    assert Explorer(scripts, faults, tasks=2, lives=3).explore() > 1_000


BLAMES_THE_OLDEST = ("oldest.is_alone and oldest.raw.startswith(RECORD_SEPARATOR)", "True")


def test_finds_who_is_blamed_wrongly_by_one_who_blames_the_oldest(
    scripts: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = mutant_of(recovery, BLAMES_THE_OLDEST)
    monkeypatch.setattr(explorer, "lapse_of", mutant.lapse_of)
    with pytest.raises(Violation, match="charged more than its failures"):
        Explorer(scripts, Faults(drains=0), workers=1, lives=3).explore()


SETTLE = """\
  if settled < completed then
    count('done', completed - settled)
    redis.call('LTRIM', CLAIMS, 0, settled - completed - 1)
    settled = completed
  end
"""
SETTLE_MORE = """\
  if completed > 0 then
    redis.call('LTRIM', CLAIMS, 0, -completed - 1)
    settled = settled + completed
  end
"""
CHARGES = "if settled == completed and ARGV[6]"
COUNTS = "counts"
MUTANTS: dict[str, tuple[tuple[str, str, str], dict[str, Any], str]] = {
    "give_back without its fence": (
        ("GIVE_BACK", "not settled or last ~= known or settled >= running", "not settled"),
        {"faults": Faults(slow=1), "tasks": 4},
        "begins what was given to others",
    ),
    "claim that obeys when it comes late": (
        ("CLAIM", "if last > token or (", "if ("),
        {"faults": Faults(slow=1, late=1), "tasks": 4},
        "runs task 1 again",
    ),
    "release without its settle": (
        ("RELEASE", "settled = settle(owner, settled, completed, last)", ""),
        {"faults": Faults(), "tasks": 4},
        "runs task 1 again",
    ),
    "release that charges whatever is oldest": (
        ("RELEASE", CHARGES, "if settled and ARGV[6]"),
        {"faults": Faults(crashes=1, failures=1), "tasks": 4},
        "charged more than its failures",
    ),
    "release that forgets the verdict": (
        ("RELEASE", CHARGES, "if settled == completed and false"),
        {"faults": Faults(crashes=1), "tasks": 4},
        "uncharged",
    ),
    "release of an owner that gave a sign of life": (
        ("RELEASE", "if lapsed and ", "if false and "),
        {"faults": Faults(expiries=1), "tasks": 4},
        "though its lease holds",
    ),
    "fail that may come twice": (
        ("FAIL", "local is_new = settled < seq", "local is_new = true"),
        {"faults": Faults(lost=1, failures=1), "tasks": 4},
        "begins what was given to others",
    ),
    "claim that forgets what is held": (
        ("CLAIM", "local held = redis.call('LRANGE', CLAIMS, 0, -1)", "local held = {}"),
        {"faults": Faults(lost=1), "tasks": 4},
        "is lost",
    ),
    "tend that leaves arrivals where they are": (
        ("TEND", "  put_arrivals_back()\n", ""),
        {"faults": Faults(), "tasks": 4},
        "something stays behind",
    ),
    "claim that sees no pause": (
        ("CLAIM", "if left ~= -2 and", "if false and"),
        {"faults": Faults(pauses=1), "workers": 1},
        "paused",
    ),
    "claim that obeys a server with older data": (
        ("CLAIM", "standing(owner, ARGV[6])", "standing(owner, 0)"),
        {"faults": Faults(rollbacks=1, failures=1), "workers": 1},
        "is lost",
    ),
    "claim that leaves what was moved for an owner that has ended": (
        ("CLAIM", "    put_back(0) -- what", "    -- what"),
        {"faults": Faults(moves=2, late=1, expiries=1), "workers": 1},
        "whom nobody knows",
    ),
    "claim that does not count what was moved": (
        ("CLAIM", "redis.call('LLEN', CLAIMS) == moves and", "redis.call('LLEN', CLAIMS) > 0 and"),
        {"faults": Faults(moves=2, slow=1), "workers": 1, "tasks": 4},
        "again",
    ),
    "fail that obeys a server with older data": (
        ("FAIL", "standing(owner, ARGV[3])", "standing(owner, 0)"),
        {"faults": Faults(rollbacks=1, failures=2), "workers": 1},
        "is lost",
    ),
    "release that settles on a server with older data": (
        ("RELEASE", "standing(owner, ARGV[3])", "standing(owner, 0)"),
        {"faults": Faults(rollbacks=1, failures=1), "workers": 1},
        "is lost",
    ),
    "release that marks no suspects": (
        ("RELEASE", "string.byte(claim) ~= RECORD_SEPARATOR", "false"),
        {"faults": Faults(drains=0), "lives": 3},
        "often enough",
    ),
    "claim that hands out suspects together": (
        ("CLAIM", "if runs_alone(claims[1]) and another_runs_alone() then", "if false then"),
        {"faults": Faults(drains=0), "lives": 3},
        "charged more than its failures",
    ),
    "claim that does not count what is done": (
        ("CLAIM", "count('done', completed - settled)", ""),
        {"faults": Faults(), "tasks": 4},
        COUNTS,
    ),
    "claim that counts what is done again when it comes again": (
        ("CLAIM", "count('done', completed - settled)", "count('done', completed)"),
        {"faults": Faults(lost=1), "workers": 1},
        COUNTS,
    ),
    "fail that does not count its failure": (
        ("FAIL", "count('failed', 1)", ""),
        {"faults": Faults(failures=1)},
        COUNTS,
    ),
    "fail that counts its letter as often as it comes": (
        ("FAIL", "stand(owner, settled, token)\nreturn", "count('buried', 1)\nreturn"),
        {"faults": Faults(failures=1, lost=1)},
        COUNTS,
    ),
    "release that does not count what is buried": (
        ("RELEASE", "count('buried', 1)", ""),
        {"faults": Faults(failures=1)},
        COUNTS,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_finds_what_is_wrong_with(
    scripts: Server, monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    mutation, circumstances, finding = MUTANTS[mutant]
    mutate(monkeypatch, *mutation)
    scripts.checks_tally = finding == COUNTS
    with pytest.raises(Violation, match=finding) as found:
        Explorer(scripts, **circumstances).explore()
    assert len(str(found.value).splitlines()) > 3, "the way to it is told"


BEGINS = "begins what was given to others"
RUNS = "runs what was given to others"
WORKERS = {
    "keeps the rest of its claims after a long task": (
        ("            or now - self._began >= pace.LONG\n", ""),
        Faults(slow=1),
        BEGINS,
    ),
    "forgets to count": (
        ("        self.completed += 1\n", ""),
        Faults(),
        "runs task 1 again",
    ),
    "counts a failure that is yet to be told": (
        (
            "        self._verdict = verdict\n",
            "        self._verdict = verdict\n        self.completed += 1\n",
        ),
        Faults(failures=1),
        BEGINS,
    ),
    "goes on before its release is heard": (
        ("if quiet or self._releasing:", "if quiet:"),
        Faults(rests=1, late=1),
        RUNS,
    ),
    "forgets a failure when it leaves": (
        (
            "Release(self.owner, self.completed, self.token, self._verdict)",
            "Release(self.owner, self.completed + 1, self.token)",
        ),
        Faults(failures=1),
        "is lost",
    ),
}


@pytest.mark.parametrize("mutant", WORKERS)
def test_finds_what_is_wrong_with_a_worker_that(scripts: Server, mutant: str) -> None:
    change, faults, finding = WORKERS[mutant]
    scripts.checks_tally = False
    with pytest.raises(Violation, match=finding):
        Explorer(scripts, faults, module=mutant_of(claims, change)).explore()


MOVING = {
    "has claims already": (
        ("is_empty = self._standing == (owner, completed, tokens.known)", "is_empty = True"),
        Faults(moves=2, lost=1, slow=1),
    ),
    "has sent moves that may come late": (
        (" or owner == self._unsure", ""),
        Faults(moves=2, late=1, slow=1),
    ),
}


@pytest.mark.parametrize("mutant", MOVING)
def test_finds_what_is_wrong_with_moves_for_an_owner_that(
    scripts: Server, monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    change, faults = MOVING[mutant]
    monkeypatch.setattr(explorer, "moving", mutant_of(moves, change))
    with pytest.raises(Violation, match=BEGINS):
        Explorer(scripts, faults, workers=1, tasks=4).explore()


@pytest.mark.parametrize(
    ("interval", "seconds"), [("LONG", 10.0), ("SLOW", pace.LONG / 2)], ids=["LONG", "SLOW"]
)
def test_finds_what_is_wrong_with_an_interval(
    scripts: Server, monkeypatch: pytest.MonkeyPatch, interval: str, seconds: float
) -> None:
    """A housekeeper that gives away what the worker does not let go of."""
    monkeypatch.setattr(pace, interval, seconds)
    with pytest.raises(Violation, match=BEGINS):
        Explorer(scripts, Faults(slow=1)).explore()


def test_finds_what_is_wrong_with_a_housekeeper_that_is_rash(
    scripts: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = mutant_of(sights, ("now - sight.since < pace.SLOW", "False"))
    monkeypatch.setattr(explorer, "Sights", mutant.Sights)
    with pytest.raises(Violation, match=BEGINS):
        Explorer(scripts, Faults(slow=1)).explore()


def test_finds_what_is_wrong_with_a_housekeeper_that_always_charges(
    scripts: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = mutant_of(upkeep, ("row.running and row.is_charged", "True"))
    monkeypatch.setattr(explorer, "takeover_of", mutant.takeover_of)
    with pytest.raises(Violation, match="charged more than its failures"):
        Explorer(scripts, Faults(crashes=1)).explore()


def test_finds_what_is_wrong_with_a_housekeeper_that_buries_another(
    scripts: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = mutant_of(upkeep, ("by(row.running)", "by(row.cancellation.asked)"))
    monkeypatch.setattr(explorer, "takeover_of", mutant.takeover_of)
    with pytest.raises(Violation, match="is buried, which nobody has cancelled"):
        Explorer(scripts, Faults(cancels=1, crashes=1), workers=1).explore()


def test_finds_what_is_wrong_with_a_housekeeper_that_redelivers_what_is_cancelled(
    scripts: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = mutant_of(upkeep, ("worker_pid=row.pid, final=True", "worker_pid=row.pid"))
    monkeypatch.setattr(explorer, "takeover_of", mutant.takeover_of)
    with pytest.raises(Violation, match=r"runs task \d again"):
        Explorer(scripts, Faults(cancels=1, crashes=1), tasks=2).explore()


def test_finds_what_is_wrong_with_a_supervisor_that_ends_another(
    scripts: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant = mutant_of(time_limits, ("cancellation.is_of(running)", "cancellation.asked"))
    monkeypatch.setattr(explorer, "time_limits", mutant)
    with pytest.raises(Violation, match="is ended, which nobody has cancelled"):
        Explorer(scripts, Faults(cancels=1), workers=1).explore()


def test_finds_what_is_wrong_with_a_housekeeper_that_charges_twice(
    scripts: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery.Takeover, "charges", lambda _, oldest: oldest.raw is not None)
    with pytest.raises(Violation, match="uncharged"):
        Explorer(scripts, Faults(crashes=1, failures=1)).explore()


RELATIVE = mutant_of(
    claims,
    ('        "completed",\n', '        "completed",\n        "acknowledged",\n'),
    ("        self.want = 1\n", "        self.want = 1\n        self.acknowledged = 0\n"),
    (
        "Claim(self.owner, self.completed, want",
        "Claim(self.owner, self.completed - self.acknowledged, want",
    ),
    (
        "        self._wakes_at = now",
        "        self.acknowledged = self.completed\n        self._wakes_at = now",
    ),
)


def test_finds_what_is_wrong_with_relative_counts(
    scripts: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch, "CLAIM", SETTLE, SETTLE_MORE)
    scripts.checks_tally = False
    Explorer(scripts, Faults(drains=0), module=RELATIVE).explore()
    with pytest.raises(Violation, match="is lost"):
        Explorer(scripts, Faults(lost=1, drains=0), module=RELATIVE).explore()


def test_finds_what_is_wrong_with_a_wrong_order(
    scripts: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch, "RELEASE", "CLAIMS, QUEUE, 'LEFT'", "CLAIMS, QUEUE, 'RIGHT'")
    with pytest.raises(Violation, match="before its turn"):
        Explorer(scripts, Faults(rests=1, lost=1), workers=1, ordered=True).explore()
