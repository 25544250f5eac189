# mypy: ignore-errors
"""RQ as it comes: a fork for each job, which imports the application anew."""

from . import Peer
from .rq_simple import COMMAND, push

__all__ = ["PEER", "push"]

PEER = Peer("RQ, fork", COMMAND, package="rq", pace=90)
