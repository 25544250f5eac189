"""What tasks cost."""

from __future__ import annotations

import time

import pytest

from woodenwaiter import pace
from woodenwaiter.processes.diary import DIARY_BYTES, Diary
from woodenwaiter.processes.usage import Cost, Reading
from woodenwaiter.worker.meter import Meter


@pytest.fixture
def diary() -> Diary:
    return Diary(memoryview(bytearray(DIARY_BYTES)))


def burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_cpu_of_a_task_is_its_own(diary: Diary) -> None:
    meter = Meter(diary, slow=0)
    burn(0.2)
    began = time.monotonic()
    meter.resume(began)
    burn(0.1)
    cost = meter.measure(began, time.monotonic())
    assert cost
    assert 0.1 <= cost.cpu_seconds < 0.15
    assert cost.seconds >= 0.1


def test_cpu_of_short_tasks_is_not_charged_to_the_long_one_after_them(diary: Diary) -> None:
    """Though all were claimed together, and none of them was measured by itself."""
    meter = Meter(diary, slow=0)
    now = time.monotonic()
    meter.resume(now)
    for _ in range(200):
        burn(pace.COUNTED / 10)
        began, now = now, time.monotonic()
        if now >= meter.due:
            meter.measure(began, now)
    before = time.process_time()
    burn(0.02)
    used = time.process_time() - before
    cost = meter.measure(now, time.monotonic())
    assert cost
    assert used <= cost.cpu_seconds < used + 2 * pace.COUNTED


def test_busy_time_is_that_of_tasks_alone(diary: Diary) -> None:
    meter = Meter(diary, None)
    for start in (100.0, 200.0):
        meter.resume(start)
        meter.measure(start, start + 3)
        meter.pause(start + 3.0005)
    assert diary.effort.busy == pytest.approx(6.001)
    assert diary.effort.cpu <= time.process_time() + Reading.now().cpu


@pytest.mark.parametrize(
    ("slow", "took", "told"), [(2, 2, True), (2, 1, False), (0, 0.0001, False)]
)
def test_only_slow_tasks_are_to_be_told_of(
    diary: Diary, slow: float, took: float, told: bool
) -> None:
    meter = Meter(diary, slow)
    meter.resume(100.0)
    assert bool(meter.measure(100.0, 100.0 + took)) == told
    assert meter.due == 100.0 + took + pace.COUNTED


def test_none_is_told_of_unless_asked_for(diary: Diary) -> None:
    meter = Meter(diary, None)
    meter.resume(100.0)
    assert meter.measure(100.0, 10**8) is None


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (Cost(12.34, 11.9, 34 << 20), "12.3 s, 11.9 s of CPU, +34 MiB"),
        (Cost(1.0, 0.0004, 0), "1.0 s, 0.000 s of CPU, +0 MiB"),
    ],
)
def test_cost_in_words(cost: Cost, text: str) -> None:
    assert str(cost) == text
