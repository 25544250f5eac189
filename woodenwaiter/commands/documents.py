"""What programs read: JSON, a document a line, in ASCII. A name is only ever added to what is
there; should one change its meaning, the version does."""

from __future__ import annotations

import json
from typing import Any

VERSION = 1


def document(**parts: Any) -> str:
    return json.dumps({"version": VERSION, **parts}, default=vars)
