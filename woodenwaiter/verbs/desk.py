"""Where an operator sits."""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass

from ..protocol.link import Link


@dataclass(frozen=True)
class Desk:
    """``link``: to the server where all is done. ``who`` sits there, ``where``: what they say of
    themselves, and no proof."""

    link: Link
    who: str
    where: str

    @property
    def name(self) -> str:
        """As others are told."""
        return f"{self.who} at {self.where}"


def desk_of_this_process(link: Link) -> Desk:
    """The desk of whoever runs it, on this host."""
    try:
        who = getpass.getuser()
    except (KeyError, OSError):  # nobody in particular, as in a container
        who = "?"
    return Desk(link, who, socket.gethostname())
