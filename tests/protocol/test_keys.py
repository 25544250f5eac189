"""The names of keys: whatever a queue is called, its keys are its own, and all in its slot."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from woodenwaiter.protocol.history import Account
from woodenwaiter.protocol.keys import hash_tag, key_prefix
from woodenwaiter.protocol.link import Link
from woodenwaiter.protocol.verdict import Failure, Policy, judge

from ..counting import CountingQueue, accounts
from ..support import eventually
from ..topologies.node import Guard, Node

SUFFIXES = (
    *("arrivals", "settled", "leases", "delayed", "dead", "clock", "tally", "beats", "minutes"),
    "claims:host.1.ab/1",
)
BRACES = [
    "".join(parts)
    for length in range(1, 5)
    for parts in itertools.product("{}a", repeat=length)
    if "{" in parts or "}" in parts
]
ODD = [
    "t:d",
    " ",
    "with space: and another",
    "line\nbreak:\r\n",
    "\x00:\x7f",
    "tür:größe",
    "桌子:盘子",
    "🍽:🥄",
    "{🍽}:{🥄}",
    "t}:{d",
    "t{}:d",
    "t{{d}}:x",
    "}{",
    "{",
    "}",
    "{tag}:d",
    "claims:{t:d}",
    "x" * 65536,
    "{" * 65536,
    "}" * 65536,
    "x" * 65536 + "{tag}",
    "{" + "x" * 65536 + "}",
]
NAMES = st.text(st.sampled_from("{}ab: \né🍽\x00"), min_size=1, max_size=12) | st.text(min_size=1)


@cache
def keys_of(name: str) -> list[str]:
    prefix = key_prefix(name)
    return [prefix + suffix for suffix in SUFFIXES]


def short(name: str) -> str:
    return ascii(name[:20])


def slots(names: list[str]) -> set[int]:
    return {key_slot(name.encode()) for name in names}


@given(NAMES)
def test_all_keys_are_in_the_slot_of_the_queue(name: str) -> None:
    assert slots(keys_of(name)) == slots([name])


@pytest.mark.parametrize("name", ODD, ids=short)
def test_all_keys_of_odd_names_are_in_the_slot_of_the_queue(name: str) -> None:
    assert slots(keys_of(name)) == slots([name])


def test_wherever_the_braces_are_all_keys_are_in_the_slot_of_the_queue() -> None:
    for name in BRACES:
        assert slots(keys_of(name)) == slots([name]), name


def test_no_two_names_with_braces_share_a_key() -> None:
    keys = [key for name in {*BRACES, *ODD} for key in keys_of(name)]
    assert len(keys) == len(set(keys))


@given(NAMES, NAMES)
@example("a", "{a}")
@example("a", "{a}a")
@example("{a}", "{a}:{a}")
@example("a", "claims:{a}")
def test_no_two_names_share_a_key(one: str, other: str) -> None:
    assume(one != other)
    assert not set(keys_of(one)) & set(keys_of(other))


@given(NAMES)
def test_own_hash_tag_decides(name: str) -> None:
    assert hash_tag("{tag}" + name) == "tag"
    assert key_prefix("{tag}" + name) == "{tag}:{tag}" + name + ":"


def push_and_settle(client: Any, name: str) -> None:
    """A task that is done, one that is buried, one that is put back."""
    queue = CountingQueue(Link(client, timeout=10), name, lease=30)
    client.lpush(name, b"done", b"bad", b"left")
    queue.enroll("host.1.ab/1", 0)
    assert queue.claim("host.1.ab/1", 0, 2) == [b"done", b"bad"]
    letter = judge(b"bad", "1", Failure("bad", final=True), Policy(), "1")
    queue.fail("host.1.ab/1", 2, letter)
    assert queue.claim("host.1.ab/1", 2, 9) == [b"left"]
    assert queue.release("host.1.ab/1", 2) == 1
    assert [fields["payload"] for _, fields in queue.dead_letters()] == [b"bad"]
    assert queue.sizes() == {"waiting": 1, "claimed": 0, "delayed": 0, "dead": 1, "workers": 0}
    [account] = accounts(queue.link, [name])
    assert isinstance(account, Account)
    assert (account.pushed, account.waiting, account.now.done, account.now.buried) == (3, 1, 1, 1)
    left = (name, *(key_prefix(name) + kept for kept in ("dead", "tally")))
    assert set(client.keys()) == {key.encode() for key in left}
    queue.link.close()


@pytest.mark.parametrize("name", ODD, ids=short)
def test_any_name_works(client: Any, name: str) -> None:
    push_and_settle(client, name)


@settings(deadline=None, max_examples=50)
@given(NAMES)
def test_any_name_that_one_can_think_of_works(shared_server: Any, name: str) -> None:
    shared_server.client.flushall()
    push_and_settle(shared_server.client, name)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Redis Cluster of one node, which refuses scripts with keys of several slots."""
    folder: Path = tmp_path_factory.mktemp("cluster") / "node"
    lines = ('save ""', "cluster-enabled yes")
    with closing(Guard()) as guard, closing(Node(guard, folder, *lines)) as node:
        node.ask("CLUSTER", "ADDSLOTS", *range(16_384))
        eventually(lambda: b"cluster_state:ok" in node.ask("CLUSTER", "INFO"), "a cluster")
        yield node.client


def test_server_sees_the_same_slots(cluster: Any) -> None:
    names = [*BRACES, *ODD]
    pipe = cluster.pipeline(transaction=False)
    for name in names:
        for key in [name, *keys_of(name)]:
            pipe.execute_command("CLUSTER", "KEYSLOT", key)
    replies = iter(pipe.execute())
    for name in names:
        seen = set(itertools.islice(replies, 1 + len(SUFFIXES)))
        assert seen == slots([name]), name


@pytest.mark.parametrize("name", ODD, ids=short)
def test_any_name_works_in_a_cluster(cluster: Any, name: str) -> None:
    cluster.flushall()
    push_and_settle(cluster, name)
