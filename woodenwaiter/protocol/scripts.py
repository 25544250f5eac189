"""The scripts that servers run: each a transition that happens whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

LUA = Path(__file__).parent / "lua"


class Script:
    """``lua/NAME.lua`` behind the prelude that all have in common."""

    def __init__(self, name: str) -> None:
        prelude = (LUA / "prelude.lua").read_text(encoding="utf-8")
        self.source = prelude + (LUA / f"{name}.lua").read_text(encoding="utf-8")
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


ENROLL = Script("enroll")
CLAIM = Script("claim")
FAIL = Script("fail")
RELEASE = Script("release")
GIVE_BACK = Script("give_back")
OLDEST_CLAIM = Script("oldest_claim")
RENEW = Script("renew")
PROMOTE = Script("promote")
EXPIRED = Script("expired")
REQUEUE = Script("requeue")
