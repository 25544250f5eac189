"""Threads and locks of the system's. To be imported before the application: gevent, say, makes
something else of Python's, that waits for a loop which does not run here."""

from __future__ import annotations

from _thread import LockType as Lock
from _thread import allocate_lock as lock
from _thread import start_new_thread as start

__all__ = ["Lock", "lock", "start"]
