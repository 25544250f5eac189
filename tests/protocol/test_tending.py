"""A visit that only glances tells what the script would; one that finds more to do has it done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import redis

from woodenwaiter.protocol import tending
from woodenwaiter.protocol.link import Command, Link
from woodenwaiter.protocol.queue import Queue
from woodenwaiter.protocol.tending import Tended, tend_together

from ..mutants import changed
from ..support import Server

LEASE = 30.0
ARRIVALS, DELAYED, LEASES = "{t:d}:arrivals", "{t:d}:delayed", "{t:d}:leases"
SETTLED = "{t:d}:settled"


class WatchedLink(Link):
    """``scripts``, ``times``: how often they were asked for."""

    scripts = times = 0

    def exchange(
        self,
        commands: Sequence[Command],
        along: Sequence[Command] = (),
        within: float | None = None,
    ) -> list[Any]:
        self.times += commands.count(("TIME",))
        self.scripts += sum(command[0].startswith("EVAL") for command in commands)
        return super().exchange(commands, along, within)


class Host:
    """That tends one queue, for the owner ``a``; another one has ``b``."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.link = WatchedLink(client, 10)
        self.queue = Queue(self.link, "t:d", LEASE)
        for owner in ("a", "b"):
            self.queue.enroll(owner, 0, 1)
        self.queue.tend(["a"])

    def time(self) -> float:
        seconds, microseconds = self.client.time()
        return float(seconds + microseconds / 1e6)

    def visits(self, *owners: str, ahead: float = 0) -> Tended | Exception:
        """``ahead``: seconds that the host is wrong by."""
        self.link.scripts = 0
        visit = self.queue.visit(owners or ["a"], 10, self.time() + ahead)
        outcome: Tended | Exception
        [outcome] = tend_together(self.link, [visit])
        return outcome

    def left(self, owner: str) -> float:
        """Seconds of its lease."""
        return float(self.client.zscore(LEASES, owner)) / 1000 - self.time()


@pytest.fixture
def host(client: Any) -> Iterator[Host]:
    host = Host(client)
    yield host
    host.link.close()


def test_glance_tells_what_the_script_would(host: Host) -> None:
    host.client.zadd(LEASES, {"a": (host.time() + 5) * 1000, "b": (host.time() + 20) * 1000})
    glanced = host.visits()
    assert host.link.scripts == 0
    assert isinstance(glanced, Tended)
    looked = host.queue.tend(["a"])
    assert glanced.time == pytest.approx(looked.time, abs=1)
    assert glanced.lapse == pytest.approx(looked.lapse, abs=1)
    assert glanced == looked._replace(time=glanced.time, lapse=glanced.lapse, owners=None)


def test_glance_extends_leases_that_are_there(host: Host) -> None:
    host.client.zadd(LEASES, {"a": (host.time() + 5) * 1000})
    host.visits("a", "stranger")
    assert host.left("a") == pytest.approx(LEASE, abs=1)
    assert host.client.zscore(LEASES, "stranger") is None


def test_glance_shortens_no_lease(host: Host) -> None:
    before = host.left("a")
    host.visits(ahead=-8)
    assert host.left("a") == pytest.approx(before, abs=1)


def test_glance_forgets_no_crowd_of_owners(host: Host) -> None:
    owners = [f"owner{n}" for n in range(4100)]
    for owner in owners:
        host.client.hset(SETTLED, owner, "0 0")
    host.queue.tend([])
    host.client.zadd(LEASES, dict.fromkeys(owners, (host.time() + 5) * 1000))
    assert isinstance(host.visits(*owners), Tended)
    assert host.link.scripts == 0
    assert min(map(host.left, owners[::100])) > LEASE - 5


def arrives(host: Host) -> None:
    host.client.lpush(ARRIVALS, "task")


def is_delayed(host: Host) -> None:
    host.client.zadd(DELAYED, {"task": (host.time() + 60) * 1000})


def lapses(host: Host) -> None:
    host.client.zadd(LEASES, {"b": host.time() * 1000 - 1})


def is_without_owners(host: Host) -> None:
    host.client.delete(LEASES, SETTLED)


def is_of_wrong_type(host: Host) -> None:
    host.client.rename(SETTLED, LEASES)


MORE_TO_DO: dict[str, Callable[[Host], object]] = {
    "an arrival": arrives,
    "a retry": is_delayed,
    "a lease that ran out": lapses,
    "no owner": is_without_owners,
    "a wrong type": is_of_wrong_type,
}


@pytest.mark.parametrize("something", MORE_TO_DO.values(), ids=MORE_TO_DO)
def test_more_to_do_is_done(host: Host, something: Callable[[Host], object]) -> None:
    something(host)
    outcome = host.visits()
    assert host.link.scripts == 1
    if something is is_of_wrong_type:
        assert isinstance(outcome, redis.ResponseError)
    else:
        assert isinstance(outcome, Tended)
        assert (something is lapses) == ("b" in outcome.expired)


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_host_that_is_wrong_about_the_time_gives_no_wrong_lease(host: Host, ahead: float) -> None:
    host.visits(ahead=ahead)
    assert host.link.scripts == 1
    assert host.left("a") == pytest.approx(LEASE, abs=1)


def test_full_server_is_tended(make_server: Callable[..., Server]) -> None:
    host = Host(make_server().client)
    host.client.zadd(LEASES, {"a": (host.time() + 5) * 1000})
    host.client.config_set("maxmemory", 1)
    assert isinstance(host.visits(), Tended)
    assert host.left("a") == pytest.approx(LEASE, abs=1)
    host.link.close()


def test_glances_and_scripts_are_told_in_their_places(host: Host) -> None:
    calm, busy = (Queue(host.link, f"t:{n}", LEASE) for n in range(2))
    for queue in (calm, busy):
        queue.enroll("a", 0, 1)
        queue.tend(["a"])
    host.client.zadd("{t:1}:delayed", {"task": 1})
    now = host.time()
    visits = [queue.visit(["a"], 10, now) for queue in (host.queue, busy, calm)]
    host.link.scripts = host.link.times = 0
    outcomes = tend_together(host.link, [*visits, calm.visit(["a"], 10)])
    told = [outcome for outcome in outcomes if isinstance(outcome, Tended)]
    assert [(tended.owners, tended.promoted) for tended in told] == [
        (None, 0),
        (1, 1),
        (None, 0),
        (1, 0),
    ]
    assert host.link.scripts == 2, "one has something to do, one is to look closely"
    assert host.link.times == 1, "they are of one server"


MUTANTS = [
    ('"XX", ', ""),
    ('"GT", ', ""),
    ("+ visit.lease", ""),
    ("others or ", ""),
    ("lapse <= 0 or ", ""),
    (" or _is_odd(visit, time)", ""),
    ("abs(time - (visit.time or 0))", "time - (visit.time or 0)"),
    ("        if not _may_run_scripts(error):\n            raise\n", "        raise\n"),
    ("- time if soonest", "if soonest"),
]


@pytest.mark.parametrize(("text", "instead"), MUTANTS)
def test_change_of_a_decision_is_noticed(
    make_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, text: str, instead: str
) -> None:
    mutant = changed(tending, text, instead)
    for name in ("_glance", "_commands", "seen"):
        monkeypatch.setattr(tending, name, mutant[name])
    with pytest.raises((AssertionError, redis.RedisError)):
        glances_are_decided_rightly(make_server)


def glances_are_decided_rightly(make_server: Callable[..., Server]) -> None:
    """All of the above."""
    client = make_server().client

    def host() -> Host:
        client.flushall()
        return Host(client)

    test_glance_tells_what_the_script_would(host())
    test_glance_extends_leases_that_are_there(host())
    test_glance_shortens_no_lease(host())
    for something in MORE_TO_DO.values():
        test_more_to_do_is_done(host(), something)
    for ahead in (-3600, 3600):
        test_host_that_is_wrong_about_the_time_gives_no_wrong_lease(host(), ahead)
    test_full_server_is_tended(make_server)
