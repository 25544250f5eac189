"""A script for many queues in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from .link import Link
from .replies import Meaning, meaning_of, needs_source
from .scripts import Script

Given = tuple[list[str], list[Any]]
"""Keys and arguments."""


def run_all(link: Link, script: Script, given: Sequence[Given]) -> list[Any]:
    """Run a script as often as there are keys and arguments, all in one round trip; return what
    `Link.exchange` does."""
    return _run_all(link, script, given, "")


def read_all(link: Link, script: Script, given: Sequence[Given]) -> list[Any]:
    """The same for a script that writes nothing, which some users may run only as such: servers
    know of that from Redis 7.0 on."""
    outcomes = _run_all(link, script, given, "")
    refused = [i for i, outcome in enumerate(outcomes) if _is_forbidden(outcome)]
    if refused:
        again = _run_all(link, script, [given[i] for i in refused], "_RO")
        for i, outcome in zip(refused, again, strict=True):
            if not _is_forbidden(outcome):
                outcomes[i] = outcome
    return outcomes


def _run_all(link: Link, script: Script, given: Sequence[Given], suffix: str) -> list[Any]:
    numbered = [(len(keys), *keys, *arguments) for keys, arguments in given]
    outcomes = link.exchange([(f"EVALSHA{suffix}", script.sha, *each) for each in numbered])
    unknown = [i for i, outcome in enumerate(outcomes) if _needs_source(outcome)]
    if unknown:
        source = script.source.encode()
        again = link.exchange([(f"EVAL{suffix}", source, *numbered[i]) for i in unknown])
        for i, outcome in zip(unknown, again, strict=True):
            outcomes[i] = outcome
    return outcomes


def _needs_source(outcome: Any) -> bool:
    return isinstance(outcome, ResponseError) and needs_source(outcome)


def _is_forbidden(outcome: Any) -> bool:
    return isinstance(outcome, ResponseError) and meaning_of(outcome) is Meaning.FORBIDDEN
