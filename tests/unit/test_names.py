"""Names that nobody else has."""

from __future__ import annotations

import os
import re
import socket

import pytest

from woodenwaiter.names import unique_name
from woodenwaiter.processes.scoreboard import Scoreboard
from woodenwaiter.protocol.entry import LONGEST_ID
from woodenwaiter.woodenwaiter import WoodenCustomer, WoodenWaiter
from woodenwaiter.worker.inline import InlineWorker

OF_128_BITS = re.compile(r"(.+)\.(\d+)\.([0-9a-f]{32})")


def test_hosts_of_one_name_and_one_pid_have_names_of_their_own() -> None:
    inline = InlineWorker(WoodenCustomer("t", "d", WoodenWaiter(), print).consumer)
    owners = [next(inline._owners), next(inline._owners)]
    assert [owner.partition("/")[2] for owner in owners] == ["inline1", "inline2"]
    pools = [Scoreboard().pool, Scoreboard().pool, owners[0].partition("/")[0]]
    found = [OF_128_BITS.fullmatch(pool) for pool in pools]
    assert {name[2] for name in found if name} == {str(os.getpid())}
    assert len({name[3] for name in found if name}) == 3


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("web-1.shop_a", "web-1.shop_a"),
        ("a/b+c d", "a_b_c_d"),
        ("line\n\x1b[31m", "line___31m"),
        ("küche", "k_che"),
        ("\udcff\ud800\0", "___"),
        ("x" * 255, "x" * 64),
        ("", ""),
    ],
)
def test_host_may_be_called_anything(
    monkeypatch: pytest.MonkeyPatch, host: str, shown: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    name = unique_name()
    assert name.startswith(f"{shown}.{os.getpid()}.")
    assert name.isascii()
    assert len(name) < LONGEST_ID / 2
