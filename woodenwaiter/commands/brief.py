"""Parsers of command lines, whose complaints are one line. Imports little, as probes do."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from ..errors import EXIT_USAGE
from .anatomy import command_of, options_of


class BriefParser(argparse.ArgumentParser):
    """Tells in one line, as text, what it does not understand, and what may have been meant."""

    def error(self, message: str) -> NoReturn:
        from ..text import escaped

        self.exit(EXIT_USAGE, f"{self.prog}: error: {escaped(message)}\n")

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        given, unknown = self.parse_known_args(args, namespace)
        if unknown:
            parser = command_of(self, given)
            parser.error(_unknown(unknown, options_of(parser)))
        return given

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Also of commands; not public, though of each Python so far."""
        if action.choices is not None and value not in action.choices:
            from .similar import hint_at  # with a package that most do without

            choices = [*map(str, action.choices)]
            hint = hint_at(str(value), choices) or f" (choose from {', '.join(choices)})"
            raise argparse.ArgumentError(action, f"invalid choice: {value!r:.100}{hint}")


def _unknown(words: Sequence[str], options: Sequence[str]) -> str:
    from .similar import hint_at

    name = next((word.partition("=")[0] for word in words if word.startswith("-")), "")
    if name:
        return f"unknown option {name:.100}{hint_at(name, options)}"
    return f"one argument too many: {words[0]!r:.100}"
