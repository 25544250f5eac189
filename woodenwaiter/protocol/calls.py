"""Several scripts, or one on several queues, in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from .link import Link
from .replies import needs_source
from .scripts import Script

Call = tuple[Script, list[str], list[Any]]
"""A script, its keys and its arguments."""


def run_all(link: Link, calls: Sequence[Call]) -> list[Any]:
    """Run all of them in one round trip, or in two where a server does not know them yet; return
    what `Link.exchange` does."""
    numbered = [(len(keys), *keys, *arguments) for _, keys, arguments in calls]
    named = [
        ("EVALSHA", script.sha, *each) for (script, *_), each in zip(calls, numbered, strict=True)
    ]
    outcomes = link.exchange(named)
    unknown = [i for i, outcome in enumerate(outcomes) if _needs_source(outcome)]
    again = link.exchange([("EVAL", calls[i][0].source.encode(), *numbered[i]) for i in unknown])
    for i, outcome in zip(unknown, again, strict=True):
        outcomes[i] = outcome
    return outcomes


def _needs_source(outcome: Any) -> bool:
    return isinstance(outcome, ResponseError) and needs_source(outcome)
