"""How often somebody may try to log in, whatever they do about it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from woodenwaiter import pace
from woodenwaiter.web.attempts import TRIES, TRIES_AS, TRIES_FROM, Attempts


def tried(attempts: Attempts, address: str, user: str, now: float, times: int) -> int:
    """How many of so many were allowed."""
    return sum(attempts.begin(address, user, now) == 0 for _ in range(times))


def test_a_user_from_an_address() -> None:
    attempts = Attempts()
    assert tried(attempts, "10.0.0.1", "anna", 0, 100) == TRIES
    assert attempts.begin("10.0.0.1", "anna", 1) == pace.LOGIN_AGAIN - 1
    assert attempts.begin("10.0.0.1", "anna", pace.LOGIN_AGAIN) == 0
    assert attempts.begin("10.0.0.1", "anna", pace.LOGIN_AGAIN) == pace.LOGIN_AGAIN
    assert attempts.begin("10.0.0.1", "berta", 1) == attempts.begin("10.0.0.2", "anna", 1) == 0


def test_an_address_with_many_names() -> None:
    attempts = Attempts()
    allowed = sum(attempts.begin("10.0.0.1", f"user{n}", 0) == 0 for n in range(1000))
    assert allowed == TRIES_FROM
    assert attempts.begin("10.0.0.1", "another", 0) == pace.LOGIN_FROM_AGAIN
    assert attempts.begin("10.0.0.1", "another", pace.LOGIN_FROM_AGAIN) == 0


def test_a_user_from_many_addresses() -> None:
    attempts = Attempts()
    allowed = sum(attempts.begin(f"10.0.{n // 250}.{n % 250}", "anna", 0) == 0 for n in range(1000))
    assert allowed == TRIES_AS


def test_addresses_that_one_has_in_plenty_are_one() -> None:
    attempts = Attempts()
    allowed = sum(attempts.begin(f"2001:db8::{n:x}", "anna", 0) == 0 for n in range(1000))
    assert allowed == TRIES
    assert attempts.begin("2001:db8:0:1::1", "anna", 0) == 0
    assert (
        tried(attempts, "10.0.0.1", "anna", 0, 3) + tried(attempts, "::ffff:10.0.0.1", "anna", 0, 3)
        == TRIES
    )


def test_who_knows_the_password_need_not_wait() -> None:
    attempts = Attempts()
    for now in range(1000):
        assert attempts.begin("10.0.0.1", "anna", now / 1000) == 0
        attempts.succeeded("10.0.0.1", "anna", now / 1000)
    assert len(attempts) == 0


def test_a_success_makes_up_for_no_other_failure() -> None:
    attempts = Attempts()
    for _ in range(1000):
        if attempts.begin("10.0.0.1", "mallory", 0) == 0:
            attempts.succeeded("10.0.0.1", "mallory", 0)
        attempts.begin("10.0.0.1", "anna", 0)
    assert attempts.begin("10.0.0.1", "anna", 0) > 0


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.text(max_size=3), st.text(max_size=3), st.booleans()),
        max_size=300,
    )
)
def test_memory_is_bounded_and_nobody_waits_for_long(
    tries: list[tuple[float, str, str, bool]],
) -> None:
    attempts, now = Attempts(most=20), 0.0
    for later, address, user, knows in tries:
        now += later
        wait = attempts.begin(address, user, now)
        assert 0 <= wait <= pace.LOGIN_AGAIN
        if wait == 0 and knows:
            attempts.succeeded(address, user, now)
        assert len(attempts) <= 20


def test_names_of_any_length() -> None:
    attempts = Attempts()
    assert tried(attempts, "10.0.0.1", "a" * 10**6, 0, 10) == TRIES
    assert max(len(part) for key in attempts._clear_at for part in key) <= 100
