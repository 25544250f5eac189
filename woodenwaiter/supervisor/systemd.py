"""Tells systemd how its service fares, where it asks for that (``Type=notify``, ``WatchdogSec``): a
datagram each time, without a package, and without waiting for who reads it."""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import MutableMapping
from enum import Enum

from .. import pace
from ..logs import log
from ..processes.scoreboard import Scoreboard
from .condition import summary, unserved_queues
from .renewal import Renewal
from .slots import Slots

SOCKET = "NOTIFY_SOCKET"
"""The environment variable with the address to tell it."""

PATIENCE = "WATCHDOG_USEC"
"""That with the microseconds without a sign of life after which it ends the service, also where it
is told of others."""

WATCHED = "WATCHDOG_PID"
"""That with the pid of who is to give them."""


class Phase(Enum):
    """Of a supervisor's life: what systemd is told of it, and a word for people."""

    STARTING = "", "starting"
    SERVING = "READY=1\n", "serving"
    RENEWING = "RELOADING=1\nMONOTONIC_USEC={now}\n", "starting anew"
    LEAVING = "STOPPING=1\n", "draining"

    def __init__(self, news: str, word: str) -> None:
        self.news = news
        self.word = word


class Systemd:
    """``address``: where to tell it, if it asks for that. ``patience``: seconds without a sign of
    life after which it ends the service. ``due``: when there may be more to tell."""

    def __init__(self, address: str = "", patience: float = math.inf) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._patience = patience
        self._has_served = False
        self._phase: Phase | None = None  # that was told last
        self._status = ""  # that was told since
        self._status_due = 0.0
        self._ping_due = 0.0 if patience < math.inf else math.inf
        self.due = 0.0 if address else math.inf

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Systemd:
        """The one that started this process, if one did. What this process starts is not to speak
        for it."""
        address, micros, pid = (environment.pop(name, "") for name in (SOCKET, PATIENCE, WATCHED))
        is_watched = micros.isdecimal() and int(micros) and pid in ("", str(os.getpid()))
        return cls(address, int(micros) / 1e6 if is_watched else math.inf)

    def look(self, slots: Slots, scoreboard: Scoreboard, renewal: Renewal) -> None:
        """Tell it what is new."""
        self.due = math.inf
        if not self._address:
            return
        if not self._has_served:
            self._has_served = scoreboard.redis_was_usable and not unserved_queues(slots)
        now, phase = time.monotonic(), self._phase_of(slots, renewal)
        if phase is not self._phase:
            is_told = self._tell_phase(phase)
            self._status_due = now + (pace.STATUS if is_told else pace.NOTIFY_AGAIN)
        elif now >= self._status_due:
            is_told = self._tell_status(f"{phase.word}; {summary(slots, scoreboard)}")
            self._status_due = now + (pace.STATUS if is_told else pace.NOTIFY_AGAIN)
        if now >= self._ping_due:
            is_told = self._tell("WATCHDOG=1")
            self._ping_due = now + (self._patience / 2 if is_told else pace.NOTIFY_AGAIN)
        self.due = min(self._status_due, self._ping_due)

    def _phase_of(self, slots: Slots, renewal: Renewal) -> Phase:
        if renewal.pid or renewal.is_ready:
            return Phase.RENEWING
        if slots.is_draining:
            return Phase.LEAVING
        return Phase.SERVING if self._has_served else Phase.STARTING

    def _tell_phase(self, phase: Phase) -> bool:
        news = phase.news.format(now=time.monotonic_ns() // 1000)
        if self._patience < math.inf and phase in (Phase.SERVING, Phase.RENEWING):
            # Whoever starts anew gives no sign of life while it loads the application.
            patience = self._patience if phase is Phase.SERVING else self._patience + pace.TRIAL
            news += f"{PATIENCE}={int(patience * 1e6)}\n"
        if is_told := self._tell(f"{news}STATUS={phase.word}"):
            self._phase, self._status = phase, ""
        return is_told

    def _tell_status(self, status: str) -> bool:
        if status == self._status:
            return True
        if is_told := self._tell(f"STATUS={status}"):
            self._status = status
        return is_told

    def _tell(self, message: str) -> bool:
        """Whether that is done, as far as it can be."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(message.encode(), socket.MSG_DONTWAIT, self._address)
        except BlockingIOError:  # it has not read for long
            return False
        except (OSError, ValueError) as error:
            log.warning("%s is of no use: %s", SOCKET, error)
            self._address = ""
        return True
