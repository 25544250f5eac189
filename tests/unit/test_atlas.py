"""Who serves what in a cluster, by what nodes say, be it nonsense."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import AskError, InvalidResponse, MovedError, ResponseError

from woodenwaiter.protocol.atlas import Atlas, Redirect, redirect_of

A, B, C = ("a", 1), ("b", 2), ("c", 3)


def told(*nodes: Any, low: int = 0, high: int = 16383) -> list[Any]:
    return [low, high, *([host, port, b"id", []] for host, port in nodes)]


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("5 h:6379", ("h", 6379)),
        ("5 10.0.0.1:1", ("10.0.0.1", 1)),
        ("5 ::1:7000", ("::1", 7000)),
        ("5 fe80::2:7000", ("fe80::2", 7000)),
        ("5 :7000", ("asked", 7000)),
    ],
)
def test_redirects(text: str, node: tuple[str, int]) -> None:
    asked = ("asked", 1)
    assert redirect_of(MovedError(text), asked) == Redirect(5, node, once=False)
    assert redirect_of(AskError(text), asked) == Redirect(5, node, once=True)
    assert redirect_of(ResponseError(f"MOVED {text}"), asked) == Redirect(5, node, once=False)


@pytest.mark.parametrize(
    "outcome",
    [
        b"MOVED 5 h:1",
        None,
        [MovedError("5 h:1")],
        ResponseError("ERR MOVED 5 h:1"),
        ResponseError("MOVED"),
        ResponseError("MOVED 5 h"),
        ResponseError("MOVED x h:1"),
        ResponseError("MOVED 16384 h:1"),
        ResponseError("MOVED 5 h:65536"),
        ResponseError("MOVED 5 h:0"),
        ResponseError("MOVED 5 h:1 more"),
        OSError("MOVED 5 h:1"),
    ],
)
def test_what_is_no_redirect(outcome: Any) -> None:
    assert redirect_of(outcome, A) is None


def test_slots_are_those_that_a_node_tells() -> None:
    atlas = Atlas([A])
    assert atlas.is_stale
    assert atlas.way(5) is None
    atlas.read([told((b"b", 2), (b"c", 3), high=9), told((b"c", 3), low=10)], A)
    assert not atlas.is_stale
    assert (atlas.way(9), atlas.way(10)) == (B, C)
    assert atlas.primaries == [B, C]
    assert atlas.peers == [A, B, C]


def test_moved_slot_alone_is_elsewhere() -> None:
    atlas = Atlas([A])
    atlas.read([told((b"a", 1)), told((b"b", 2), low=16384, high=16384)], A)
    assert atlas.follow(Redirect(5, B, once=True)) == B
    assert atlas.way(5) == A
    assert atlas.follow(Redirect(5, B, once=False)) == B
    assert (atlas.way(5), atlas.way(6)) == (B, A)
    assert not atlas.is_stale
    atlas.follow(Redirect(7, C, once=False))
    assert atlas.is_stale  # a stranger: there may be more
    assert C in atlas.peers


def test_who_is_in_trouble_is_asked_last_but_still_known() -> None:
    atlas = Atlas([A, B])
    atlas.read([told((b"a", 1), (b"b", 2))], A)
    atlas.avoid(A)
    assert atlas.is_stale
    assert atlas.peers == [B, A]
    assert atlas.way(5) is None
    assert atlas.owner(5) == A
    atlas.read([told((b"a", 1), (b"b", 2))], B)
    assert atlas.way(5) == A


def test_addresses_are_translated() -> None:
    atlas = Atlas([A], lambda node: ("gate", node[1]))
    atlas.read([told((b"b", 2))], A)
    assert atlas.way(5) == ("gate", 2)
    assert atlas.follow(Redirect(5, C, once=False)) == ("gate", 3)


def test_nodes_without_a_name_are_where_one_asked() -> None:
    atlas = Atlas([A])
    for nameless in (b"", None):
        atlas.read([told((nameless, 7))], A)
        assert atlas.way(5) == ("a", 7)
    atlas.read([[0, 16383, [b"?", 7, b"id", [b"ip", b"10.0.0.1"]]]], A)
    assert atlas.way(5) == ("10.0.0.1", 7)


@pytest.mark.parametrize(
    "slots",
    [
        None,
        1,
        [1],
        [[1]],
        [[1, 2, 3]],
        [[b"x", 2, [b"h", 1, b"id"]]],
        [[0, 1, [b"\xff", 1, b""]]],
        [[0, 1, [b"h"]]],
        [[0, 1, [b"h", None, b"id"]]],
        [[0, 1, [b"?", 1, b"id", [1]]]],
    ],
)
def test_nonsense_is_trouble_and_changes_nothing(slots: Any) -> None:
    atlas = Atlas([A])
    atlas.read([told((b"b", 2))], A)
    with pytest.raises(InvalidResponse):
        atlas.read(slots, A)
    assert atlas.way(5) == B
