"""Random numbers in workers: generators that an import has made, or seeded, would give the same
draws in every worker, and in every replacement."""

from __future__ import annotations

import sys

from ..logs import log

LIBRARIES = ("random", "numpy.random", "torch")
"""Those that have a global generator, and a ``seed()`` that seeds it from the system's entropy.
Python itself does that at each fork with its own, but an import may come after that."""


def reseed() -> None:
    """Seed anew what the application has loaded. What fails is told: a library's trouble is no
    reason not to work."""
    for name in LIBRARIES:
        try:
            if seed := getattr(sys.modules.get(name), "seed", None):
                seed()
        except Exception as error:
            log.warning("%s cannot be seeded: workers may draw the same numbers: %r", name, error)
