"""What parsers are made of, which argparse has no public names for."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

_Commands: TypeAlias = "argparse._SubParsersAction[Any]"


def commands_in(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """Its commands, by name; it need not have any."""
    return (found.choices or {}) if (found := _commands_in(parser)) else {}


def summaries_in(parser: argparse.ArgumentParser) -> Mapping[str, str]:
    """What is said of its commands in its help."""
    found = _commands_in(parser)
    each = found._choices_actions if found else []
    return {action.dest: action.help or "" for action in each}


def command_of(
    parser: argparse.ArgumentParser, given: argparse.Namespace
) -> argparse.ArgumentParser:
    """The one that has been named, or the parser itself."""
    found = _commands_in(parser)
    return commands_in(parser).get(getattr(given, found.dest, ""), parser) if found else parser


def options_of(parser: argparse.ArgumentParser) -> Sequence[str]:
    return [name for action in parser._actions for name in action.option_strings]


def actions_of(parser: argparse.ArgumentParser) -> Sequence[argparse.Action]:
    """Its options and arguments, but for commands."""
    return [a for a in parser._actions if not isinstance(a, argparse._SubParsersAction)]


def _commands_in(parser: argparse.ArgumentParser) -> _Commands | None:
    return next((a for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None)
