"""The scripts that servers run: each a transition that happens whole or not at all."""

from __future__ import annotations

import hashlib
import pkgutil
from collections.abc import Sequence


class Script:
    """``lua/NAME.lua`` behind what it has in common with others."""

    def __init__(self, name: str, preludes: Sequence[str] = ("prelude",)) -> None:
        self.source = "".join(map(_source_of, (*preludes, name)))
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
IMPORT = Script("import")
TRIM = Script("trim")
PAUSE = Script("pause", ("prelude", "pausing"))
RESUME = Script("resume", ("prelude", "pausing"))
DISCARD = Script("discard", ("prelude", "trash"))
PURGE = Script("purge", ("prelude", "trash"))
PUT = Script("put", ())
SETTLE = Script("settle")
RESTORE = Script("restore", ("prelude", "trash"))
EMPTY = Script("empty", ("prelude", "trash"))
BEAT = Script("beat", ("prelude", "held", "account"))
TIMES = Script("times", ())
HISTORY = Script("history", ("held", "account"))
RIGHTS = Script("rights", ())
SIZES = Script("sizes", ("held",))
REMAINS = Script("remains", ("held",))
LOOK = Script("look", ("naming",))
AILING = Script("ailing", ())
TRASHES = Script("trashes", ())
SEEK = Script("seek", ("naming",))
PUBLISH = Script("publish", ())
AUDIT = Script("audit", ())
ASK = Script("ask", ())
TAKE = Script("take", ())
CANCEL = Script("cancel", ("prelude", "naming"))
CLAIMED = Script("claimed", ("naming",))
