"""Whether the server lets its user do all that serving a queue takes: found out at the start, not
when a task has failed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from redis.exceptions import NoPermissionError, ResponseError

from . import scripts
from .keys import Keys, key_prefix
from .link import Link
from .replies import reply_of

MOST_TOLD = 3
"""Of what is refused; and of the queues whose keys are."""


class RightsMissing(NoPermissionError):
    """Says what is refused, and the line that allows it."""


class _Refused:
    """What is refused, of all queues together."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.commands: dict[str, None] = {}
        self.queues: dict[str, None] = {}

    def note(self, queue: str, command: str, key: str, *, is_key: bool) -> None:
        self.requests.append(f"{command} {key}".rstrip())
        if is_key:
            self.queues[queue] = None
        else:
            self.commands[f"+{command.lower()}"] = None

    def told(self, user: str) -> str:
        requests = list(dict.fromkeys(self.requests))
        more = f" and {len(requests) - MOST_TOLD} more" if len(requests) > MOST_TOLD else ""
        keys = [_patterns(queue) for queue in [*self.queues][:MOST_TOLD]]
        keys += ["…"] if len(self.queues) > MOST_TOLD else []
        line = " ".join(["ACL SETUSER", user, *keys, *self.commands])
        refused = f"{', '.join(requests[:MOST_TOLD])}{more}"
        return f"{refused}: refused to user {user}, whom this allows it: {line}"


def require_rights(link: Link, queues: Iterable[str]) -> None:
    """Raises RightsMissing where these queues could not be served, and what else is in
    ServerTrouble."""
    refused = _Refused()
    for queue in queues:
        for command, key, is_key in _refused_of(link, queue):
            refused.note(queue, command, key, is_key=is_key)
    if refused.requests:
        raise RightsMissing(refused.told(_user_of(link)))


def _refused_of(link: Link, queue: str) -> list[tuple[str, str, bool]]:
    try:
        found = link.run(scripts.RIGHTS, [queue], Keys(queue).of_trial())
    except ResponseError as error:
        reply = reply_of(error)
        if reply.code != "NOPERM":
            return []  # the first look will tell
        is_key = "key" in reply.text
        return [("EVAL", queue if is_key else "", is_key)]
    return [(command.decode(), key.decode(errors="replace"), bool(n)) for command, key, n in found]


def _patterns(queue: str) -> str:
    return " ".join(f"~{_literal(start)}" for start in (queue, key_prefix(queue))) + "*"


def _literal(text: str) -> str:
    """What is no pattern to the server."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", text)


def _user_of(link: Link) -> str:
    try:
        name: bytes = link.call("ACL", "WHOAMI")
    except ResponseError:
        return unquote(urlsplit(link.address).username or "default")
    return name.decode(errors="replace")
