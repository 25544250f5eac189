"""The screen of ``top`` in a terminal: it draws, and heeds keys. All else is elsewhere."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from ... import pace
from .grid import Line
from .keys import KEYS
from .picture import picture
from .reader import Reader
from .rows import rows_of
from .sight import Sight, Wanted
from .view import View

COLOURS = ("red", "yellow", "green")

STYLES = {style: style for style in ("", "bold", "dim", "reverse", *COLOURS)}


class Seen(Message):
    """There was another look."""

    def __init__(self, sight: Sight) -> None:
        super().__init__()
        self.sight = sight


class Canvas(Widget):
    """All of the screen; ``drawn`` returns its lines, for so many columns and so many lines."""

    def __init__(self, drawn: Callable[[int, int], Sequence[Line]], *, is_coloured: bool) -> None:
        super().__init__()
        self._drawn = drawn
        self._lines: Sequence[Line] = ()
        self._styles = STYLES if is_coloured else {**STYLES, **dict.fromkeys(COLOURS, "")}

    def render(self) -> Text:
        return Text("\n").join(map(self._text, self._lines))

    def _text(self, line: Line) -> Text:
        parts = ((text, self._styles[style]) for text, style in line)
        return Text.assemble(*parts, no_wrap=True, end="")

    def draw(self) -> None:
        """Send the terminal what has changed."""
        former, self._lines = self._lines, self._drawn(*self.size)
        if len(former) != len(self._lines):
            self.refresh()
        for y, lines in enumerate(zip(former, self._lines, strict=False)):
            if lines[0] != lines[1]:
                self.refresh(Region(0, y, self.size.width, 1))

    def on_resize(self) -> None:
        self.draw()
        self.refresh()


class Top(App[int]):
    """``sight``: the first one; ``seconds``: between two of them; ``is_coloured``: whether colours
    are wanted."""

    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    CSS = """
    Canvas { height: 1fr; }
    Input { height: 1; border: none; padding: 0; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        # Those that follow "filter" at once, as on a slow line, are the text.
        Binding(key.keys, key.action, key.meaning, show=False, priority=key.action == "filter")
        for key in KEYS
    ]

    def __init__(
        self, reader: Reader, sight: Sight, seconds: float, *, is_coloured: bool = True
    ) -> None:
        super().__init__()
        self.theme = "ansi-dark"
        self.view = View(seconds)
        self._reader = reader
        self._sight = sight
        self._is_coloured = is_coloured

    def compose(self) -> ComposeResult:
        yield Canvas(self.drawn, is_coloured=self._is_coloured)
        yield Input(placeholder="a part of the queues' names", compact=True)

    def on_mount(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.action_leave)
        self._reader.start(lambda sight: self.post_message(Seen(sight)))
        self.set_interval(pace.CLOCK, self.draw)

    def on_unmount(self) -> None:
        self._reader.stop()

    def on_seen(self, message: Seen) -> None:
        self._sight = message.sight
        self.draw()

    # Drawing.

    def draw(self) -> None:
        self.query_one(Canvas).draw()

    def drawn(self, width: int, height: int) -> Sequence[Line]:
        shown = picture(self.view, self._sight, width, height, time.monotonic())
        opened = self.view.selected if self.view.pane == "queue" else ""
        wanted = Wanted(shown.visible, opened)
        former, self._reader.wanted = self._reader.wanted, wanted
        if wanted.opened != former.opened or not former.visible:  # as others come by themselves
            self._reader.hurry()
        return shown.lines

    # Keys.

    def action_move(self, by: int) -> None:
        self.view.move(rows_of(self._sight, self.view.order, self.view.text), by)
        self.draw()

    def action_page(self, by: int) -> None:
        page = max(1, self.size.height // 2 - 2)
        if self.view.pane:
            self.view.scrolled += by * page
            self.draw()
        else:
            self.action_move(by * page)

    def action_pane(self, pane: str) -> None:
        self.action_move(0)  # what is first stays selected when it is first no more
        self.view.open(pane)
        self.draw()

    def action_close(self) -> None:
        if self._input.display:
            self._input.value = ""
            self._close_input()
        else:
            self.view.back()
        self.draw()

    def action_sort(self, by: int) -> None:
        self.view.sort(by)
        self.draw()

    def action_leave(self) -> None:
        self.exit(0)

    # The filter.

    @property
    def _input(self) -> Input:
        return self.query_one(Input)

    def _close_input(self) -> None:
        self._input.display = False
        self.screen.set_focus(None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A slash may be a part of a name."""
        return not (action == "filter" and self._input.display)

    def action_filter(self) -> None:
        self._input.display = True
        self._input.value = self.view.text
        self.screen.set_focus(self._input)

    def on_input_changed(self, changed: Input.Changed) -> None:
        self.view.text = changed.value
        self.draw()

    def on_input_submitted(self) -> None:
        self._close_input()
