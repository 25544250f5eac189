"""A plain redis-py loop: BRPOP, one task at a time. What it held when it died is lost."""

from __future__ import annotations

import json

from ..loop import client, plain, push
from ..task import QUEUE, handle

__all__ = ["PEER", "push", "work"]

PEER = plain("plain_brpop", "plain loop, BRPOP", pace=16_000)


def work() -> None:
    while True:
        if found := client.brpop(QUEUE, 1):
            handle(json.loads(found[1]))
