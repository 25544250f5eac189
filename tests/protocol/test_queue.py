"""The delivery protocol, each of its steps through the real scripts."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from woodenwaiter import pace
from woodenwaiter.errors import LeaseLost
from woodenwaiter.protocol import queue as queue_module
from woodenwaiter.protocol import scripts, tending
from woodenwaiter.protocol import stranded as stranded_module
from woodenwaiter.protocol.entry import load
from woodenwaiter.protocol.keys import hash_tag, key_prefix
from woodenwaiter.protocol.letters import extent_of
from woodenwaiter.protocol.link import Interrupted, Link
from woodenwaiter.protocol.queue import (
    ENOUGH_BYTES,
    Queue,
    registered,
)
from woodenwaiter.protocol.scripts import Script
from woodenwaiter.protocol.tending import Tended, tend_together
from woodenwaiter.protocol.tokens import Tokens
from woodenwaiter.protocol.verdict import DeadLetter, Failure, Policy, Redeliver, judge

from ..counting import CountingQueue
from ..support import Server, eventually

ARRIVALS, DELAYED, DEAD = "{t:d}:arrivals", "{t:d}:delayed", "{t:d}:dead"
CLOCK, TALLY = "{t:d}:clock", "{t:d}:tally"
RETRY = b"\x1e{}\n"
SETTLED, LEASES, CLAIMS = "{t:d}:settled", "{t:d}:leases", "{t:d}:claims:a"
AGAIN = Redeliver(1, b"again", 30, "")
LETTER = DeadLetter(0, {"reason": b"because"}, "")


def push(client: Any, *entries: bytes, key: str = "t:d") -> None:
    """The oldest first."""
    client.lpush(key, *entries)


def held(client: Any, key: str = "t:d") -> list[bytes]:
    """What is in a list, the oldest first."""
    entries: list[bytes] = client.lrange(key, 0, -1)
    return entries[::-1]


def payloads(client: Any) -> list[bytes]:
    """Of what waits, the oldest first."""
    return [load(entry).payload for entry in held(client)]


def lapse(client: Any, *owners: str) -> None:
    for owner in owners:
        client.zadd(LEASES, {owner: 1})


@pytest.fixture
def holding(queue: CountingQueue, client: Any) -> CountingQueue:
    """Owner ``a`` holds 1, 2 and 3; 4 and 5 wait."""
    push(client, b"1", b"2", b"3", b"4", b"5")
    queue.enroll("a", 0)
    assert queue.claim("a", 0, 3) == [b"1", b"2", b"3"]
    return queue


# Claiming.


def settled(client: Any) -> int:
    """How many of a's claims are; the token beside it is another matter."""
    return int(client.hget(SETTLED, "a").split()[0])


def test_claims_are_the_oldest_and_numbered_from_where_the_owner_says(
    queue: CountingQueue, client: Any
) -> None:
    push(client, b"1", b"2", b"3")
    queue.enroll("a", 10)
    assert queue.claim("a", 10, 2) == [b"1", b"2"]
    assert queue.claim("a", 11, 2) == [b"2"]
    assert queue.claim("a", 12, 2) == [b"3"]
    assert queue.claim("a", 13, 2) == []
    assert settled(client) == 13


def test_claim_may_be_sent_again(holding: CountingQueue, client: Any) -> None:
    assert holding.claim("a", 0, 3) == [b"1", b"2", b"3"]
    assert holding.claim("a", 3, 2) == holding.claim("a", 3, 2) == [b"4", b"5"]
    assert held(client) == []


def test_late_claim_does_nothing(holding: CountingQueue, client: Any) -> None:
    assert holding.claim("a", 2, 3) == [b"3"]
    lapse(client, "a")
    assert holding.claim("a", 1, 1, Tokens(1, 2)) == []
    assert held(client, CLAIMS) == [b"3"]
    assert held(client) == [b"4", b"5"]
    assert [*holding.expired()] == ["a"]


def test_owner_has_a_lease_from_the_start(queue: CountingQueue, client: Any) -> None:
    queue.enroll("a", 0)
    assert abs(client.zscore(LEASES, "a") / 1000 - time.time() - 30) < 15


def test_enrolling_again_changes_nothing(holding: CountingQueue) -> None:
    holding.claim("a", 2, 3)
    Queue.enroll(holding, "a", 0, token=1)
    assert holding.claim("a", 2, 3) == [b"3"]


def test_what_is_held_beyond_the_wish_goes_back_in_order(
    holding: CountingQueue, client: Any
) -> None:
    assert holding.claim("a", 0, 1) == [b"1"]
    assert held(client) == [b"2", b"3", b"4", b"5"]
    assert held(client, CLAIMS) == [b"1"]


def test_owners_share_without_overlap(holding: CountingQueue) -> None:
    holding.enroll("b", 0)
    assert holding.claim("b", 0, 5) == [b"4"], "half of what waits"
    assert holding.claim("b", 1, 5) == [b"5"]
    assert holding.claim("a", 3, 5) == []


def test_large_entries_are_noticed_before_many_are_taken(queue: CountingQueue, client: Any) -> None:
    large = b"x" * (ENOUGH_BYTES // 2 + 1)
    push(client, *[large] * 10)
    queue.enroll("a", 0)
    assert len(queue.claim("a", 0, 256)) == 3  # one, then as many again and one


def test_many_small_entries_are_taken_at_once(queue: CountingQueue, client: Any) -> None:
    numbers = [b"%d" % n for n in range(5000)]
    push(client, *numbers)
    queue.enroll("a", 0)
    assert queue.claim("a", 0, 4000) == numbers[:4000]
    assert held(client) == numbers[4000:]


def test_arrivals_come_first(queue: CountingQueue, client: Any) -> None:
    push(client, b"3", b"4")
    push(client, b"1", b"2", key=ARRIVALS)
    queue.enroll("a", 0)
    assert queue.claim("a", 0, 3) == [b"1", b"2", b"3"]


def test_every_step_of_an_unknown_owner_is_refused(queue: CountingQueue, client: Any) -> None:
    push(client, b"1")
    steps: list[Callable[[], object]] = [
        lambda: queue.claim("a", 0, 1),
        lambda: queue.wait_and_claim("a", 0, 1, 0.01, _patient),
        lambda: queue.fail("a", 1, AGAIN),
        lambda: queue.fail("a", 1, LETTER),
    ]
    for step in steps:
        with pytest.raises(LeaseLost):
            step()
    assert held(client) + held(client, ARRIVALS) == [b"1"]
    assert not client.exists(LEASES, SETTLED, DELAYED, DEAD)


# Waiting.


def _patient(fd: int, seconds: float) -> bool:
    """The socket's own timeout does the waiting."""
    return True


def test_waits_for_a_push(queue: CountingQueue, client: Any) -> None:
    queue.enroll("a", 0)
    timer = threading.Timer(0.1, push, (client, b"1"))
    timer.start()
    assert queue.wait_and_claim("a", 0, 1, 8, _patient) == [b"1"]
    timer.join()
    assert held(client, CLAIMS) == [b"1"]
    assert not client.exists("t:d", ARRIVALS)


def test_wait_comes_to_an_end(queue: CountingQueue) -> None:
    queue.enroll("a", 0)
    began = time.monotonic()
    assert queue.wait_and_claim("a", 0, 1, 0.2, _patient) == []
    assert time.monotonic() - began >= 0.19


def test_wait_settles_and_takes_more_than_what_rang(holding: CountingQueue, client: Any) -> None:
    assert holding.wait_and_claim("a", 3, 9, 8, _patient) == [b"4", b"5"]
    assert held(client, CLAIMS) == [b"4", b"5"]


def test_wait_works_on_a_server_that_forgot_the_scripts(queue: CountingQueue, client: Any) -> None:
    queue.enroll("a", 0)
    push(client, b"1", b"2")
    client.script_flush()
    assert queue.wait_and_claim("a", 0, 2, 8, _patient) == [b"1", b"2"]


def test_interrupted_wait_moves_nothing_any_more(queue: CountingQueue, client: Any) -> None:
    queue.enroll("a", 0)

    def give_up(fd: int, seconds: float) -> bool:
        return not eventually(lambda: client.info("clients")["blocked_clients"])

    with pytest.raises(Interrupted):
        queue.wait_and_claim("a", 0, 1, 100, give_up)
    eventually(lambda: not client.info("clients")["blocked_clients"])
    push(client, b"1")
    assert held(client) == [b"1"]
    assert queue.claim("a", 0, 1) == [b"1"]


def test_mere_waiting_tells_whether_there_is_something_to_claim(
    queue: CountingQueue, client: Any
) -> None:
    assert not queue.wait(0.05, _patient)
    push(client, b"1", b"2")
    assert queue.wait(8, _patient)
    queue.enroll("a", 0)
    assert queue.claim("a", 0, 2) == [b"1", b"2"]
    with pytest.raises(Interrupted):
        queue.wait(8, lambda fd, seconds: False)


# Failing.


def test_failed_claim_is_delayed(holding: CountingQueue, client: Any) -> None:
    holding.fail("a", 1, AGAIN)
    [(entry, due)] = client.zrange(DELAYED, 0, -1, withscores=True)
    assert entry == b"again"
    assert abs(due / 1000 - time.time() - 30) < 15
    assert holding.claim("a", 1, 3) == [b"2", b"3"]


def test_failed_claim_is_buried(holding: CountingQueue, client: Any) -> None:
    holding.fail("a", 1, LETTER)
    [(_, fields)] = client.xrange(DEAD)
    assert fields == {b"payload": b"1", b"reason": b"because"}
    assert holding.claim("a", 1, 3) == [b"2", b"3"]


@pytest.mark.parametrize("verdict", [AGAIN, LETTER])
def test_failure_may_be_reported_again(
    holding: CountingQueue, client: Any, verdict: Redeliver | DeadLetter
) -> None:
    for _ in range(3):
        holding.fail("a", 1, verdict)
    assert client.zcard(DELAYED) + client.xlen(DEAD) == 1
    assert held(client, CLAIMS) == [b"2", b"3"]


def test_failure_settles_what_ran_before(holding: CountingQueue, client: Any) -> None:
    holding.fail("a", 3, AGAIN)
    assert held(client, CLAIMS) == []
    assert settled(client) == 3
    assert client.zrange(DELAYED, 0, -1) == [b"again"]


def test_late_failure_of_a_settled_claim_does_nothing(holding: CountingQueue, client: Any) -> None:
    holding.claim("a", 2, 3)
    holding.fail("a", 2, AGAIN)
    holding.fail("a", 1, LETTER)
    assert held(client, CLAIMS) == [b"3"]
    assert not client.exists(DELAYED, DEAD)


def test_same_bytes_delayed_twice_are_two_tasks(holding: CountingQueue, client: Any) -> None:
    holding.fail("a", 1, AGAIN)
    holding.fail("a", 2, AGAIN)
    assert client.zrange(DELAYED, 0, -1) + held(client) == [b"again", b"4", b"5", b"again"]


@pytest.mark.parametrize(("key", "verdict"), [(DELAYED, AGAIN), (DEAD, LETTER)])
def test_nothing_is_lost_where_it_cannot_go(
    holding: CountingQueue, client: Any, key: str, verdict: Redeliver | DeadLetter
) -> None:
    client.set(key, "in the way")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        holding.fail("a", 1, verdict)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        holding.release("a", 0, verdict)
    assert held(client, CLAIMS) == [b"1", b"2", b"3"]
    client.delete(key)
    holding.fail("a", 1, verdict)
    assert held(client, CLAIMS) == [b"2", b"3"]


@pytest.mark.parametrize("text", ["\ud800", "\x00", "é€🧀", "x" * 100_000])
def test_any_error_text_can_be_buried(holding: CountingQueue, client: Any, text: str) -> None:
    failure = Failure(text, text, text, final=True)
    holding.fail("a", 1, judge(b"{}", "a/1", failure, Policy(), "a"))
    [(_, fields)] = client.xrange(DEAD)
    expected = text.encode(errors="backslashreplace")
    assert fields[b"reason"] == fields[b"error"] == fields[b"traceback"] == expected


# Releasing.


def test_release_puts_back_in_order_and_forgets_the_owner(
    holding: CountingQueue, client: Any
) -> None:
    assert holding.release("a", 1) == 2
    assert held(client) == [b"2", b"3", b"4", b"5"]
    assert set(client.keys()) == {b"t:d", TALLY.encode()}
    assert holding.release("a", 1) == 0
    assert held(client) == [b"2", b"3", b"4", b"5"]


@pytest.mark.parametrize("verdict", [AGAIN, LETTER])
def test_release_with_a_verdict_on_what_was_running(
    holding: CountingQueue, client: Any, verdict: Redeliver | DeadLetter
) -> None:
    for _ in range(2):
        holding.release("a", 1, verdict)
    assert held(client) == [b"3", b"4", b"5"]
    assert client.zcard(DELAYED) + client.xlen(DEAD) == 1
    assert not client.exists(CLAIMS, SETTLED, LEASES)


def test_verdict_on_no_claim_is_void(holding: CountingQueue, client: Any) -> None:
    assert holding.release("a", 3, LETTER) == 0
    assert held(client) == [b"4", b"5"]
    assert not client.exists(DEAD)


def test_verdict_on_a_claim_that_was_settled_meanwhile_is_void(
    holding: CountingQueue, client: Any
) -> None:
    holding.claim("a", 2, 3)
    holding.release("a", 1, LETTER)
    assert held(client) == [b"3", b"4", b"5"]
    assert not client.exists(DEAD)


def test_lease_that_holds_is_respected(holding: CountingQueue, client: Any) -> None:
    assert holding.release("a", 0, LETTER, lapsed=True) is None
    assert held(client, CLAIMS) == [b"1", b"2", b"3"]
    lapse(client, "a")
    assert holding.release("a", 0, LETTER, lapsed=True) == 2
    assert payloads(client) == [b"2", b"3", b"4", b"5"]
    assert client.xlen(DEAD) == 1


@pytest.mark.parametrize("lapsed", [True, False])
def test_claims_of_an_owner_whose_count_is_gone_all_go_back(
    holding: CountingQueue, client: Any, lapsed: bool
) -> None:
    client.delete(SETTLED, LEASES)
    assert holding.release("a", 2, LETTER, lapsed=lapsed) == 3
    assert payloads(client) == [b"1", b"2", b"3", b"4", b"5"]
    assert not client.exists(DEAD)


# What a housekeeper does.


def test_give_back_keeps_only_what_is_running(holding: CountingQueue, client: Any) -> None:
    assert holding.give_back("a", 2) == 1
    assert held(client, CLAIMS) == [b"2"]
    assert held(client) == [b"3", b"4", b"5"]
    assert holding.give_back("a", 2) == 0
    assert holding.claim("a", 2, 1) == [b"3"]


def test_late_give_back_does_not_touch_later_claims(holding: CountingQueue, client: Any) -> None:
    holding.claim("a", 3, 2)
    assert [holding.give_back("a", running) for running in (1, 2, 3)] == [0, 0, 0]
    assert held(client, CLAIMS) == [b"4", b"5"]
    assert holding.give_back("unknown", 1) == 0


def test_running_is_the_oldest_claim_not_settled(holding: CountingQueue, client: Any) -> None:
    assert holding.oldest_claim("a", 0) == (0, b"1", False)
    assert holding.oldest_claim("a", 2) == (2, b"3", True)
    assert holding.oldest_claim("a", 3) == (3, None, False)
    holding.claim("a", 1, 3)
    assert holding.oldest_claim("a", 0) == (1, b"2", False)
    assert holding.oldest_claim("unknown", 4) == (4, None, False)
    assert held(client, CLAIMS) == [b"2", b"3"]


def test_renewal_is_for_owners_alone(holding: CountingQueue, client: Any) -> None:
    lapse(client, "a")
    holding.renew(["unknown", "a"])
    assert client.zrange(LEASES, 0, -1) == [b"a"]
    assert abs(client.zscore(LEASES, "a") / 1000 - time.time() - 30) < 15
    holding.renew([])


def test_claiming_renews_the_lease(holding: CountingQueue, client: Any) -> None:
    lapse(client, "a")
    holding.claim("a", 3, 1)
    assert holding.expired() == {}


def test_expired_are_those_whose_time_is_up(
    holding: CountingQueue, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding.enroll("b", 0)
    holding.enroll("c", 0)
    assert holding.expired() == {}
    lapse(client, "a", "b")
    assert [*holding.expired()] == ["a", "b"]
    monkeypatch.setattr(tending, "MOST_EXPIRED", 1)
    assert [*holding.expired()] == ["a"]


def test_owner_without_a_lease_gets_one_and_expires(client: Any, server: Server) -> None:
    queue = CountingQueue(Link(client, timeout=10), "t:d", lease=0.2)
    queue.enroll("a", 0)
    client.delete(LEASES)
    assert queue.expired() == {}
    assert client.zcard(LEASES) == 1
    eventually(lambda: [*queue.expired()] == ["a"])
    queue.link.close()


def test_lease_of_one_is_not_extended_by_the_lack_of_anothers(
    holding: CountingQueue, client: Any
) -> None:
    holding.enroll("b", 0)
    client.zrem(LEASES, "b")
    lapse(client, "a")
    assert [*holding.expired()] == ["a"]


def test_due_retries_come_to_the_front_longest_due_first(queue: CountingQueue, client: Any) -> None:
    push(client, b"new 1", b"new 2", b"new 3")
    client.zadd(DELAYED, {"second": 2, "first": 1, "later": (time.time() + 60) * 1000})
    due, seconds = queue.promote()
    assert due == 2
    assert seconds is not None
    assert 30 < seconds <= 61
    assert held(client) == [b"new 1", b"first", b"new 2", b"second", b"new 3"]
    assert client.zrange(DELAYED, 0, -1) == [b"later"]


def test_promotes_no_more_than_asked(queue: CountingQueue, client: Any) -> None:
    client.zadd(DELAYED, {"a": 1, "b": 2, "c": 3})
    assert queue.promote(most=2) == (2, 0)
    assert queue.promote(most=2) == (1, None)
    assert sorted(held(client)) == [b"a", b"b", b"c"]
    assert queue.promote() == (0, None)


def test_stranded_arrivals_wake_another_worker(queue: CountingQueue, client: Any) -> None:
    push(client, b"3")
    push(client, b"1", b"2", key=ARRIVALS)
    client.zadd(DELAYED, {"due": 1})
    queue.promote()
    assert held(client) == [b"1", b"due", b"2", b"3"]
    assert not client.exists(ARRIVALS)


def crowd(client: Any, retries: int) -> list[bytes]:
    """Retries that are due, the longest due first."""
    entries = [RETRY + b"%d" % n for n in range(retries)]
    client.zadd(DELAYED, {entry: n for n, entry in enumerate(entries)})
    return entries


def test_crowd_of_retries_takes_turns_with_what_waits(queue: CountingQueue, client: Any) -> None:
    retries = crowd(client, 4)
    push(client, b"new 1", b"new 2", b"new 3")
    assert queue.promote(most=2) == (2, 0)
    assert held(client) == [b"new 1", retries[0], b"new 2", retries[1], b"new 3"]
    for _ in range(4):
        assert queue.promote(most=2) == (0, 0), "one is still in front"
        client.rpop("t:d")
    assert queue.promote(most=2) == (2, None)
    assert held(client) == [b"new 3", *retries[2:]]


def test_retries_that_are_no_crowd_starve_nothing(queue: CountingQueue, client: Any) -> None:
    """One worker, and a retry that is due each time it has done a task."""
    push(client, b"new 1", b"new 2")
    taken = []
    for n in range(10):
        client.zadd(DELAYED, {RETRY + b"%d" % n: n})
        queue.promote()
        taken.append(client.rpop("t:d"))
    assert b"new 2" in taken


def test_crowd_of_retries_comes_where_nothing_waits(queue: CountingQueue, client: Any) -> None:
    retries = crowd(client, 3)
    queue.promote(most=2)
    assert held(client) == retries[:2]


def test_retries_that_are_due_later_hold_up_nothing(queue: CountingQueue, client: Any) -> None:
    push(client, RETRY)
    client.zadd(DELAYED, {"later": (time.time() + 60) * 1000})
    due, seconds = queue.promote()
    assert due == 0
    assert seconds is not None
    assert seconds > 30


# What a visit tells.


def test_visit_tells_who_else_may_come(holding: CountingQueue, client: Any) -> None:
    holding.enroll("b", 0)
    tended = holding.tend(["a"])
    assert tended.owners == 2
    assert abs(tended.time - present(client) / 1000) < 30


def test_queues_are_tended_together(holding: CountingQueue, client: Any) -> None:
    """What is wrong with one is wrong with that one alone; and the server may forget the script."""
    wrong, empty = (CountingQueue(holding.link, name, lease=30) for name in ("wrong", "empty"))
    client.set("{wrong}:leases", "something else")
    for _ in range(2):
        lapse(client, "a")
        visits = [queue.visit(["a"], 10) for queue in (wrong, holding, empty)]
        refused, tended, nothing = tend_together(holding.link, visits)
        assert isinstance(refused, redis.ResponseError)
        assert isinstance(tended, Tended)
        assert (tended.owners, tended.expired) == (1, {})
        assert isinstance(nothing, Tended)
        assert (nothing.owners, nothing.following) == (0, None)
        client.script_flush()
    assert client.keys("{empty}*") == []


def test_many_leases_are_extended_at_once(queue: CountingQueue, client: Any) -> None:
    owners = [f"owner{n}" for n in range(4100)]
    for owner in owners:
        client.hset(SETTLED, owner, "0 0")
    queue.tend([])
    lapse(client, *owners)
    tended = queue.tend(owners)
    assert (tended.owners, tended.expired) == (4100, {})


# The server's clock: where it steps, all that is stored is early or late by as much.


def present(client: Any) -> float:
    """The server's time, in ms."""
    seconds, microseconds = client.time()
    return float(seconds * 1000 + microseconds / 1000)


def remaining(client: Any, key: str, member: str) -> float:
    """The seconds until its time."""
    return float(client.zscore(key, member) - present(client)) / 1000


def step_back(client: Any, seconds: float) -> None:
    """Let the clock be as many seconds behind what it was."""
    for key in (LEASES, DELAYED):
        later = {
            m: score + seconds * 1000 for m, score in client.zrange(key, 0, -1, withscores=True)
        }
        if later:
            client.zadd(key, later)
    mark, *others = client.get(CLOCK).split()
    client.set(CLOCK, b" ".join([b"%d" % (int(mark) + seconds * 1000), *others]))


def test_clock_that_goes_back_delays_no_retry(holding: CountingQueue, client: Any) -> None:
    client.zadd(DELAYED, {"soon": present(client) + 60_000, "late": present(client) + 4e6})
    holding.promote()
    step_back(client, 3600)
    holding.promote()
    assert 58 < remaining(client, DELAYED, "soon") < 62
    assert 3998 < remaining(client, DELAYED, "late") < 4002
    holding.promote()
    assert 58 < remaining(client, DELAYED, "soon") < 62, "once"


def test_clock_that_goes_back_keeps_no_dead_owner(holding: CountingQueue, client: Any) -> None:
    for owner, seconds in {"b": -5, "c": 20, "d": 90}.items():
        holding.enroll(owner, 0)
        client.zadd(LEASES, {owner: present(client) + seconds * 1000})
    holding.promote()
    step_back(client, 3600)
    holding.enroll("e", 0)
    holding.promote()
    left = {owner: round(remaining(client, LEASES, owner), -1) for owner in "abcde"}
    assert left == {"a": 30, "b": 30, "c": 30, "d": 90, "e": 30}
    assert holding.expired() == {}


def test_due_times_are_put_right_in_portions(queue: CountingQueue, client: Any) -> None:
    due = present(client)
    times = {f"{n}": due + 60_000 + n // 3 for n in range(2500)}
    client.zadd(DELAYED, times)
    queue.promote()
    step_back(client, 50)
    rounds = 1
    while queue.promote()[1] == 0:
        rounds += 1
        if rounds == 2:
            step_back(client, 500)
    assert 3 <= rounds <= 5
    found = dict(client.zrange(DELAYED, 0, -1, withscores=True))
    early = [times[name.decode()] - score for name, score in found.items()]
    assert max(early) < 55_000, "not by more than the first step"
    assert min(early) > due - present(client), "late by no more than the time that this takes"
    assert client.get(CLOCK).endswith(b" 0 -")


def test_mark_is_written_once_a_second_where_there_is_a_time(
    queue: CountingQueue, client: Any
) -> None:
    queue.promote()
    assert not client.exists(CLOCK)
    queue.enroll("a", 0)
    marks = set()
    for _ in range(50):
        queue.promote()
        marks.add(client.get(CLOCK))
    assert 1 <= len(marks) <= 3
    assert 0 < client.ttl(CLOCK) <= 86400


@pytest.mark.parametrize(
    "mark", [b"", b"x", b"\xff", b"1 2", b"9" * 400, b"9" * 13 + b" 5 x", b"1 1 nan"]
)
def test_any_bytes_may_stand_for_the_mark(queue: CountingQueue, client: Any, mark: bytes) -> None:
    queue.enroll("a", 0)
    client.set(CLOCK, mark)
    for _ in range(3):
        queue.promote()
    assert client.get(CLOCK).endswith(b" 0 -")


# What is to run beside no other such task on its host.


@pytest.mark.parametrize(
    ("other", "waits"),
    [
        ("box.7.0a1b/2", True),
        ("box.7.0a1b/inline2", True),
        ("box.8.2c3d/1+4", True),  # another program there: it would die, too
        ("box.7.7.0a1b/1", False),
        ("ox.7.0a1b/1", False),
    ],
)
def test_suspects_run_one_at_a_time_on_a_host(
    queue: CountingQueue, client: Any, other: str, waits: bool
) -> None:
    one, two, three = (RETRY.replace(b"{", b'{"n": %d, "suspect": 2' % n) for n in range(3))
    push(client, one, two, three, b"plain")
    for owner in ("box.7.0a1b/1", other):
        queue.enroll(owner, 0)
    assert queue.claim("box.7.0a1b/1", 0, 1) == [one]
    assert queue.claim(other, 0, 2) == ([] if waits else [two, three])
    assert sorted(client.zrange(DELAYED, 0, -1)) == ([two, three] if waits else [])
    assert held(client) == [b"plain"]
    assert queue.claim("box.7.0a1b/1", 0, 1) == [one], "its own is none but itself"


# Claims that nobody knows of.


def stranded(client: Any) -> list[bytes]:
    client.delete(SETTLED, LEASES)
    return [key for key in client.keys("*:claims:*") if client.type(key) == b"list"]


def test_claims_without_an_owner_go_back_when_a_lease_has_run_out(
    holding: CountingQueue, client: Any
) -> None:
    found = stranded(client)
    assert holding.adopt(found) == ["a"]
    assert holding.adopt(found) == []
    assert holding.expired() == {}
    lapse(client, "a")
    assert holding.release("a", 0, LETTER, lapsed=True) == 2
    assert payloads(client) == [b"2", b"3", b"4", b"5"]
    assert not client.exists(SETTLED, LEASES)


def test_living_owner_whose_claims_were_adopted_is_lost(
    holding: CountingQueue, client: Any
) -> None:
    assert holding.adopt(stranded(client)) == ["a"]
    with pytest.raises(LeaseLost):
        holding.claim("a", 3, 1)
    assert holding.release("a", 3) == 3
    assert held(client) == [b"1", b"2", b"3", b"4", b"5"]


def test_only_own_queues_claims_are_adopted(holding: CountingQueue, client: Any) -> None:
    found = [*stranded(client), b"{t:e}:claims:a", b"claims:a", b"{t:d}:claims", b"t:d:claims:b"]
    assert holding.adopt(found) == ["a"]


def test_owner_of_any_bytes_is_adopted(holding: CountingQueue, client: Any) -> None:
    push(client, b"1", key=b"{t:d}:claims:\xff\x00")  # type: ignore[arg-type]
    assert "\udcff\x00" in holding.adopt(stranded(client))
    assert client.zscore(LEASES, b"\xff\x00")


def test_search_comes_by_all_keys(
    holding: CountingQueue, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stranded_module, "STEP", 10)
    client.mset({f"other{n}": n for n in range(200)})
    stranded(client)
    search = stranded_module.Search(holding.link, 0)
    search.attend([holding], pace.SEARCH)
    for number in range(2, 100):
        if client.exists(SETTLED):
            break
        search.attend([holding], number * pace.SEARCH)
    assert client.hkeys(SETTLED) == [b"a"]


def test_search_that_is_refused_is_done_without(holding: CountingQueue, client: Any) -> None:
    stranded(client)
    client.acl_setuser("narrow", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-scan"])
    holding.link.call("AUTH", "narrow", "any")
    stranded_module.Search(holding.link, 0).attend([holding], 99)
    assert not client.exists(SETTLED)


def test_search_for_one_queue_is_done_where_anothers_keys_are_wrong(
    holding: CountingQueue, client: Any
) -> None:
    stranded(client)
    push(client, b"1", key="{u:d}:claims:a")
    client.set("{u:d}:settled", "a string")
    other = Queue(holding.link, "u:d", lease=30)
    stranded_module.Search(holding.link, 0).attend([other, holding], 99)
    assert client.hkeys(SETTLED) == [b"a"]


def test_search_asks_for_nothing_that_workers_do_not(holding: CountingQueue, client: Any) -> None:
    found = stranded(client)
    commands = ["+@all", "-hmget"]
    client.acl_setuser("narrow", enabled=True, nopass=True, keys=["*"], commands=commands)
    holding.link.call("AUTH", "narrow", "any")
    assert holding.adopt(found) == ["a"]


# What an operator does.


@pytest.fixture
def letters(queue: CountingQueue, client: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of five dead letters, of which two are fetched at once."""
    monkeypatch.setattr(queue_module, "PAGE", 2)
    payloads = [b"1", b"2", b"3", b"4", b"5"]
    push(client, *payloads)
    queue.enroll("a", 0)
    for seq in range(1, len(queue.claim("a", 0, 5)) + 1):
        queue.fail("a", seq, DeadLetter(0, {"reason": b"no"}, ""))
    return [letter for letter, _ in queue.dead_letters()]


def test_dead_letters_are_listed_oldest_first(queue: CountingQueue, letters: list[str]) -> None:
    found = list(queue.dead_letters())
    assert [fields["payload"] for _, fields in found] == [b"1", b"2", b"3", b"4", b"5"]
    assert found[0][1]["reason"] == b"no"
    assert [letter for letter, _ in queue.dead_letters(letters[1], letters[3])] == letters[1:4]
    extent = extent_of(queue.link, "t:d")
    assert extent
    assert (extent.number, extent.last) == (5, letters[-1])


def test_no_dead_letters(queue: CountingQueue) -> None:
    assert list(queue.dead_letters()) == []
    assert extent_of(queue.link, "t:d") is None


def test_requeued_letter_is_a_new_task_once(
    queue: CountingQueue, client: Any, letters: list[str]
) -> None:
    assert queue.requeue(letters[2])
    assert not queue.requeue(letters[2])
    assert held(client) == [b"3"]
    assert [letter for letter, _ in queue.dead_letters()] == letters[:2] + letters[3:]


def test_letters_can_go_while_they_are_listed(
    queue: CountingQueue, client: Any, letters: list[str]
) -> None:
    for letter, _ in queue.dead_letters():
        assert queue.requeue(letter)
    assert held(client) == [b"1", b"2", b"3", b"4", b"5"]


def test_dropped_letter_is_gone(queue: CountingQueue, client: Any, letters: list[str]) -> None:
    assert queue.drop(letters[0])
    assert not queue.drop(letters[0])
    assert client.xlen(DEAD) == 4
    assert held(client) == []


def test_sizes_count_every_entry_once(holding: CountingQueue, client: Any) -> None:
    push(client, b"0", key=ARRIVALS)
    holding.enroll("b", 0)
    holding.claim("b", 0, 1)
    push(client, b"0", key=ARRIVALS)
    holding.fail("a", 1, AGAIN)
    holding.fail("a", 2, LETTER)
    assert holding.sizes() == {"waiting": 3, "claimed": 2, "delayed": 1, "dead": 1, "workers": 2}


def test_registered_queues_are_found(queue: CountingQueue) -> None:
    CountingQueue(queue.link, "another", lease=1).register()
    queue.register()
    queue.register()
    assert registered(queue.link) == ["another", "t:d"]


# A server that takes no more data.


def test_full_server_can_be_drained(make_server: Callable[..., Server]) -> None:
    client = make_server().client
    queue = CountingQueue(Link(client, timeout=10), "t:d", lease=30)
    push(client, b"1", b"2", b"3", b"4", b"5", b"6")
    client.zadd(DELAYED, {"due": 1})
    push(client, b"0", key=ARRIVALS)
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.OutOfMemoryError):
        push(client, b"more")

    queue.enroll("a", 0)
    assert queue.claim("a", 0, 3) == [b"0", b"1", b"2"]
    queue.fail("a", 1, AGAIN)
    queue.fail("a", 2, LETTER)
    queue.renew(["a"])
    assert queue.promote()[0] == 1
    assert queue.claim("a", 3, 2) == [b"3", b"due"]
    assert queue.give_back("a", 4) == 1
    assert queue.release("a", 3, AGAIN) == 0
    assert queue.expired() == {}
    [(letter, _)] = queue.dead_letters()
    assert queue.requeue(letter)
    assert held(client) == [b"due", b"4", b"5", b"6", b"again", b"1"]
    queue.link.close()


def test_full_server_does_not_refuse_a_registered_queue(
    make_server: Callable[..., Server],
) -> None:
    client = make_server().client
    queue = CountingQueue(Link(client, timeout=10), "t:d", lease=30)
    queue.register()
    client.config_set("maxmemory", 1)
    queue.register()  # every housekeeper does
    queue.link.close()


# A user who may not do all that the scripts do: each stops where it is refused.


COMMANDS = sorted(
    {
        command
        for script in vars(scripts).values()
        if isinstance(script, Script)
        for command in re.findall(r"call\('(\w+)'", script.source)
    }
)


def everything(client: Any) -> list[bytes]:
    """What each entry that the server has carries, wherever it is, without its headers."""
    entries = [entry for key in client.scan_iter(_type="list") for entry in held(client, key)]
    entries += client.zrange(DELAYED, 0, -1)
    entries += [fields[b"payload"] for _, fields in client.xrange(DEAD)]
    return [entry.rpartition(b"\n")[2] for entry in entries]


def try_all(queue: CountingQueue) -> None:
    """Each step that moves an entry, as far as it is not refused. ``00`` is done."""
    for step in (
        lambda: queue.promote(most=2),
        lambda: queue.claim("a", 1, 3),
        lambda: queue.claim("new", 0, 3),
        lambda: queue.fail("again", 1, Redeliver(0, RETRY, 30, "")),
        lambda: queue.fail("letter", 1, LETTER),
        lambda: queue.give_back("slow", 1),
        lambda: queue.release("lapsed", 0, lapsed=True),
        lambda: queue.release("leaving", 0),
        lambda: queue.requeue("1-1"),
    ):
        with contextlib.suppress(redis.ResponseError, LeaseLost):
            step()


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_refused_halfway_loses_nothing_and_doubles_nothing(
    queue: CountingQueue, client: Any, command: str
) -> None:
    push(client, *(b"%02d" % number for number in range(40)))
    queue.enroll("new", 0)
    for owner in ("a", "again", "letter", "slow", "lapsed", "leaving"):
        queue.enroll(owner, 0)
        assert len(queue.claim(owner, 0, 3)) == 3
    crowd(client, 5)
    client.xadd(DEAD, {"payload": b"dead"}, id="1-1")
    lapse(client, "lapsed")
    had = Counter(everything(client))

    commands = ["+@all", f"-{command.lower()}"]
    client.acl_setuser("narrow", reset=True, enabled=True, nopass=True, keys="*", commands=commands)
    queue.link.call("AUTH", "narrow", "any")
    for _ in range(3):
        try_all(queue)
    has = Counter(everything(client))
    assert has | Counter([b"00"]) == had


# The names of keys.


@pytest.mark.parametrize(
    ("queue", "prefix"),
    [
        ("t:d", "{t:d}:"),
        ("t{x}:d", "{x}:t{x}:d:"),
        ("{x}", "{x}:{x}:"),
        ("{x}{y}", "{x}:{x}{y}:"),
        ("a{b", "{a{b}:"),
        ("{{x}}", "{{x}:{{x}}:"),
    ],
)
def test_queue_own_tag_decides(queue: str, prefix: str) -> None:
    assert key_prefix(queue) == prefix


QUEUES = st.text(st.sampled_from("{}:ab1é"), min_size=1, max_size=8)


@given(QUEUES)
def test_all_keys_are_in_the_slot_of_the_queue(queue: str) -> None:
    assert key_slot((key_prefix(queue) + "claims:a}b").encode()) == key_slot(queue.encode())
    assert key_slot(f"{{{hash_tag(queue)}}}".encode()) == key_slot(queue.encode())


@given(QUEUES, QUEUES)
def test_different_queues_have_different_keys(one: str, other: str) -> None:
    if one != other:
        assert key_prefix(one) != key_prefix(other)
