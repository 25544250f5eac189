"""How long handlers of a pool took, over a day: all of them, whatever happens to its processes."""

from __future__ import annotations

import os
import signal
from contextlib import closing

from woodenwaiter.processes.times import range_of
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.times import times_of

from ..application import Application
from ..support import Server, eventually

TIMES = "{t:d}:times"


def counts(app: Application) -> list[int]:
    """Of the day, by range."""
    with closing(Link(app.client, 10)) as link:
        columns = [column for column in times_of(link, "t:d").columns if column]
    longest = max(map(len, columns), default=0)
    return [sum(column[n] for column in columns if n < len(column)) for n in range(longest)]


def test_day_has_all_that_were_done(app: Application) -> None:
    """On two hosts, though connections are lost, and a housekeeper."""
    first, second = (app.serve("--lease-seconds", "1").ready(2) for _ in range(2))
    app.push(*({"n": n} for n in range(300)))
    eventually(lambda: sum(counts(app)), "some that are told")
    app.client.client_kill_filter(_type="normal")
    os.kill(first.housekeeper().pid, signal.SIGKILL)
    app.push(*({"n": n, "sleep": 0.05} for n in range(300, 320)))
    eventually(lambda: len(app.done) == 320, "all done")
    assert (first.stop(), second.stop()) == (0, 0)
    told = counts(app)
    assert sum(told) == 320
    assert sum(told[range_of(0.05) :]) >= 20
    assert app.client.hlen(TIMES) in (3, 4), "two hosts, and a slot or two"


def test_what_fails_and_what_dies_counts(app: Application) -> None:
    app.write(
        processes=2,
        max_deliveries=1,
        then="""
            if foods["n"] == 1:
                raise Reject("because")
            if foods["n"] == 2:
                os._exit(9)
        """,
    )
    supervisor = app.serve().ready(2)
    app.push(*({"n": n} for n in range(4)))
    eventually(lambda: len(app.letters()) == 2)
    eventually(lambda: len(app.done) == 2)
    assert supervisor.stop() == 0
    assert sum(counts(app)) == 4


def test_what_cannot_be_told_holds_up_nothing(app: Application, server: Server) -> None:
    server.client.set(TIMES, "somebody's")
    supervisor = app.serve("--lease-seconds", "1").ready(2)
    app.push(*({"n": n} for n in range(20)))
    supervisor.logged("how long handlers of t:d take is not told: WRONGTYPE")
    eventually(lambda: len(app.done) == 20)
    assert supervisor.stop() == 0
    assert supervisor.log.count("is not told") == 1
    assert server.client.get(TIMES) == b"somebody's"
