"""The soak's checker finds what it is there to find, and excuses what may be."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..soak import failovers as failovers  # noqa: PLC0414 - faults that it adds
from ..soak import operators as operators  # noqa: PLC0414 - likewise
from ..soak.faults import LANES, PLACES, schedule
from ..soak.kinds import DEADLY, FATAL, ROUGH, id_in
from ..soak.ledger import Findings, Ledger, Letter, Record, check
from ..soak.watch import LONG_LIFE, Growth, Sample, growth

A, B = 100, 200
"""Pids of workers."""


class Story:
    """Records at 1, 2, 3, … seconds."""

    def __init__(self) -> None:
        self._clock = itertools.count(1)
        self._hosts = {A: "a", B: "b"}
        self._records: list[Record] = []
        self._letters: list[Letter] = []

    def note(self, what: str, task: str = "", **details: Any) -> Story:
        self._records.append(Record(next(self._clock), what, task, **details))
        return self

    def passes(self, seconds: int) -> Story:
        for _ in range(seconds):
            next(self._clock)
        return self

    def pushed(self, task: str, kind: str = "nap") -> Story:
        return self.note("pushing", task, kind=kind).note("pushed", task)

    def start(self, task: str, pid: int = A, number: int = 1) -> Story:
        return self.note("start", task, pid=pid, host=self._hosts[pid], number=number)

    def end(self, task: str, pid: int = A) -> Story:
        return self.note("end", task, pid=pid)

    def run(self, task: str, pid: int = A, number: int = 1) -> Story:
        return self.start(task, pid, number).end(task, pid)

    def failing_run(self, task: str, number: int) -> Story:
        return self.start(task, number=number).note("failing", task, pid=A)

    def letter(self, task: str, deliveries: int = 3, *, is_cancelled: bool = False) -> Story:
        self._letters.append(Letter(task, deliveries, is_cancelled))
        return self

    def check(self) -> Findings:
        return check(self._records, self._letters, fatal={"exception"}, max_deliveries=3)

    @property
    def problems(self) -> dict[str, list[str]]:
        return dict(self.check().problems)


@pytest.fixture
def story() -> Story:
    return Story().note("born", pid=A, host="a").note("born", pid=B, host="b")


def test_nothing_wrong(story: Story) -> None:
    findings = story.pushed("x").run("x").pushed("y").run("y", B).check()
    assert not findings.problems
    assert (findings.tasks, findings.runs, findings.completed) == (2, 2, 2)


@pytest.mark.parametrize(
    "lose",
    [
        lambda story: story.pushed("x"),
        lambda story: story.pushed("x").start("x"),
        lambda story: story.note("pushing", "x", kind="nap").start("x"),
        lambda story: story.pushed("x").start("x").note("doomed", pid=A),
    ],
)
def test_lost_task(story: Story, lose: Callable[[Story], Story]) -> None:
    assert lose(story.pushed("y").run("y", B)).problems == {"lost": ["x"]}


def test_push_of_unknown_outcome_may_be_lost(story: Story) -> None:
    findings = story.note("pushing", "x", kind="nap").check()
    assert not findings.problems
    assert findings.unknown == 1


def test_duplicate(story: Story) -> None:
    assert story.pushed("x").run("x").run("x", B).problems == {"unexcused duplicate": ["x"]}


def test_duplicate_of_a_task_that_never_ended(story: Story) -> None:
    problems = story.pushed("x").start("x").start("x", B).end("x", B).problems
    assert problems == {"unexcused duplicate": ["x"]}


def test_death_excuses_the_running_task(story: Story) -> None:
    story.pushed("x").start("x").note("doomed", pid=A).run("x", B, number=2)
    findings = story.check()
    assert not findings.problems
    assert findings.reruns == {"the worker died": 1}


def test_death_excuses_no_task_before_the_running_one(story: Story) -> None:
    story.pushed("x").pushed("y").run("x").start("y").note("doomed", pid=A)
    story.run("x", B).run("y", B, number=2)
    assert story.problems == {"unexcused duplicate": ["x"]}


def test_death_excuses_no_second_rerun(story: Story) -> None:
    story.pushed("x").start("x").note("doomed", pid=A).run("x", B, number=2).run("x", B)
    assert story.problems == {"unexcused duplicate": ["x"]}


def test_death_concerns_only_that_worker_with_its_pid(story: Story) -> None:
    story.pushed("x").run("x").note("doomed", pid=A).note("born", pid=A, host="a")
    story.pushed("y").run("y").run("y", B)
    assert story.problems == {"unexcused duplicate": ["y"]}


@pytest.mark.parametrize(("host", "excused"), [("a", True), ("c", False)])
def test_lapse_excuses_what_its_host_ran(story: Story, host: str, excused: bool) -> None:
    story.pushed("x").start("x").note("lapse", host=host, until=20).run("x", B).end("x")
    assert story.problems == ({} if excused else {"unexcused duplicate": ["x"]})


def test_lapse_excuses_nothing_long_before_or_after(story: Story) -> None:
    story.pushed("x").run("x").passes(10).note("lapse", host="a", until=20).run("x", B)
    story.passes(10).pushed("y").run("y").run("y", B)
    assert story.problems == {"unexcused duplicate": ["x", "y"]}


def test_stop_excuses_what_its_worker_ran(story: Story) -> None:
    story.pushed("x").start("x").note("stopped", pid=A, until=10).run("x", B, number=2)
    story.passes(10).pushed("y").run("y").run("y", B)
    assert story.problems == {"unexcused duplicate": ["y"]}


def test_failing_task_is_buried(story: Story) -> None:
    story.pushed("x", "exception")
    findings = story.failing_run("x", 1).failing_run("x", 2).failing_run("x", 3).letter("x").check()
    assert not findings.problems
    assert findings.buried == 1


def test_failing_task_that_is_not_buried_is_lost(story: Story) -> None:
    story.pushed("x", "exception").failing_run("x", 1)
    assert story.problems == {"lost": ["x"]}


def test_failing_task_that_is_tried_too_often(story: Story) -> None:
    story.pushed("x", "exception")
    for number in (1, 2, 3, 3):
        story.failing_run("x", number)
    assert story.letter("x").problems == {"tried too often": ["x"]}


def test_failing_task_may_end_uncharged_without_a_supervisor(story: Story) -> None:
    story.pushed("x", "exception").failing_run("x", 1).note("orphaned", pid=A)
    story.note("born", pid=A, host="a")
    for number in (1, 2, 3):
        story.failing_run("x", number)
    assert not story.letter("x").problems


def test_task_that_does_not_fail_may_not_run_again_without_a_supervisor(story: Story) -> None:
    story.pushed("x").start("x").note("orphaned", pid=A).run("x", B)
    assert story.problems == {"unexcused duplicate": ["x"]}


def test_letters_that_should_not_be(story: Story) -> None:
    story.pushed("x", "exception").failing_run("x", 1).letter("x").letter("x")
    story.pushed("y").letter("y").pushed("z", "exception").run("z").letter("z", 4)
    assert story.problems == {
        "buried twice": ["x"],
        "buried without a cause": ["y"],
        "buried too late": ["z"],
        "completed, though it cannot": ["z"],
    }


def test_task_that_was_cancelled(story: Story) -> None:
    story.pushed("x").letter("x", 0, is_cancelled=True)
    assert story.problems == {}
    story.pushed("y").letter("y", is_cancelled=True).letter("y", is_cancelled=True)
    assert story.problems == {"buried twice": ["y"]}


def test_task_of_nobody(story: Story) -> None:
    assert story.run("x").letter("").problems["never pushed"] == ["x", ""]


def test_worker_may_die_before_it_calls_the_handler(story: Story) -> None:
    story.pushed("y").run("y").pushed("x").note("doomed", pid=A).run("x", B, number=2)
    assert not story.problems


def test_death_in_a_task_is_not_charged_to_it_twice(story: Story) -> None:
    story.pushed("x").start("x").note("doomed", pid=A).run("x", B, number=3)
    assert story.problems == {"charged for what it did not do": ["x"]}


def test_charge_for_nothing(story: Story) -> None:
    assert story.pushed("x").run("x", number=2).problems == {
        "charged for what it did not do": ["x"]
    }


def test_death_of_a_host_may_charge_for_nothing(story: Story) -> None:
    story.pushed("x").note("lapse", host="b", until=10).run("x", number=2)
    assert not story.problems


def test_server_with_older_data_excuses_what_ran_meanwhile_and_may_have_lost_what_came(
    story: Story,
) -> None:
    story.pushed("w").passes(10).run("w").passes(5).pushed("x").note("kept").run("x").pushed("y")
    findings = story.note("rollback", until=40).run("x", B).check()
    assert not findings.problems
    assert findings.reruns == {"the server came back with older data": 1}
    story.passes(30).run("w", B)
    assert story.problems == {"unexcused duplicate": ["w"]}


def test_task_that_hangs_fails_amid_what_happens_meanwhile(story: Story) -> None:
    story.pushed("x", "exception").start("x").note("failing", "x", pid=A, until=20).passes(8)
    story.note("lapse", host="a", until=22)
    for number in (1, 2, 3):
        story.start("x", B, number=number).note("failing", "x", pid=B)
    assert not story.letter("x").problems


def test_server_with_older_data_excuses_no_loss_of_what_it_has(story: Story) -> None:
    assert story.pushed("x").note("kept").note("rollback", until=20).problems == {"lost": ["x"]}


def test_end_of_another_task_is_an_error_of_the_ledger(story: Story) -> None:
    with pytest.raises(ValueError, match="another task"):
        story.pushed("x").start("x").end("y").check()


def test_ledger_keeps_records(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.note("pushing", "x", "nap")
    Ledger(ledger.path).note("start", "x", pid=A, host="a", number=1)
    ledger.note("lapse", host="a", until=9.5)
    first, second, third = ledger
    assert (first.what, first.task, first.kind) == ("pushing", "x", "nap")
    assert (second.what, second.pid, second.host, second.number) == ("start", A, "a", 1)
    assert (third.host, third.until) == ("a", 9.5)
    assert first.at <= second.at <= third.at


def test_schedule_is_a_function_of_the_seed() -> None:
    assert schedule(1, 300, 3) == schedule(1, 300, 3)
    assert schedule(1, 300, 3) != schedule(2, 300, 3)


@pytest.mark.parametrize("place", PLACES)
def test_a_minute_has_every_fault(place: str) -> None:
    for seed in range(20):
        plan = schedule(seed, 60, 3, place)
        assert place in plan
        for lane, planned in plan.items():
            assert {each.fault for each in planned} == set(LANES[lane]) != set()


def test_kinds_have_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOAK_LEDGER", "SOAK_HOST", "SOAK_LEASE"):
        monkeypatch.setenv(name, "3")
    from ..soak import app

    kinds = {kind for group in (ROUGH, DEADLY) for kinds in group.values() for kind in kinds}
    assert all(callable(vars(app)[kind]) for kind in kinds)
    assert {act.__name__ for act in app.FAILS} == FATAL - {"garbage"}
    assert FATAL - {"garbage"} <= kinds


@pytest.mark.parametrize("payload", [b'{"id": "old-12", "x": 1}', b"\xff old-12 \xfe", b"old-12"])
def test_id_is_found_in_any_payload(payload: bytes) -> None:
    assert id_in(payload) == "old-12"


def test_payload_without_an_id() -> None:
    assert id_in(b"bold-12 old-x") == ""


def samples(*descriptors: int) -> list[Sample]:
    apart = LONG_LIFE / (len(descriptors) - 1)
    return [Sample(n * apart, 1000, count) for n, count in enumerate(descriptors)]


def test_growth_is_seen() -> None:
    assert growth(samples(*range(31))) == Growth(memory=0, descriptors=10)


def test_a_peak_is_no_growth() -> None:
    assert growth(samples(5, 5, 5, 5, 50, 5, 5)) == Growth(memory=0, descriptors=0)


def test_short_life_tells_nothing() -> None:
    assert growth(samples(*range(31))[:20]) is None
