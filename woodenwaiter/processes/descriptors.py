"""How many descriptors a process may have open."""

from __future__ import annotations

import resource
from contextlib import suppress

Limits = tuple[int, int]
"""The one that holds, and how far it may be raised."""


def allow_descriptors(number: int) -> Limits:
    """Let this process have so many, as far as it may; returns the limits as they were."""
    former = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        number = min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < number:
        set_limits((number, hard))
    return former


def set_limits(limits: Limits) -> None:
    with suppress(OSError, ValueError):  # macOS has limits of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def descriptors_allowed() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
