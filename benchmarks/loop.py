"""What the plain loops among the peers share: a client, a producer, and a start."""

from __future__ import annotations

import json
import os
from typing import Any

import redis

from .peers import Peer
from .task import QUEUE, URL, Foods

CLAIMS = f"{QUEUE}:claims:{os.getpid()}"
client: Any = redis.Redis.from_url(URL)


def plain(name: str, title: str, pace: int) -> Peer:
    command = ("-c", f"from benchmarks.peers import {name}; {name}.work()")
    return Peer(title, command, pace=pace, pool=False)


def push(tasks: list[Foods]) -> None:
    client.lpush(QUEUE, *map(json.dumps, tasks))
