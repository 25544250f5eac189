"""A server that answers with errors, as a whole or for some requests: tasks wait and run once,
nobody is charged, no process dies, and the log says it once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from itertools import count

import pytest

from woodenwaiter import Backoff
from woodenwaiter.protocol.replies import Meaning

from ..application import Application, Supervisor
from ..proxy import EVERYTHING, Proxy
from ..support import Server, eventually
from ..unit.test_replies import REPLIES, what_is_told_of

HANDLER = """
    if foods.get("fails") and delivery().number == 1:
        raise Retry(after=0)
    note("done", foods["n"])
    note("deliveries", delivery().number)
"""

OUTAGES = [
    reply for reply, meaning in REPLIES.items() if meaning in (Meaning.AWAY, Meaning.UNWILLING)
]
ONE_OF_EACH = [
    "READONLY You can't write against a read only replica.",
    "NOAUTH Authentication required.",
    "BUSY Redis is busy running a script.",
    "NOPERM User u has no permissions to run the 'x' command",
    "ERR unknown command 'X', with args beginning with: 'OOM'",
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "MOVED 3999 127.0.0.1:6381",
]


class Served:
    """An application behind a stand-in, with tasks that are to run once each."""

    def __init__(self, app: Application, proxy: Proxy, **policy: object) -> None:
        self.app = app.at(proxy)
        self.proxy = proxy
        self._number = count()
        self.pushed: list[int] = []
        self.app.write(handler=HANDLER, seconds=0.2, backoff=Backoff(0, 0), **policy)
        self.supervisor = self.app.serve().ready(1)
        self.family = {process.pid for process in self.supervisor.tree()}

    def push(self, *, fails: bool = False) -> None:
        self.pushed.append(next(self._number))
        self.app.push({"n": self.pushed[-1], "fails": fails})

    def refuse(self, request: str, reply: str) -> None:
        self.proxy.answered.clear()
        self.proxy.answers = {request: reply}

    def heal(self) -> None:
        """Once it has been refused again."""
        eventually(lambda: sum(self.proxy.answered.values()) >= 2, "two refusals")
        self.proxy.answers = {}

    def await_all(self) -> None:
        eventually(lambda: self.app.done == self.pushed, f"{self.pushed} done")

    def end(self, deliveries: int) -> None:
        self.await_all()
        assert {process.pid for process in self.supervisor.tree()} == self.family
        assert self.supervisor.stop() == 0
        assert self.app.done == self.pushed
        assert set(self.app.numbers("deliveries")) == {deliveries}
        assert self.app.letters() == []


@pytest.fixture
def served(app: Application, proxy: Proxy) -> Served:
    return Served(app, proxy, processes=1)


def trouble_in(supervisor: Supervisor) -> list[str]:
    return [line for line in supervisor.log.splitlines() if "trying again" in line]


def in_the_larger_run(reply: str) -> bool:
    """What all of them mean to a connection is tested in every run."""
    return reply.split(maxsplit=1)[0] not in ("READONLY", "NOAUTH", "BUSY", "OOM", "MASTERDOWN")


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(reply, marks=[pytest.mark.exhaustive] * in_the_larger_run(reply))
        for reply in OUTAGES
    ],
)
def test_unwilling_server_is_waited_for(served: Served, reply: str) -> None:
    served.refuse(EVERYTHING, reply)
    served.push()
    served.supervisor.logged("trying again")
    served.heal()
    served.await_all()
    served.supervisor.logged("works again")
    [line] = trouble_in(served.supervisor)
    assert what_is_told_of(reply).rstrip(".") in line
    assert served.supervisor.log.count("works again") == 1
    served.end(deliveries=1)


def test_trouble_of_another_kind_is_told_at_once(served: Served) -> None:
    for reply in ("LOADING Redis is loading", "READONLY You", "NOAUTH Authentication required."):
        served.refuse(EVERYTHING, reply)
        served.supervisor.logged(f"{reply.rstrip('.')}; trying again")
    served.proxy.answers = {}
    served.push()
    served.end(deliveries=1)


@pytest.mark.parametrize("request_", ["CLAIM", "BLMOVE", "EVALSHA", "ZADD"])
def test_refused_request_costs_its_task_nothing(served: Served, request_: str) -> None:
    replies = [reply for reply in ONE_OF_EACH if request_ != "BLMOVE" or not is_forbidden(reply)]
    for reply in replies:
        served.refuse(request_, reply)
        served.push()
        served.heal()
        served.await_all()
    served.end(deliveries=1)
    assert len(trouble_in(served.supervisor)) <= 2 * len(replies), "the housekeeper's, the worker's"


def is_forbidden(reply: str) -> bool:
    """Whether waiting is not tried again after it for a while."""
    return REPLIES.get(reply, Meaning.FORBIDDEN) is Meaning.FORBIDDEN


@pytest.mark.parametrize("request_", ["FAIL", "TEND"])
def test_refused_report_or_promotion_of_a_failure_costs_one_delivery(
    served: Served, request_: str
) -> None:
    for reply in ONE_OF_EACH:
        served.refuse(request_, reply)
        served.push(fails=True)
        served.heal()
        served.await_all()
    served.end(deliveries=2)


def test_refused_release_costs_nothing(served: Served) -> None:
    for reply in ONE_OF_EACH:
        served.push()
        served.await_all()
        served.refuse("RELEASE", reply)
        served.supervisor.signal(signal.SIGTSTP)
        served.heal()
        served.supervisor.signal(signal.SIGCONT)
    served.push()
    served.end(deliveries=1)


# Replies of a real server.


def test_replica_behind_the_same_address_is_left(
    app: Application, proxy: Proxy, make_server: Callable[..., Server]
) -> None:
    """The connection stands; only a new one leads to the new primary."""
    former, following = make_server(), make_server()
    proxy.server = former
    following.client.replicaof("127.0.0.1", former.port)
    served = Served(app, proxy)
    served.push()
    served.await_all()
    eventually(lambda: following.client.info("replication")["master_link_status"] == "up")
    following.client.replicaof("no", "one")
    proxy.server = following
    former.client.replicaof("127.0.0.1", following.port)
    served.app.client = following.client
    served.push()
    served.end(deliveries=1)
    [line] = trouble_in(served.supervisor)
    assert "READONLY" in line


@pytest.mark.parametrize(
    ("revoke", "code"),
    [(["resetpass", ">other"], "WRONGPASS"), (["off"], "WRONGPASS"), (["-@all"], "NOPERM")],
)
def test_rotated_password_is_waited_for(
    app: Application, make_server: Callable[..., Server], revoke: list[str], code: str
) -> None:
    server = make_server()
    proxy = Proxy(server)
    try:
        server.client.execute_command("ACL", "SETUSER", "u", "on", ">pw", "~*", "+@all")
        proxy.url = proxy.url.replace("//", "//u:pw@")
        served = Served(app, proxy)
        server.client.execute_command("ACL", "SETUSER", "u", *revoke)
        server.client.client_kill_filter(_type="normal", skipme=True)
        served.push()
        served.supervisor.logged(code)
        server.client.execute_command("ACL", "SETUSER", "u", "on", ">pw", "+@all")
        served.end(deliveries=1)
        assert served.supervisor.log.count(f": {code}") <= 2
    finally:
        proxy.close()


def test_workers_that_may_not_wait_ask_now_and_then(app: Application, proxy: Proxy) -> None:
    proxy.answers = {"BLMOVE": "NOPERM User u has no permissions to run the 'blmove' command"}
    app = app.at(proxy)
    app.write(processes=4)
    supervisor = app.serve()
    for n in range(5):
        app.push({"n": n})
        eventually(lambda: len(app.done) == n + 1)  # noqa: B023 - it is called at once
    supervisor.ready(4)
    assert supervisor.stop() == 0
    assert app.begun == list(range(5))
    told = [line for line in supervisor.log.splitlines() if "blmove" in line]
    assert len(told) == 1
    assert "workers of t:d may not wait for tasks" in told[0]
    assert proxy.answered["BLMOVE"] <= 8, "once a worker, or once more where it was asleep"
