"""Tells systemd how its service fares, where it asks for that (``Type=notify``): a datagram each
time, without a package, and without waiting for who reads it."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import MutableMapping
from enum import Enum

from .. import pace
from ..logs import log
from ..processes.row import SETTING_UP
from ..processes.scoreboard import Scoreboard
from .renewal import Renewal
from .slots import Slot, Slots

SOCKET = "NOTIFY_SOCKET"
"""The environment variable with the address to tell it."""


class Phase(Enum):
    """Of a supervisor's life, and what systemd is told then."""

    STARTING = ""
    SERVING = "READY=1\nSTATUS=serving"
    RENEWING = "RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=starting anew"
    LEAVING = "STOPPING=1\nSTATUS=draining"


class Systemd:
    """``due``: when to try again to tell it, if it took nothing."""

    def __init__(self, address: str = "") -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._told = Phase.STARTING
        self._has_served = False
        self.due = math.inf

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Systemd:
        """The one that started this process, if one did. What this process starts is not to speak
        for it."""
        return cls(environment.pop(SOCKET, ""))

    def look(self, slots: Slots, scoreboard: Scoreboard, renewal: Renewal) -> None:
        """Tell it of a new phase, if there is one."""
        if not self._address:
            return
        self.due = math.inf
        if not self._has_served:
            self._has_served = scoreboard.redis_was_usable and _all_queues_are_served(slots)
        phase = self._phase(slots, renewal)
        if phase is not self._told:
            self._tell(phase)

    def _phase(self, slots: Slots, renewal: Renewal) -> Phase:
        if renewal.pid or renewal.is_ready:
            return Phase.RENEWING
        if slots.is_draining:
            return Phase.LEAVING
        return Phase.SERVING if self._has_served else Phase.STARTING

    def _tell(self, phase: Phase) -> None:
        message = phase.value.format(now=time.monotonic_ns() // 1000).encode()
        try:
            if message:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                    sender.sendto(message, socket.MSG_DONTWAIT, self._address)
        except BlockingIOError:  # it has not read for long
            self.due = time.monotonic() + pace.NOTIFY_AGAIN
        except (OSError, ValueError) as error:
            log.warning("%s is of no use: %s", SOCKET, error)
            self._address = ""
        else:
            self._told = phase


def _all_queues_are_served(slots: Slots) -> bool:
    """Whether each has a worker that is through its setup."""
    workers = slots.workers()
    return {slot.queue for slot in workers} == {slot.queue for slot in workers if _is_able(slot)}


def _is_able(slot: Slot) -> bool:
    return bool(slot.child and slot.child.row and slot.child.row.state not in SETTING_UP)
