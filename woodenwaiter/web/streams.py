"""What a viewer hears, for as long as they look: events of the server, as browsers read them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

from .. import pace
from .boards import Board, News

Begin = Callable[[], object]


async def stream(boards: Sequence[Board], begin: Begin) -> AsyncIterator[bytes]:
    """The news of these boards, of which the first says what time it is, and what is wrong;
    ``begin`` is called when somebody watches them."""
    loop, news = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(news.set)

    who = object()
    for board in boards:
        board.watch(who, wake)
    begin()
    try:
        async for message in _messages(boards, news):
            yield message
    finally:
        for board in boards:
            board.leave(who)


async def _messages(boards: Sequence[Board], news: asyncio.Event) -> AsyncIterator[bytes]:
    known = [0] * len(boards)
    while True:
        news.clear()
        if boards[0].is_known:
            fresh = [board.since(version) for board, version in zip(boards, known, strict=True)]
            if is_full := any(each.is_full for each in fresh):
                fresh = [board.since(0) for board in boards]
            yield _message(boards[0], fresh, is_full=is_full)
            known = [each.version for each in fresh]
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(news.wait(), pace.STREAM_ALIVE)


def _message(first: Board, fresh: Sequence[News], *, is_full: bool) -> bytes:
    """JSON that is put together of what is JSON already."""
    told = {"now": round(first.now, 3), "full": is_full, "trouble": first.trouble}
    parts = ",".join(
        f"{json.dumps(name)}:{text}" for each in fresh for name, text in each.parts.items()
    )
    gone = [name for each in fresh for name in each.gone]
    head = json.dumps({**told, "gone": gone}).removesuffix("}")
    return f'data: {head},"parts":{{{parts}}}}}\n\n'.encode()
