# mypy: ignore-errors
"""Dramatiq: processes of one thread each."""

from . import Peer
from .dramatiq import COMMAND, push

__all__ = ["PEER", "push"]

PEER = Peer("Dramatiq, 1 thread", (*COMMAND, "--threads", "1"), package="dramatiq", pace=500)
