"""The scripts that servers run: each a transition that happens whole or not at all."""

from __future__ import annotations

import hashlib
import pkgutil


class Script:
    """``lua/NAME.lua`` behind the prelude that those of queues have in common but one."""

    def __init__(self, name: str, prelude: str = "prelude") -> None:
        self.source = (_source_of(prelude) if prelude else "") + _source_of(name)
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


def _source_of(name: str) -> str:
    """Also from a zip file."""
    source: bytes = pkgutil.get_data(__package__, f"lua/{name}.lua")  # type: ignore[assignment]
    return source.decode()


ENROLL = Script("enroll")
CLAIM = Script("claim")
FAIL = Script("fail")
RELEASE = Script("release")
GIVE_BACK = Script("give_back")
OLDEST_CLAIM = Script("oldest_claim")
TEND = Script("tend")
REQUEUE = Script("requeue")
RIGHTS = Script("rights", prelude="")
SIZES = Script("sizes", prelude="")
LOOK = Script("look", prelude="")
AILING = Script("ailing", prelude="")
PUBLISH = Script("publish", prelude="")
