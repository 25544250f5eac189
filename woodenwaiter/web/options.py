from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    late: float = 300.0
    redact: Sequence[str] = ()
    read_only: bool = False
