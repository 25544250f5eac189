"""What the parsers of ``woodenwaiter``'s commands have in common."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TypeAlias

from .terminal import BriefParser

Commands: TypeAlias = "argparse._SubParsersAction[BriefParser]"


@dataclass(frozen=True)
class Parents:
    """Options that commands share: of a ``server``; ``common``: the same, and ``--json``;
    ``changing``: those of what changes something, and can't be taken back, besides."""

    server: BriefParser
    common: BriefParser
    changing: BriefParser


def parents() -> Parents:
    server = BriefParser(add_help=False, argument_default=argparse.SUPPRESS)
    server.add_argument(
        "--redis", metavar="URL", help="its address (WOODENWAITER_REDIS_URL, or localhost)"
    )
    server.add_argument(
        "--redis-password-file", metavar="FILE", help="has its password (…_REDIS_PASSWORD_FILE)"
    )
    common = BriefParser(add_help=False, parents=[server])
    common.add_argument("--json", action="store_true", help="for programs, as README.rst says")
    changing = BriefParser(add_help=False, parents=[common])
    changing.add_argument("--yes", action="store_true", help="do it without asking")
    return Parents(server, common, changing)
