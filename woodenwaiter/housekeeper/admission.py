"""Whether a server may be used, found out at the start."""

from __future__ import annotations

import time
from collections.abc import Iterable

from .. import pace
from ..errors import RedisUnusable
from ..protocol.capacity import explained
from ..protocol.client import Client
from ..protocol.introduction import introduced
from ..protocol.link import Link, ServerTrouble, require_usable, unusable
from ..protocol.outage import Outage
from ..protocol.rights import RightsMissing, require_rights


class Admission:
    """To the server of ``client``, which has this ``address`` and counts as gone after ``timeout``
    seconds of silence."""

    def __init__(self, client: Client, lease: float, timeout: float, address: str) -> None:
        self._client = client
        self._timeout = timeout
        self._lack = Outage(f"Redis at {address}", lease)  # of rights
        self._is_lacking = False
        self.is_reached = False
        """Whether there is a server, whatever it allows."""

    def try_out(
        self, deadline: float, queues: Iterable[str], outage: Outage, connections: int
    ) -> bool:
        """Whether the server is usable for these queues, as far as it is time for another try;
        ``connections``: that are needed.

        Raises RedisUnusable after ``deadline``, or at once where time will not help. Where only
        rights are missing, it is to be attended meanwhile: workers do what they may.
        """
        if time.monotonic() < min(max(outage.retry_at, self._lack.retry_at), deadline):
            return False
        left = max(pace.LEAST_TRY, deadline - time.monotonic())
        link = Link(self._client, min(self._timeout, left), introduced("housekeeper"))
        try:
            require_usable(link)
            self.is_reached = True
            require_rights(link, queues)
        except RightsMissing as error:
            if time.monotonic() >= deadline:
                raise RedisUnusable(f"Redis at {link.address}: {error}") from None
            self._lack.note(error)
            self._is_lacking = True
            return False
        except ServerTrouble as error:
            if time.monotonic() >= deadline:
                raise unusable(link.address, explained(error, connections)) from None
            outage.note(explained(error, connections))
            return False
        finally:
            link.close()
        outage.over()
        self._is_lacking = False
        return True

    def is_well(self) -> None:
        """Nothing is wrong with the server just now."""
        if not self._is_lacking:
            self._lack.over()
