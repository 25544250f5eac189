"""Telling supervisors, on whichever host, what signals would tell them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..protocol.errands import ask
from ..protocol.published import Sighting
from .audit import audited
from .desk import Desk

VERBS = ("quiet", "continue", "drain", "restart", "grow", "shrink")

ALL = "all"
"""The name of all of them."""


@dataclass(frozen=True)
class Heard:
    """By a supervisor, on ``host`` with this ``pid``, as far as that is known; ``trouble``: why it
    does not do what it was told."""

    document: str
    host: str
    pid: int | None
    trouble: str


@dataclass(frozen=True)
class Steered:
    """``trouble``: why it stands in no audit."""

    supervisors: Sequence[Heard]
    trouble: str


def named(found: Iterable[Sighting], name: str) -> list[Sighting]:
    """The supervisors that somebody means by the name of a host, by HOST:PID, by the name of a
    document, or by ALL; each once, though it may have several documents here."""
    meant = (seen for seen in found if name in (ALL, *names_of(seen)))
    return [*{seen.name.rpartition("/")[0]: seen for seen in meant}.values()]


def names_of(seen: Sighting) -> Sequence[str]:
    """By which it may be called."""
    return (seen.host.host, called(seen), seen.name) if seen.host else (seen.name,)


def called(seen: Sighting) -> str:
    """The one of these names that says most."""
    return f"{seen.host.host}:{seen.host.pid}" if seen.host else seen.name


def steer(desk: Desk, supervisors: Sequence[Sighting], verb: str) -> Steered:
    """Tell each of them one of VERBS; that takes up to ERRAND_WAIT. Raises what is in
    `link.ServerTrouble`."""
    names = [seen.name for seen in supervisors]
    with audited(desk, f"host {verb}", what=", ".join(map(called, supervisors))) as doing:
        doing.count = len(names)  # unless we hear otherwise
        answers = ask(desk.link, names, verb, {}, who=desk.name)
        heard = [_heard(seen, answers[seen.name].trouble) for seen in supervisors]
        have_heard = [called(seen) for seen in supervisors if not answers[seen.name].trouble]
        doing.count, doing.what = len(have_heard), ", ".join(have_heard)
    return Steered(heard, doing.trouble)


def _heard(seen: Sighting, trouble: str) -> Heard:
    host = seen.host
    return Heard(seen.name, host.host if host else "", host.pid if host else None, trouble)
