"""What servers are asked for to be told as metrics, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from woodenwaiter import pace
from woodenwaiter.metrics.servers import Server as Told
from woodenwaiter.protocol.urls import client_at

from ..support import Server

SCRIPTS = ("cmdstat_evalsha", "cmdstat_eval")


def asked(client: Any) -> int:
    """How many scripts the server has run."""
    known = client.info("commandstats")
    return sum(known[name]["calls"] for name in SCRIPTS if name in known)


@pytest.mark.parametrize(
    ("hosts", "every"), [(0, 3.0), (1, 3.0), (2, 3.0), (10, 15.0), (100, 150.0)]
)
def test_the_more_hosts_the_less_each_asks(server: Server, hosts: int, every: float) -> None:
    own = 4
    if hosts:
        owners = {f"h{n}": 0 for n in range(own * hosts)}
        server.client.hset("{t:d}:settled", mapping=owners)
    server.client.lpush("t:d", "{}")
    told = Told(client_at(server.url), ["t:d", "t:e"])
    now = 1000.0
    told.ask(now, own)
    answer = told.answer(now)
    assert answer
    assert answer.keys() == {"t:d", "t:e"}
    assert answer["t:d"].sizes.waiting == 1
    before = asked(server.client)
    told.ask(now + every - 0.1, own)
    later = told.answer(now + every - 0.1)
    assert later == (answer if every == pace.METRICS_AGAIN else {})
    assert asked(server.client) == before
    told.ask(now + every, own)
    assert told.answer(now + every)
    assert asked(server.client) == before + 2
