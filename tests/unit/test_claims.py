"""What a worker decides about its claims, one step at a time.

That these decisions are safe in whatever order things happen is shown by
``tests/protocol/test_interleavings.py``, which drives the same class.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter.pace import AHEAD, CLAIM_AGAIN, LONG, PATIENCE
from woodenwaiter.protocol.entry import Entry
from woodenwaiter.protocol.tokens import Tokens
from woodenwaiter.worker.claims import (
    MOST_AHEAD,
    Claim,
    Claims,
    Deed,
    Enroll,
    Fail,
    Release,
    Step,
    next_want,
)

PLAIN = [b'{"n": %d}' % n for n in range(300)]
REDELIVERED = Entry(b"{}", id="w/1", deliveries=1, first_failed=1.0, reason="failed").dump()


def enrolled(**given: Any) -> Claims:
    claims = Claims(lambda generation: f"w{generation}", **given)
    assert step(claims) == enroll("w0", claims.completed)
    claims.enrolled()
    return claims


def step(claims: Claims, now: float = 0.0, *, quiet: bool = False, leaving: bool = False) -> Step:
    """What it does next; its tokens are another matter."""
    found = claims.next(now, quiet=quiet, leaving=leaving)
    if isinstance(found, Enroll):
        return found._replace(token=0)
    if isinstance(found, Release):
        return found._replace(known=0)
    return found if isinstance(found, Deed) else found._replace(tokens=NONE)


NONE = Tokens(0, 0)


def enroll(owner: str, completed: int) -> Enroll:
    return Enroll(owner, completed, 0)


def claim(owner: str, completed: int, want: int, *, waits: bool) -> Claim:
    return Claim(owner, completed, want, NONE, waits)


def fail(owner: str, seq: int, verdict: str) -> Fail:
    return Fail(owner, seq, verdict, NONE)


def release(owner: str, completed: int, verdict: str | None = None) -> Release:
    return Release(owner, completed, 0, verdict)


def run(claims: Claims, tasks: int, now: float = 0.0, each: float = 0.0) -> float:
    """Run so many of what was claimed; returns when the last ended."""
    for _ in range(tasks):
        assert step(claims, now) is Deed.RUN
        assert claims.begin() is not None
        now += each
        claims.finish(now, signalled=False)
    return now


def test_claims_one_then_twice_as_many_each_time() -> None:
    claims, wants = enrolled(), []
    for _ in range(10):
        asked = step(claims)
        assert isinstance(asked, Claim)
        wants.append(asked.want)
        claims.claimed(PLAIN[: asked.want], 0.0)
        run(claims, asked.want)
    assert wants == [1, 2, 4, 8, 16, 32, 64, 128, 256, 256]
    assert claims.completed == sum(wants)


def test_stands_on_the_token_of_the_last_request_that_was_answered() -> None:
    claims = enrolled()
    assert claims.token == 1
    for tried in (2, 3, 4):
        asked = claims.next(0.0, quiet=False, leaving=False)
        assert isinstance(asked, Claim)
        assert asked.tokens == Tokens(known=1, fresh=tried)
        claims.unheard(asked)
    claims.interrupted()
    claims.claimed(PLAIN[:1], 0.0)
    assert claims.token == 6
    claims.begin()
    claims.failed("verdict")
    assert claims.next(0.0, quiet=False, leaving=False) == Fail("w0", 1, "verdict", Tokens(6, 7))
    claims.told(0.0, signalled=False)
    assert (claims.token, claims.completed) == (7, 1)
    assert claims.next(0.0, quiet=True, leaving=False) == Release("w0", 1, known=7)


def test_failure_that_is_refused_is_settled_by_no_server() -> None:
    """The token of the request that was refused is known to none."""
    claims = enrolled()
    claims.claimed(PLAIN[:3], 0.0)
    claims.begin()
    claims.failed("verdict")
    claims.refused(0.0)
    assert claims.next(0.0, quiet=False, leaving=True) == Release("w0", 1, known=3)
    assert step(claims) == claim("w0", 1, 2, waits=False), "it holds nothing that it would run"


def test_counts_go_on_in_the_next_claim() -> None:
    claims = enrolled()
    claims.claimed(PLAIN[:3], 0.0)
    run(claims, 3)
    assert step(claims) == claim("w0", 3, 2, waits=False)


def test_waits_after_a_claim_in_vain_and_sleeps_after_two() -> None:
    claims = enrolled()
    claims.claimed([], 0.0)
    assert step(claims) == claim("w0", 0, 1, waits=True)
    claims.claimed([], 0.0)
    assert step(claims) is Deed.WAIT
    assert step(claims, CLAIM_AGAIN - 1) is Deed.WAIT
    assert step(claims, CLAIM_AGAIN) == claim("w0", 0, 1, waits=True), "a server may forget it"


def test_claims_at_once_when_the_bell_rings_and_sleeps_on_if_others_were_faster() -> None:
    claims = enrolled()
    for _ in range(2):
        claims.claimed([], 0.0)
    claims.rang()
    assert step(claims) == claim("w0", 0, 1, waits=False)
    claims.claimed([], 0.0)
    assert step(claims) is Deed.WAIT


def test_does_not_wait_for_what_has_rung_however_late_it_is() -> None:
    claims = enrolled()
    for _ in range(2):
        claims.claimed([], 0.0)
    claims.rang()
    assert step(claims, 2 * CLAIM_AGAIN) == claim("w0", 0, 1, waits=False)


@pytest.mark.parametrize("what", ["interrupted", "unheard"])
def test_asks_at_once_after_a_wait_without_an_answer(what: str) -> None:
    """It may have been given something all the same."""
    claims = enrolled()
    for _ in range(2):
        claims.claimed([], 0.0)
    if what == "interrupted":
        claims.interrupted()
    else:
        claims.unheard(Deed.WAIT)
    assert step(claims) == claim("w0", 0, 1, waits=False)


@pytest.mark.parametrize(
    ("seconds", "lets_go"), [(0.9 * LONG, False), (LONG, True)], ids=["fast", "long"]
)
def test_lets_go_of_the_rest_after_a_long_task(seconds: float, lets_go: bool) -> None:
    claims = enrolled()
    claims.claimed(PLAIN[:3], 0.0)
    run(claims, 1, each=seconds)
    assert (step(claims) is not Deed.RUN) == lets_go


def test_lets_go_of_the_rest_after_some_time() -> None:
    claims = enrolled()
    claims.claimed(PLAIN[:100], 0.0)
    now = 0.0
    while step(claims, now) is Deed.RUN:
        now = run(claims, 1, now, each=LONG / 2)
    assert now == pytest.approx(PATIENCE, abs=LONG / 2)


def test_lets_go_of_the_rest_when_a_signal_came() -> None:
    claims = enrolled()
    claims.claimed(PLAIN[:3], 0.0)
    assert claims.begin() == PLAIN[0]
    claims.finish(0.0, signalled=True)
    assert step(claims, leaving=True) == release("w0", 1)


def test_time_of_a_task_begins_where_the_one_before_it_ended() -> None:
    claims = enrolled()
    claims.claimed(PLAIN[:4], 0.0)
    now = run(claims, 2, each=0.6 * LONG)
    assert step(claims, now) is Deed.RUN, "neither of the two was long"


def test_redelivered_entry_runs_with_nothing_before_it_and_nothing_behind() -> None:
    claims = enrolled()
    claims.claimed([PLAIN[0], REDELIVERED, PLAIN[1]], 0.0)
    run(claims, 1)
    assert claims.begin() is None, "what ran before it is to be settled first"
    assert step(claims) == claim("w0", 1, 1, waits=False)
    claims.claimed([REDELIVERED, PLAIN[1]], 0.0)
    assert claims.begin() is None, "what is behind it is to go back first"
    assert step(claims) == claim("w0", 1, 1, waits=False)
    claims.claimed([REDELIVERED], 0.0)
    run(claims, 1)
    assert step(claims) == claim("w0", 2, 1, waits=False), "it is settled before another begins"


def test_what_was_begun_and_not_ended_is_asked_for_again() -> None:
    """Something went wrong beside the handler: nothing may take the place of what was not run."""
    claims = enrolled()
    claims.claimed(PLAIN[:3], 0.0)
    run(claims, 1)
    claims.begin()
    claims.unheard(Deed.RUN)
    assert step(claims) == claim("w0", 1, 1, waits=False)


def test_failure_is_told_though_what_else_was_claimed_is_forgotten() -> None:
    claims = enrolled()
    claims.claimed(PLAIN[:3], 0.0)
    claims.begin()
    claims.failed("verdict")
    claims.unheard(Deed.RUN)
    assert step(claims) == fail("w0", 1, "verdict")
    claims.told(0.0, signalled=False)
    assert step(claims) == claim("w0", 1, 1, waits=False)


def test_failure_is_told_before_anything_else_runs() -> None:
    claims = enrolled()
    claims.claimed(PLAIN[:3], 0.0)
    run(claims, 1)
    claims.begin()
    claims.failed("verdict")
    told = fail("w0", 2, "verdict")
    assert step(claims) == told
    claims.unheard(told)
    assert step(claims) == told, "again and again"
    assert step(claims, quiet=True) == told, "also when told to be quiet"
    claims.told(0.0, signalled=False)
    assert (claims.completed, step(claims)) == (2, Deed.RUN)


def test_failure_goes_with_the_release_of_one_that_leaves() -> None:
    claims = enrolled()
    claims.claimed(PLAIN[:3], 0.0)
    claims.begin()
    claims.failed("verdict")
    assert step(claims, leaving=True) == release("w0", 0, "verdict")


def test_starts_over_as_another_owner_without_its_lease() -> None:
    claims = enrolled()
    claims.claimed(PLAIN[:1], 0.0)
    run(claims, 1)
    claims.lost()
    assert step(claims, leaving=True) == release("w0", 1), "for claims whose count was deleted"
    claims.released()
    assert step(claims) == enroll("w1", 1)


def test_former_owner_is_released_once_heard_or_not() -> None:
    claims = enrolled()
    claims.lost()
    claims.unheard(step(claims))
    assert step(claims) == enroll("w1", 0)


def test_enrolls_under_another_name_at_each_attempt() -> None:
    claims = Claims(lambda generation: f"w{generation}")
    for generation in range(3):
        assert step(claims) == enroll(f"w{generation}", 0)
        claims.unheard(step(claims))
    assert claims.generation == 3


def test_gives_back_what_it_claimed_when_told_to_be_quiet() -> None:
    claims = enrolled()
    claims.claimed(PLAIN[:3], 0.0)
    asked = step(claims, quiet=True)
    assert asked == release("w0", 0)
    claims.unheard(asked)
    assert step(claims) == asked, "it must be heard, though it may go on"
    claims.released()
    assert step(claims, quiet=True) is Deed.REST
    assert step(claims) == enroll("w1", 0)


def test_leaves_after_one_attempt_to_release() -> None:
    for heard in (True, False):
        claims = enrolled()
        asked = step(claims, leaving=True)
        if heard:
            claims.released()
        else:
            claims.unheard(asked)
        assert step(claims, leaving=True) is Deed.LEAVE
        assert claims.generation == heard, "the housekeeper finds it under the name it had"


def test_leaves_after_one_attempt_though_it_was_to_be_quiet() -> None:
    claims = enrolled()
    claims.unheard(step(claims, quiet=True))
    claims.unheard(step(claims, quiet=True, leaving=True))
    assert step(claims, quiet=True, leaving=True) is Deed.LEAVE


def test_runs_no_more_than_it_may() -> None:
    claims = enrolled(most=3)
    claims.claimed(PLAIN[:1], 0.0)
    assert not claims.is_last_batch
    run(claims, 1)
    assert step(claims) == claim("w0", 1, 2, waits=False), "and claims no more either"
    claims.claimed(PLAIN[:2], 0.0)
    assert claims.is_last_batch
    run(claims, 2)
    assert claims.is_spent
    assert step(claims) == release("w0", 3)


@pytest.mark.parametrize(
    ("seconds_a_task", "want"),
    [(0.0, 256), (0.0001, 256), (0.001, 100), (0.009, 11), (0.011, 1), (0.5, 1)],
)
def test_as_many_as_fit(seconds_a_task: float, want: int) -> None:
    assert next_want(MOST_AHEAD, 1000, 1000 * seconds_a_task) == pytest.approx(want, abs=1)


def test_grows_step_by_step() -> None:
    assert [next_want(want, want, 0.0) for want in (1, 2, 100, 200)] == [2, 4, 200, 256]


def test_tasks_that_take_long_are_claimed_one_by_one() -> None:
    assert next_want(MOST_AHEAD, 3, 3 * LONG) == 1


@given(
    st.integers(1, MOST_AHEAD),
    st.integers(1, MOST_AHEAD),
    st.floats(0, 1e6, allow_subnormal=True),
)
def test_is_never_too_many(want: int, tasks: int, seconds: float) -> None:
    following = next_want(want, tasks, seconds)
    assert 1 <= following <= min(2 * want, MOST_AHEAD)
    assert following == 1 or following * seconds / tasks <= AHEAD * (1 + 1e-9)
