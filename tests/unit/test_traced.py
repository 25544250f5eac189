"""Shared memory in which a housekeeper asks where workers are, and is told."""

from __future__ import annotations

from woodenwaiter.processes.traced import MOST, ROOM, Traced


def test_turns() -> None:
    traced = Traced()
    assert not traced.is_asked
    for workers, texts in (([7, 1], {7: "here", 1: ""}), ([], {}), ([2**40], {2**40: "é\n" * 9})):
        traced.ask(workers)
        assert traced.is_asked
        assert traced.asked() == {*workers}
        traced.tell(texts)
        assert not traced.is_asked
        assert traced.found() == texts


def test_long_texts_share_the_room() -> None:
    traced = Traced()
    traced.ask(range(MOST))
    assert traced.asked() == {*range(MOST)}
    texts = {number: f"begin {number} " + "é\udcff" * ROOM + " end" for number in range(MOST)}
    traced.tell(texts)
    found = traced.found()
    assert found.keys() == texts.keys()
    assert sum(len(text.encode()) for text in found.values()) <= ROOM
    for number, text in found.items():
        assert text.startswith(f"begin {number} ")
        assert text.endswith(" end")


def test_one_has_all_of_it() -> None:
    traced = Traced()
    traced.ask([1])
    traced.tell({1: "x" * (ROOM - 100)})
    assert traced.found() == {1: "x" * (ROOM - 100)}
