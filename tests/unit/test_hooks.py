"""What hooks are given, and which are to be called."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path
from typing import Any

import pytest

from woodenwaiter import Mishap, WoodenCustomer, WoodenManager, WoodenWaiter, WrongType
from woodenwaiter.hooks import Hooks, mishap_of
from woodenwaiter.protocol.entry import Entry
from woodenwaiter.protocol.verdict import Failure, Policy, Setback, judge

from ..support import run


def hear(mishap: Mishap) -> None:
    pass


async def hear_later(mishap: Mishap) -> None:
    pass


def setback(raw: bytes, most: int = 5, error: BaseException | None = None) -> Setback:
    failure = Failure("it failed", "ValueError: no", "Traceback …", worker_pid=7)
    return Setback("t:d", failure, judge(raw, "w/1", failure, Policy(most), "w"), error)


def test_delivery_that_failed() -> None:
    error = ValueError("no")
    mishap = mishap_of(setback(Entry(b'{"n": 1}', "first", 2, 1.0, "earlier").dump(), error=error))
    assert (mishap.queue, mishap.cause, mishap.worker_pid) == ("t:d", "it failed", 7)
    assert (mishap.task, mishap.delivery, mishap.dead) == ("first", 3, False)
    assert (mishap.payload, mishap.foods) == (b'{"n": 1}', {"n": 1})
    assert (mishap.error, mishap.error_type) == ("ValueError: no", "ValueError")
    assert mishap.traceback == "Traceback …"
    assert mishap.exception is error


@pytest.mark.parametrize("raw", [b"[]", b"\xff", b'{"n": ', b"\x1e{}\n{}"])
def test_payload_that_is_no_object_has_no_foods(raw: bytes) -> None:
    mishap = mishap_of(setback(raw))
    assert mishap.foods is None
    assert mishap.payload == raw


def test_who_is_to_hear() -> None:
    everything = Hooks(hear, hear, hear)
    assert list(everything.of(mishap_of(setback(b"{}")))) == ["on_failure"]
    assert list(everything.of(mishap_of(setback(b"{}", most=1)))) == ["on_failure", "on_dead"]
    assert list(everything.of(Mishap("t:d", "it died"))) == ["on_worker_death"]
    assert Hooks(on_dead=hear).of(mishap_of(setback(b"{}"))) == {}
    assert everything
    assert not Hooks()


@pytest.mark.parametrize("name", ["on_failure", "on_dead", "on_worker_death"])
@pytest.mark.parametrize("wrong", [hear_later, functools.partial(hear_later), 1, lambda: None])
def test_what_is_no_hook_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(WrongType, match=name):
        WoodenManager(**{name: wrong})


def test_customers_have_their_managers_hooks() -> None:
    manager = WoodenManager(on_dead=hear)
    customer = WoodenCustomer("t", "d", WoodenWaiter(), print)
    assert not customer.consumer.hooks
    manager.add_customer(customer)
    assert customer.consumer.hooks == Hooks(on_dead=hear)


CALLS = """
import os, signal, sys, time
from woodenwaiter.hooks import Hooks, Mishap
from woodenwaiter.housekeeper import calls
from woodenwaiter.logs import configure
from woodenwaiter.processes.signals import SignalInbox

configure("info", "text")
inbox = SignalInbox((signal.SIGWINCH,))

def hear(mishap):
    action = int(signal.getsignal(signal.SIGWINCH))
    print(mishap.cause, os.getpid() != PARENT, action, flush=True)
    if mishap.cause == "hangs":
        time.sleep(300)
    if mishap.cause == "closes":
        os.closerange(3, 100)
        time.sleep(1)

PARENT = os.getpid()
made = calls.Calls(Hooks(on_worker_death=hear), inbox)
"""


def test_calls_are_made_one_by_one_in_processes_of_their_own(tmp_path: Path) -> None:
    body = """
for n in range(3):
    made.hear(Mishap("t:d", str(n)))
while made.are_left:
    made.look(time.monotonic())
    inbox.wait(made.descriptors, 0.1)
made.end()
"""
    result = run(tmp_path, "-c", CALLS + body)
    assert result.stderr == ""
    assert result.stdout.splitlines() == [f"{n} True 0" for n in range(3)]


def test_nobody_spins_while_a_call_has_closed_all_that_it_has(tmp_path: Path) -> None:
    body = """
made.hear(Mishap("t:d", "closes"))
looks = 0
while made.are_left:
    made.look(time.monotonic())
    looks += 1
    inbox.wait(made.descriptors, 0.1)
assert looks < 20, looks
"""
    result = run(tmp_path, "-c", CALLS + body)
    assert result.stderr == ""


def test_calls_that_are_too_many_or_too_late_are_dropped_and_counted(tmp_path: Path) -> None:
    body = """
calls.MOST_WAITING = 2
for n in range(5):
    made.hear(Mishap("t:d", "hangs"))
made.look(time.monotonic())
made.end()
"""
    result = run(tmp_path, "-c", CALLS + body)
    assert "dropped or cut off: 5" in result.stderr


def test_hook_that_cannot_be_interrupted_is_killed_by_who_waits(tmp_path: Path) -> None:
    body = """
made.hear(Mishap("t:d", "hangs"))
made.look(time.monotonic())
assert made.are_left
made.look(time.monotonic() + 60)
while made.are_left:
    made.look(time.monotonic())
"""
    result = run(tmp_path, "-c", CALLS + body)
    assert "on_worker_death fails: it goes on after TaskTimeout, and is killed" in result.stderr


def test_mishap_without_its_exception_can_be_sent_elsewhere() -> None:
    mishap = mishap_of(setback(b"{}"))
    assert pickle.loads(pickle.dumps(mishap)) == mishap
