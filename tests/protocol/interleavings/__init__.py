"""Every order in which workers, housekeepers and faults can meet in a small scope.

What workers and housekeepers decide is the product's own: `Claims`, `Sights`, `Takeover`. What they
ask of Redis runs on a real server, through `Queue`. Only what carries the one to the other is
modelled here: requests that are lost or late, deaths, the scoreboard's words, time.

Workers live on hosts of their own: each has a housekeeper that knows its scoreboard, and every
housekeeper looks after expired leases.
"""

from .explorer import Explorer
from .server import Server, Violation
from .world import Faults

__all__ = ["Explorer", "Faults", "Server", "Violation"]
