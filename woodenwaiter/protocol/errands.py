"""What people ask supervisors to do, by way of their server.

Who asks leaves an errand in a list, in which a housekeeper looks now and then; it takes each at
most once, and leaves an answer, which is looked for now and then. Either is forgotten after some
time, and nobody waits for the other. Whatever stands in the list may be hostile, and so may an
answer.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from .. import pace
from ..text import shortened
from . import scripts
from .calls import answers_to
from .keys import answer_key, errands_key
from .link import Command, Link

VERSION = 1

MOST_BYTES = 4096
"""Of an errand."""

MOST_WAITING = 64
"""Errands of one supervisor; no more are left there."""

AT_ONCE = 8
"""That it takes, and is busy with."""

MOST_ANSWERED = 1 << 18
"""Bytes of an answer: long texts in it are cut in the middle."""

PORTION = 16
"""Answers that are asked for at once."""

NO_ANSWER = "no answer"


class Errand(NamedTuple):
    """``who`` asks is what they say, and no proof."""

    id: str
    verb: str
    arguments: Mapping[str, Any]
    who: str


class Answer(NamedTuple):
    """What was ``told``; or what the ``trouble`` is."""

    told: Mapping[str, Any]
    trouble: str = ""


# For who asks.


def ask(
    link: Link,
    names: Collection[str],
    verb: str,
    arguments: Mapping[str, Any],
    within: float = pace.ERRAND_WAIT,
    who: str = "",
) -> dict[str, Answer]:
    """What the supervisors whose documents have these names answer, by name; or that one does not,
    after so many seconds. ``who`` asks; or else, this process. Raises what is in
    `link.ServerTrouble`."""
    who = who or f"pid {os.getpid()} on {socket.gethostname()}"
    errands = {name: Errand(secrets.token_hex(16), verb, arguments, who) for name in names}
    left = answers_to(link, [asking(name, errand) for name, errand in errands.items()])
    full = Answer({}, "too much is asked of it already")
    answers = {name: full for name, is_left in zip(names, left, strict=True) if not is_left}
    deadline = time.monotonic() + within
    while (missing := errands.keys() - answers.keys()) and time.monotonic() < deadline:
        time.sleep(pace.ERRAND_POLL)
        for portion in _portions(sorted(missing)):
            replies = answers_to(link, [_look_for(errands[name]) for name in portion])
            for name, reply in zip(portion, replies, strict=True):
                if reply:
                    answers[name] = _answer(reply)
    return {name: answers.get(name, Answer({}, NO_ANSWER)) for name in names}


def _portions(names: list[str]) -> Iterator[list[str]]:
    return (names[start : start + PORTION] for start in range(0, len(names), PORTION))


def asking(name: str, errand: Errand) -> Command:
    source, lifetime = scripts.ASK.source.encode(), int(pace.ERRAND_WAIT * 1000)
    text = _json({"version": VERSION, **errand._asdict()})
    return ("EVAL", source, 1, errands_key(name), text, lifetime, MOST_WAITING)


def _look_for(errand: Errand) -> Command:
    return ("GETRANGE", answer_key(errand.id), 0, MOST_ANSWERED)


def _answer(raw: bytes) -> Answer:
    found = _object(raw)
    if found.get("version") == VERSION:
        told, trouble = found.get("told"), found.get("trouble")
        if isinstance(told, dict) and isinstance(trouble, str):
            return Answer(told, trouble)
    return Answer({}, "its answer cannot be read")


# For who is asked.


def glance(name: str) -> Command:
    """How many errands wait; next to nothing for a server to do."""
    return ("LLEN", errands_key(name))


def taking(name: str, most: int = AT_ONCE) -> Command:
    """Take some; see `errands_in`. By its source, as in `published.publication`."""
    source = scripts.TAKE.source.encode()
    return ("EVAL", source, 1, errands_key(name), most, MOST_BYTES)


def errands_in(reply: Any) -> Iterator[Errand]:
    """Those that are some."""
    for raw in reply if isinstance(reply, list) else ():
        if found := _errand(raw):
            yield found


def _errand(raw: bytes) -> Errand | None:
    found = _object(raw)
    given, verb, arguments, who = (found.get(name) for name in Errand._fields)
    if not (isinstance(given, str) and isinstance(verb, str) and isinstance(who, str)):
        return None
    if found.get("version") != VERSION or not isinstance(arguments, dict):
        return None
    # It becomes a part of a key.
    return Errand(given, verb, arguments, who) if re.fullmatch("[0-9a-f]{32}", given) else None


def answering(errand: Errand, answer: Answer) -> Command:
    text = encoded(answer)
    return ("SET", answer_key(errand.id), text, "PX", int(pace.ANSWER_KEPT * 1000))


def encoded(answer: Answer) -> bytes:
    """In no more than MOST_ANSWERED."""
    most = MOST_ANSWERED
    while most > 1:
        text = _json({"version": VERSION, **_cut(answer._asdict(), most)})
        if len(text) <= MOST_ANSWERED:
            return text
        most //= 2
    return encoded(Answer({}, "its answer is too long"))


def _cut(value: Any, most: int) -> Any:
    """Each text in it."""
    if isinstance(value, Mapping):
        return {name: _cut(each, most) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(each, most) for each in value]
    return shortened(value, most) if isinstance(value, str) else value


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
