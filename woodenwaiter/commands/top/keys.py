"""The keys of ``top``: one line for each, and an ``action_…`` of the screen."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """``keys``: as the screen's library calls them; ``shown``: as people do; ``brief``: what the
    last line of the screen says, if anything."""

    keys: str
    action: str
    shown: str
    brief: str
    meaning: str


KEYS = (
    Key("up,k", "move(-1)", "↑ k", "", "the queue above"),
    Key("down,j", "move(1)", "↓ j", "", "the queue below"),
    Key("home,g", "move(-1000000)", "Home g", "", "the first queue"),
    Key("end,G", "move(1000000)", "End G", "", "the last queue"),
    Key("pageup,ctrl+b", "page(-1)", "PgUp", "", "a page up: of the pane, where one is open"),
    Key("pagedown,ctrl+f,space", "page(1)", "PgDn", "", "a page down, likewise"),
    Key("enter", "pane('queue')", "Enter", "queue", "the last hour and the first tasks of a queue"),
    Key("h", "pane('hosts')", "h", "hosts", "supervisors, and how they fare"),
    Key("r", "pane('running')", "r", "running", "the tasks that run, the longest one first"),
    Key("escape", "close", "Esc", "", "close the pane; show all queues again"),
    Key("slash", "filter", "/", "filter", "show only queues whose name has a text"),
    Key("s", "sort(1)", "s", "sort", "in another order"),
    Key("S", "sort(-1)", "S", "", "in the order before"),
    Key("question_mark", "pane('help')", "?", "help", "these keys"),
    Key("q,ctrl+c", "leave", "q", "quit", "leave"),
)
