"""Which dead letters are meant: by their names, by what they have, or all."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from ...errors import EXIT_UNKNOWN, StartupError
from ...protocol.alike import NAME
from ...protocol.letters import Filter
from ...protocol.link import Link
from ...protocol.queue import Queue
from ...verbs.letters import Choice, NoSuchLetter, described, named, sought
from ..known import require_known
from ..steps import seen_to
from ..terminal import BriefParser, complain, duration, some_text

ALL = "all"

LETTER = re.compile(r"\d{1,20}-\d{1,20}", re.ASCII)

FILTERS = ("older", "newer", "reason", "error", "text", "group")


def group_name(text: str) -> str:
    """As ``dead`` shows it."""
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"a group as woodenwaiter dead shows it, not {text!r:.50}")
    return text


def add_filters(command: BriefParser) -> None:
    """The options that say which letters are meant: all of them hold."""
    for option, kind, metavar, summary in (
        ("--older", duration, "TIME", "that are older than 90, 90s, 10m, 2h, 1d"),
        ("--newer", duration, "TIME", "that are newer"),
        ("--reason", some_text, "TEXT", "with this in their reason"),
        ("--error", some_text, "TEXT", "with this in their error"),
        ("--text", some_text, "TEXT", "with this in their payload"),
        ("--group", group_name, "GROUP", "that are alike, as dead shows them"),
    ):
        command.add_argument(option, type=kind, metavar=metavar, help=summary)


def add_choice(command: BriefParser) -> None:
    """The queue, and which of its letters are meant."""
    command.add_argument("queue", metavar="TABLE:DISH")
    command.add_argument(
        "letters", nargs="*", metavar="LETTER", help="as dead --list shows it; or all"
    )
    add_filters(command)


def filter_of(given: argparse.Namespace) -> Filter:
    told = {name: getattr(given, name) for name in FILTERS}
    return Filter(**{name: value for name, value in told.items() if value is not None})


def chosen(given: argparse.Namespace, link: Link) -> Choice:
    """The letters that are meant; raises StartupError where none are, and NoSuchLetter where a
    filter lets none through."""
    what = filter_of(given)
    if names := _names(given, what):
        choice = named(link, given.queue, names)
    else:
        with seen_to() as progress:
            choice = sought(link, given.queue, what, progress.show)
    if not choice.picks:
        require_known(Queue(link, given.queue, lease=1))
        if not names:
            require_some(given, what)
    return choice


def complain_of_missing(given: argparse.Namespace, choice: Choice) -> int:
    """Of letters that were named, and are not there: what is done is done with the others. Returns
    the exit code."""
    for name in choice.missing:
        complain(f"there is no dead letter {name} in {given.queue}")
    return EXIT_UNKNOWN if choice.missing else 0


def require_some(given: argparse.Namespace, what: Filter) -> None:
    """Nothing was found; raises NoSuchLetter unless that is for want of any dead letters."""
    if what != Filter():
        raise NoSuchLetter(f"there is no such dead letter in {given.queue}: {described(what)}")


def _names(given: argparse.Namespace, what: Filter) -> Sequence[str]:
    """Of single letters; none: all that the filter lets through."""
    if given.letters in ([], [ALL]):
        if not given.letters and what == Filter():
            raise StartupError(
                f"which dead letters of {given.queue}? Name some, as woodenwaiter dead --list "
                "shows them; or say which by --group, --error and the like; or all"
            )
        return ()
    for name in given.letters:
        if not LETTER.fullmatch(name):
            raise StartupError(
                f"{name} is no dead letter's name: woodenwaiter dead {given.queue} --list has them"
            )
    if what != Filter():
        raise StartupError("name dead letters, or say which by --group and the like, not both")
    return list(dict.fromkeys(given.letters))
