"""Who gets how many of the workers that all queues share: simulated, as it is decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from woodenwaiter import pace
from woodenwaiter.supervisor import budget as budget_module
from woodenwaiter.supervisor.budget import Budget, Need, fair_parts

from ..mutants import changed

STEP = 0.05
START = 0.05
"""Seconds from a fork to the first task."""


@dataclass(eq=False)
class Worker:
    ready_at: float
    busy_until: float = 0.0
    is_leaving: bool = False


@dataclass
class Dish:
    """A queue: tasks of so many seconds, of which some come at each step, and who runs them."""

    comes: Callable[[float], int]
    seconds: float = 1.0
    least: int = 0
    most: int = 8
    share: float = 1.0
    backlog: int = 0
    waiting_since: float | None = None
    workers: list[Worker] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)

    def step(self, now: float) -> None:
        self.backlog += self.comes(now)
        self.workers = [w for w in self.workers if not (w.is_leaving and w.busy_until <= now)]
        for worker in self.workers:
            if self.backlog and max(worker.ready_at, worker.busy_until) <= now:
                self.backlog -= 1
                worker.busy_until = now + self.seconds
                self.begun.append(now)
        waits = self.backlog > 0
        self.waiting_since = (self.waiting_since or now) if waits else None

    def need(self, now: float) -> Need:
        active = [w for w in self.workers if not w.is_leaving]
        starting = sum(w.ready_at > now for w in active)
        used = starting + sum(w.busy_until > now for w in active)
        age = 0.0 if self.waiting_since is None else now - self.waiting_since
        bounds = self.least, self.most, self.share
        return Need(*bounds, len(active), used, starting, self.backlog, age)

    def retire(self, number: int, now: float) -> None:
        active = [w for w in self.workers if not w.is_leaving]
        for worker in sorted(active, key=lambda w: (w.busy_until > now, w.busy_until))[
            : max(0, number)
        ]:
            worker.is_leaving = True

    def start(self, now: float) -> None:
        self.workers.append(Worker(now + START))
        self.starts.append(now)


class Kitchen:
    """Dishes that share a budget, as a supervisor would see to it."""

    def __init__(self, places: float, *dishes: Dish) -> None:
        self.dishes = dishes
        self.places = places
        self.budget = Budget(places, len(dishes))
        self.now = 0.0
        for dish in dishes:
            dish.workers = [Worker(0.0) for _ in range(dish.least)]

    def run(self, seconds: float) -> Kitchen:
        end = self.now + seconds
        while self.now < end:
            self.now += STEP
            for dish in self.dishes:
                dish.step(self.now)
            needs = [dish.need(self.now) for dish in self.dishes]
            self.obey(needs, self.budget.allot(needs, self.now))
        return self

    def obey(self, needs: Sequence[Need], allotted: Sequence[int]) -> None:
        assert sum(allotted) <= self.places
        for dish, need, number in zip(self.dishes, needs, allotted, strict=True):
            assert need.least <= number <= need.most
            dish.retire(need.workers - number, self.now)
        self.dishes_step()
        for dish, need, number in zip(self.dishes, needs, allotted, strict=True):
            for _ in range(number - need.workers):
                if sum(len(d.workers) for d in self.dishes) < self.places:
                    dish.start(self.now)

    def dishes_step(self) -> None:
        """Who has nothing to do leaves at once."""
        for dish in self.dishes:
            gone = [w for w in dish.workers if w.is_leaving and w.busy_until <= self.now]
            dish.workers = [w for w in dish.workers if w not in gone]

    def work_of(self, since: float) -> list[float]:
        """Seconds of tasks that each dish has begun since then."""
        return [sum(at > since for at in d.begun) * d.seconds for d in self.dishes]

    def starts_since(self, since: float) -> int:
        return sum(at > since for d in self.dishes for at in d.starts)


def always(now: float) -> int:
    return 20


def never(now: float) -> int:
    return 0


def once(tasks: int, at: float = 0.0) -> Callable[[float], int]:
    left = [tasks]

    def comes(now: float) -> int:
        return left.pop() if left and now > at else 0

    return comes


def alternately(on: float, off: float, tasks: int = 1) -> Callable[[float], int]:
    """So many tasks at once, each time a period begins."""
    period = on + off

    def comes(now: float) -> int:
        return tasks if now % period < STEP else 0

    return comes


NUMBERS = st.integers(0, 6)


@st.composite
def any_needs(draw: st.DrawFn) -> Need:
    least, more = draw(NUMBERS), draw(NUMBERS)
    workers = draw(NUMBERS)
    used = draw(st.integers(0, workers))
    return Need(
        least,
        max(1, least + more),
        draw(st.sampled_from([0.001, 0.3, 1.0, 1.0, 3.0, 1000.0])),
        workers,
        used,
        draw(st.integers(0, used)),
        draw(st.sampled_from([0, 0, 1, 5, 10**9])),
        draw(st.sampled_from([0.0, 0.1, pace.GROW, 100.0])),
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[tuple[float, list[Need]]]]:
    """The places there are, and what is known at some moments of the same queues."""
    looks = draw(st.lists(st.lists(any_needs(), min_size=4, max_size=4), min_size=1, max_size=8))
    first = looks[0]
    places = draw(st.integers(sum(need.least for need in first) or 1, 40))
    steps = draw(st.lists(st.sampled_from([0.0, 0.1, 1.0, 20.0]), min_size=8, max_size=8))
    history, now = [], 1000.0
    for step, look in zip(steps, looks, strict=False):
        now += step
        seen = [
            need._replace(least=one.least, most=one.most, share=one.share)
            for one, need in zip(first, look, strict=True)
        ]
        history.append((now, seen))
    return places, history


@given(histories())
def test_bounds_and_budget_are_kept_and_no_place_is_wasted(
    given: tuple[int, list[tuple[float, list[Need]]]],
) -> None:
    places, history = given
    budget = Budget(places, 4)
    for now, seen in history:
        allotted = budget.allot(seen, now)
        assert sum(allotted) <= places
        for need, number in zip(seen, allotted, strict=True):
            assert need.least <= number <= need.most
        if sum(allotted) < places:
            assert all(number >= need.wanted for need, number in zip(seen, allotted, strict=True))


@given(st.lists(any_needs(), min_size=1, max_size=6), st.integers(1, 60))
def test_parts_are_fair(seen: list[Need], places: int) -> None:
    places = max(places, sum(need.least for need in seen))
    wants = [need.wanted for need in seen]
    parts = fair_parts(seen, wants, places)
    assert sum(parts) == pytest.approx(min(places, sum(wants)))
    for one, its_part, its_want in zip(seen, parts, wants, strict=True):
        assert one.least - 1e-9 <= its_part <= its_want + 1e-9
        for other, part in zip(seen, parts, strict=True):
            if its_part < its_want - 1e-6 and part > other.least + 1e-6:
                assert part / other.share <= its_part / one.share * (1 + 1e-6) + 1e-6


def test_fixed_numbers_stay_whatever_happens() -> None:
    budget = Budget(5, 2)
    for now, used in enumerate((0, 2, 1, 0, 0, 0)):
        seen = [Need(2, 2, 1.0, 2, used, 0, 9, 50.0), Need(3, 3, 1.0, 3)]
        assert budget.allot(seen, 100.0 * now) == [2, 3]


def test_dish_at_nothing_gets_one_at_once_and_more_when_its_tasks_still_wait() -> None:
    budget = Budget(4, 1)
    assert budget.allot([Need(0, 3)], 0.0) == [0]
    assert budget.allot([Need(0, 3, backlog=50)], 1.0) == [1]
    assert budget.allot([Need(0, 3, 1.0, 1, 1, 1, 50, pace.GROW / 2)], 1.1) == [1]
    assert budget.allot([Need(0, 3, 1.0, 1, 1, 1, 50, pace.GROW)], 1.2) == [3]
    assert budget.allot([Need(0, 3, 1.0, 1, 1, 0, 1, pace.GROW)], 1.2 + 1) == [2]


def test_queue_gets_more_at_once_where_its_tasks_are_known_to_take_long() -> None:
    budget = Budget(4, 1)
    assert budget.allot([Need(0, 4, backlog=3, task=pace.GROW / 2)], 0.0) == [3]
    assert budget.allot([Need(0, 4, 1.0, 3, 3, 0, 3, 0.0, pace.GROW / 2)], 0.1) == [3]
    assert budget.allot([Need(0, 4, 1.0, 3, 3, 0, 3, 0.0, pace.GROW * 2)], 0.2) == [4]


def test_where_one_is_idle_nothing_waits_whatever_is_said() -> None:
    assert Need(0, 8, 1.0, 3, 2, 0, 1000, 50.0).wanted == 2


def test_idle_workers_leave_in_time() -> None:
    kitchen = Kitchen(8, Dish(once(40)))
    kitchen.run(6)
    assert len(kitchen.dishes[0].workers) == 8
    kitchen.run(pace.LINGER - 2)
    assert len(kitchen.dishes[0].workers) == 8
    kitchen.run(4)
    assert kitchen.dishes[0].workers == []


def test_idle_workers_leave_soon_where_another_queue_waits() -> None:
    kitchen = Kitchen(4, Dish(once(40)), Dish(once(1000, at=14.0))).run(13.9)
    assert [len(dish.workers) for dish in kitchen.dishes] == [4, 0]
    kitchen.run(0.1 + pace.GROW + pace.HOLD + 4 * STEP)
    assert [len(dish.workers) for dish in kitchen.dishes] == [0, 4]


def test_who_is_busy_has_what_others_leave() -> None:
    kitchen = Kitchen(4, Dish(always), Dish(never), Dish(never)).run(20)
    assert kitchen.work_of(since=1.0)[0] >= 4 * 19 * 0.95


@pytest.mark.parametrize(
    ("shares", "places"),
    [((1, 1), 2), ((3, 1), 1), ((3, 1), 8), ((1, 1, 1), 2), ((1,) * 10, 2), ((5, 3, 1), 4)],
)
def test_queues_with_work_have_as_much_as_their_shares_say(
    shares: tuple[float, ...], places: int
) -> None:
    """Of the workers' time, over a while."""
    kitchen = Kitchen(places, *[Dish(always, 0.2, share=share) for share in shares]).run(420)
    work = kitchen.work_of(since=20.0)
    assert sum(work) >= 0.85 * places * 400
    for share, done in zip(shares, work, strict=True):
        assert done / sum(work) == pytest.approx(share / sum(shares), rel=0.15)


def test_queue_that_comes_gets_its_part_of_what_others_have() -> None:
    """As soon as one of their tasks has ended."""
    kitchen = Kitchen(4, Dish(always), Dish(always), Dish(once(9, at=10.0), share=0.5)).run(20)
    assert kitchen.dishes[2].begun[0] < 10 + pace.SLICE + 1.0 + 0.3


@settings(max_examples=20)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=8), st.integers(1, 8))
def test_nobody_starves(loads: list[int], places: int) -> None:
    """Of queues that are never done, some with little and some with much."""
    dishes = [Dish(lambda now, n=n: n, 0.5) for n in loads]  # type: ignore[misc]
    kitchen = Kitchen(places, *dishes)
    patience = (pace.SLICE + 1.5) * max(1.0, len(loads) / places) + 2
    kitchen.run(3 * patience)
    for dish, load in zip(dishes, loads, strict=True):
        if load:
            gaps = zip([0.0, *dish.begun], [*dish.begun, kitchen.now], strict=True)
            assert max(later - sooner for sooner, later in gaps) <= patience


@settings(max_examples=20)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_load_that_fits_is_left_alone(workers: list[int]) -> None:
    """Each queue always has as many tasks at work as it has workers for."""
    dishes = [Dish(lambda now, n=n: n * (now % 1.0 < STEP), 0.9) for n in workers]  # type: ignore[misc]
    kitchen = Kitchen(sum(workers) + 1, *dishes).run(30)
    assert kitchen.starts_since(5) == 0


@pytest.mark.parametrize(("shares", "places"), [((1, 1), 4), ((3, 1), 8), ((2, 1, 1), 4)])
def test_stable_load_that_divides_evenly_is_left_alone(
    shares: tuple[float, ...], places: int
) -> None:
    kitchen = Kitchen(places, *[Dish(always, 0.3, share=share) for share in shares]).run(60)
    assert kitchen.starts_since(10) == 0


def test_turns_are_taken_slowly() -> None:
    kitchen = Kitchen(2, *[Dish(always, 0.2) for _ in range(10)]).run(110)
    assert kitchen.starts_since(10) <= 2 * 100 / pace.SLICE


@pytest.mark.parametrize("off", [0.1, 0.3, 0.5, 0.9, 1.5])
def test_load_that_alternates_does_not_make_workers_come_and_go(off: float) -> None:
    """Two queues with work in turns, one that always has some, and a single place."""
    one, other = alternately(0.2, off), alternately(0.2, off)
    dishes = Dish(one, 0.1), Dish(lambda now: other(now + off / 2), 0.1), Dish(always, 0.1)
    kitchen = Kitchen(2, *dishes).run(70)
    assert kitchen.starts_since(10) <= 2 * 60 / pace.SLICE + 6


def test_load_that_alternates_where_there_is_room_is_left_alone() -> None:
    dishes = [Dish(alternately(0.5, pace.LINGER - 1, tasks=3), 0.4) for _ in range(2)]
    kitchen = Kitchen(8, *dishes).run(100)
    assert kitchen.starts_since(15) == 0


def test_who_needs_no_longer_what_it_was_given_again_gives_it_soon() -> None:
    """Once it has been quiet for a while."""
    kitchen = Kitchen(1, Dish(alternately(0.1, 0.4), 0.1), Dish(always, 0.1)).run(30)
    kitchen.dishes[0].comes = never
    kitchen.run(2 * pace.LINGER)
    kitchen.dishes[0].comes = once(1)
    kitchen.run(5)
    began = kitchen.dishes[0].begun[-1]
    assert min(at for at in kitchen.dishes[1].begun if at > began) < began + 0.1 + 0.5


def test_who_took_turns_holds_nothing_for_that() -> None:
    """What it was given again it had always used."""
    kitchen = Kitchen(1, Dish(always, 0.1), Dish(always, 0.1)).run(30)
    dish, other = kitchen.dishes
    while not dish.workers:
        kitchen.run(0.1)
    dish.comes, dish.backlog = never, 0
    ended = kitchen.now
    kitchen.run(5)
    assert min(at for at in other.begun if at > ended) < ended + 0.1 + 0.5


def test_idle_is_who_is_so_at_two_looks() -> None:
    budget = Budget(2, 2)
    at_work = Need(0, 2, 1.0, 2, 2, 0, 9, 9.0)
    assert budget.allot([at_work, Need(0, 2)], 0.0) == [2, 0]
    idle, waits = at_work._replace(used=0), Need(0, 2, backlog=5, age=9.0)
    assert budget.allot([idle, waits], 1.0) == [1, 1]
    idle, waits = idle._replace(workers=1), waits._replace(workers=1, used=1)
    assert budget.allot([idle, waits], 1.0 + 2 * pace.HOLD) == [0, 2]


def test_worker_that_starts_slowly_keeps_its_place() -> None:
    """Though there are others with as much right to it, and it has not done anything yet."""
    budget = Budget(1, 2)
    other = Need(0, 1, backlog=9, age=50.0)
    assert budget.allot([Need(0, 1, 1.0, 1, 1, 1, 9, 9.0), other], 0.0) == [1, 0]
    assert budget.allot([Need(0, 1, 1.0, 1, 1, 1, 9, 9.0), other], 100.0) == [1, 0]
    assert budget.allot([Need(0, 1, 1.0, 1, 1, 0, 9, 9.0), other], 100.1) == [0, 1]


def test_what_lingers_gives_way_to_what_lingers_for_less_long() -> None:
    budget = Budget(3, 3)
    used, idle, none = Need(0, 3, 1.0, 1, 1), Need(0, 3, 1.0, 1, 0), Need(0, 3)
    for now, seen in enumerate([[used, none], [idle, used], [idle, idle], [idle, idle]]):
        budget.allot([*seen, none], float(now))
    seen = [idle, idle, Need(0, 3, 1.0, 1, 1, 0, 1, 1.0)]
    assert budget.allot(seen, 4.0) == [0, 1, 2]


# Changes of these decisions are noticed.


def workers_are_allotted_rightly() -> None:
    test_dish_at_nothing_gets_one_at_once_and_more_when_its_tasks_still_wait()
    test_queue_gets_more_at_once_where_its_tasks_are_known_to_take_long()
    test_where_one_is_idle_nothing_waits_whatever_is_said()
    test_idle_is_who_is_so_at_two_looks()
    test_fixed_numbers_stay_whatever_happens()
    test_worker_that_starts_slowly_keeps_its_place()
    test_what_lingers_gives_way_to_what_lingers_for_less_long()
    test_idle_workers_leave_soon_where_another_queue_waits()
    test_idle_workers_leave_in_time()
    test_who_is_busy_has_what_others_leave()
    test_queue_that_comes_gets_its_part_of_what_others_have()
    test_turns_are_taken_slowly()
    test_who_needs_no_longer_what_it_was_given_again_gives_it_soon()
    test_who_took_turns_holds_nothing_for_that()
    test_load_that_alternates_does_not_make_workers_come_and_go(0.3)
    test_queues_with_work_have_as_much_as_their_shares_say((1, 1, 1), 2)
    test_queues_with_work_have_as_much_as_their_shares_say((3, 1), 1)


MUTANTS: list[tuple[str, str]] = [
    ("if self.backlog and self.used >= self.workers:", "if self.backlog:"),
    ("if self._is_worth_it else not self.workers", "if True else 0"),
    ("if self._is_worth_it else not self.workers", "if self._is_worth_it else 1"),
    ("if self._is_worth_it else not self.workers", "if self._is_worth_it else 0"),
    ("self.backlog * self.task / max(1, self.workers)", "0"),
    ("self.backlog * self.task / max(1, self.workers)", "self.backlog * self.task"),
    ("max(self.least, min(wanted, self.most))", "min(wanted, self.most)"),
    ("max(self.least, min(wanted, self.most))", "max(self.least, wanted)"),
    ("min(2 * self.hold, pace.SLICE) if is_back else pace.HOLD", "pace.HOLD"),
    ("min(2 * self.hold, pace.SLICE) if is_back else pace.HOLD", "2 * self.hold"),
    ("self.given_at = now", "pass"),
    ("(self.part - self.workers) * seconds", "0"),
    ("if part < wants else 0.0", "if False else 0.0"),
    ("account.used_within(max(account.hold, seen), now)", "account.used_within(seen, now)"),
    ("account.used_within(max(account.hold, seen), now)", "account.used_within(account.hold, now)"),
    ("need.starting > 0 or now < account.given_at + pace.SLICE", "need.starting > 0"),
    ("need.starting > 0 or now < account.given_at + pace.SLICE", "now < account.given_at + 2"),
    ("(not is_kept, -account.lag, not has_it, -need.age)", "(-account.lag, not has_it, -need.age)"),
    ("(not is_kept, -account.lag, not has_it, -need.age)", "(not is_kept, not has_it, -need.age)"),
    ("used_within(pace.LINGER, now)", "used_within(0.0, now)"),
    ("used_within(pace.LINGER, now)", "used_within(1e9, now)"),
    ("key=lambda i: -self._accounts[i].last_use(allotted[i])", "key=lambda i: i"),
    (
        "more = int(max(0, min(kept - allotted[i], spare)))",
        "more = int(max(0, kept - allotted[i]))",
    ),
    ("level * need.share", "level"),
    ("account.taken_at = now", "pass"),
    ("if need.wanted < need.workers > number:", "if need.workers > number:"),
]


@pytest.mark.parametrize(("text", "instead"), MUTANTS)
def test_change_of_a_decision_is_noticed(
    monkeypatch: pytest.MonkeyPatch, text: str, instead: str
) -> None:
    mutant = changed(budget_module, text, instead)
    monkeypatch.setitem(globals(), "Budget", mutant["Budget"])
    monkeypatch.setitem(globals(), "Need", mutant["Need"])
    check: Callable[[], None] = workers_are_allotted_rightly
    with pytest.raises((AssertionError, IndexError)):
        check()
