"""``woodenwaiter host``: what signals tell a supervisor, from anywhere."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import chain

from ..errors import EXIT_UNKNOWN, StartupError
from ..protocol.link import Link
from ..protocol.published import Sighting, published, running
from ..text import escaped, listed
from ..verbs.desk import desk_of_this_process
from ..verbs.hosts import ALL, Heard, called, named, names_of, steer
from ..verbs.words import HEARD
from .asking import require_consent
from .documents import document
from .hosts import view_of_tasks
from .parsers import Commands, Parents
from .similar import hint_at
from .terminal import complain
from .views import show


class NoSuchHost(StartupError):
    """No supervisor of that name tells of itself."""

    exit_code = EXIT_UNKNOWN


def add_steering(commands: Commands, parents: Parents) -> None:
    command = commands.add_parser(
        "host", parents=[parents.changing], help="tell supervisors what signals would tell them"
    )
    command.add_argument(
        "name", metavar="NAME", help="of a host, as status --hosts has it; HOST:PID; or all"
    )
    command.add_argument("verb", choices=(*HEARD, "trace"), help="what it is to do")
    command.set_defaults(run=steer_host, watch=None)


def steer_host(given: argparse.Namespace, link: Link) -> int:
    supervisors = _chosen(published(link), given.name)
    if given.verb == "trace":
        tasks = running(supervisors)
        return show(given, link, lambda: view_of_tasks(link, supervisors, tasks, None, traced=True))
    if given.verb == "drain":
        number, some = len(supervisors), listed([*map(called, supervisors)])
        them = f"{number} supervisor{'s' * (number > 1)}: {some}"
        require_consent(given, f"drain {them}, which nothing here can start again")
    steered = steer(desk_of_this_process(link), supervisors, given.verb)
    if given.json:
        print(document(verb=given.verb, supervisors=steered.supervisors))
    else:
        for each in steered.supervisors:
            _print(each, given.verb)
    if steered.trouble:
        complain(steered.trouble)
    return EXIT_UNKNOWN if any(each.trouble for each in steered.supervisors) else 0


def _chosen(found: Sequence[Sighting], name: str) -> Sequence[Sighting]:
    """Raises NoSuchHost where there is none."""
    if chosen := named(found, name):
        return chosen
    names = [*chain.from_iterable(map(names_of, found))]
    if name == ALL or not names:
        raise NoSuchHost("no supervisor is to be seen here")
    raise NoSuchHost(f"no such host: nothing is seen of {name}{hint_at(name, names)}")


def _print(heard: Heard, verb: str) -> None:
    who = f"{heard.host}, pid {heard.pid}" if heard.host else heard.document
    if heard.trouble:
        complain(f"{who}: {heard.trouble}")
    else:
        print(escaped(f"{who}: {HEARD[verb]}"))
