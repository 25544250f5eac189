"""``woodenwaiter dead``, ``show``, ``requeue``, ``drop``, ``export``, ``import``: dead letters."""

from __future__ import annotations

from ..parsers import Commands, Parents
from ..terminal import duration, number, per_second
from .carrying import export_letters, import_letters
from .choosing import add_choice, add_filters
from .looking import show_dead, show_letters
from .moving import drop_letters, requeue_letters


def add_letters(commands: Commands, parents: Parents) -> None:
    dead = commands.add_parser(
        "dead", parents=[parents.common], help="a queue's dead letters, by what went wrong"
    )
    dead.add_argument("queue", metavar="TABLE:DISH")
    dead.add_argument("--list", action="store_true", help="one by one, oldest first")
    dead.add_argument("--most", type=number, default=50, metavar="N", help="how many to show (50)")
    add_filters(dead)
    dead.set_defaults(run=show_dead)

    show = commands.add_parser("show", parents=[parents.common], help="print dead letters whole")
    add_choice(show)
    show.set_defaults(run=show_letters)
    _add_moves(commands, parents)
    _add_carriage(commands, parents)


def _add_moves(commands: Commands, parents: Parents) -> None:
    requeue = commands.add_parser(
        "requeue", parents=[parents.common], help="put dead letters back into the queue"
    )
    add_choice(requeue)
    requeue.add_argument("--edit", action="store_true", help="its payload, in $VISUAL or $EDITOR")
    requeue.add_argument(
        "--delay", type=duration, default=0.0, metavar="TIME", help="to be run so much later"
    )
    requeue.add_argument(
        "--rate", type=per_second, metavar="N/s", help="no more than so many a second"
    )
    requeue.set_defaults(run=requeue_letters)
    drop = commands.add_parser(
        "drop", parents=[parents.changing], help="move dead letters to a trash, for a day"
    )
    add_choice(drop)
    drop.set_defaults(run=drop_letters)


def _add_carriage(commands: Commands, parents: Parents) -> None:
    export = commands.add_parser(
        "export", parents=[parents.common], help="print dead letters as lines of JSON"
    )
    add_choice(export)
    export.add_argument("--to", metavar="FILE", help="a new one, instead of stdout")
    export.set_defaults(run=export_letters)
    back = commands.add_parser(
        "import", parents=[parents.changing], help="add what was exported to the dead letters"
    )
    back.add_argument("queue", metavar="TABLE:DISH")
    back.add_argument("file", metavar="FILE", help="or - for stdin")
    back.set_defaults(run=import_letters)
