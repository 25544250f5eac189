"""Several commands, scripts above all, in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from .link import Command, Link
from .replies import Meaning, meaning_of, needs_source
from .scripts import Script

Call = tuple[Script, list[str], list[Any]]
"""A script, its keys and its arguments."""


def run_all(link: Link, calls: Sequence[Call], within: float | None = None) -> list[Any]:
    """Run all of them in one round trip, or in two where a server does not know them yet, each of
    ``within`` seconds; return what `Link.exchange` does."""
    return _run_all(link, calls, "", within=within)


def read_all(link: Link, calls: Sequence[Call], along: Sequence[Command] = ()) -> list[Any]:
    """The same for scripts that write nothing, which some users may run only as such: servers know
    of that from Redis 7.0 on. With them go these commands, and their replies come last."""
    outcomes = _run_all(link, calls, "", along)
    refused = [i for i, outcome in enumerate(outcomes[: len(calls)]) if _is_forbidden(outcome)]
    again = _run_all(link, [calls[i] for i in refused], "_RO")
    for i, outcome in zip(refused, again, strict=True):
        if not _is_forbidden(outcome):
            outcomes[i] = outcome
    return outcomes


def answers_to(link: Link, commands: Sequence[Command]) -> list[Any]:
    """What each of these plain commands is answered, in one round trip; raises what one of them
    alone is refused."""
    replies = link.exchange(commands)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def _run_all(
    link: Link,
    calls: Sequence[Call],
    suffix: str,
    along: Sequence[Command] = (),
    within: float | None = None,
) -> list[Any]:
    numbered = [(len(keys), *keys, *arguments) for _, keys, arguments in calls]
    named = [(script.sha, *each) for (script, *_), each in zip(calls, numbered, strict=True)]
    outcomes = link.exchange([(f"EVALSHA{suffix}", *each) for each in named], along, within)
    unknown = [i for i, outcome in enumerate(outcomes[: len(calls)]) if _needs_source(outcome)]
    sources = [(calls[i][0].source.encode(), *numbered[i]) for i in unknown]
    again = link.exchange([(f"EVAL{suffix}", *each) for each in sources], within=within)
    for i, outcome in zip(unknown, again, strict=True):
        outcomes[i] = outcome
    return outcomes


def _needs_source(outcome: Any) -> bool:
    return isinstance(outcome, ResponseError) and needs_source(outcome)


def _is_forbidden(outcome: Any) -> bool:
    return isinstance(outcome, ResponseError) and meaning_of(outcome) is Meaning.FORBIDDEN
