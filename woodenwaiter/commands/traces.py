"""Where tasks are now, in lines."""

from __future__ import annotations

from collections.abc import Sequence

from ..text import escaped
from ..verbs.traces import Trace

MARGIN = "    "


def lines_of(trace: Trace) -> Sequence[str]:
    """As they stand below a task."""
    text = trace.of_handler if trace.text else trace.trouble
    return [MARGIN + escaped(line) for line in text.split("\n")]
