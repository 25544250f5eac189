"""Asking sentinels where the primary of a service is."""

from __future__ import annotations

import re
from typing import Any

import redis
from redis.exceptions import AuthenticationError, ResponseError
from redis.sentinel import MasterNotFoundError

from .client import Source
from .replies import (
    LOGIN_OF_SENTINEL,
    NO_PRIMARY,
    NO_SENTINEL,
    NO_SERVICE,
    Meaning,
    meaning_of,
    reply_of,
)
from .wire import settings_of


class Guide:
    """What a connection of redis-py asks where to connect, in the place of its pool: within
    ``timeout`` seconds in all, and without connections that stay open in each process."""

    is_master = True
    check_connection = False

    def __init__(self, source: Source, timeout: float) -> None:
        self.service_name = source.service
        self._manager = source.options["connection_pool"].sentinel_manager
        share = timeout / len(self._manager.sentinels)
        self._sentinels = [_hasty(sentinel, share) for sentinel in self._manager.sentinels]
        self._failed: set[Any] = set()

    def get_master_address(self) -> tuple[str, int]:
        """Raises MasterNotFoundError, which says what each sentinel does."""
        answers: dict[str, list[str]] = {}
        for sentinel in [*self._sentinels]:
            try:
                address = self._address_by(sentinel)
            except (redis.RedisError, OSError) as error:
                answers.setdefault(_told(error), []).append(_name_of(sentinel))
                self._failed.add(sentinel)
            else:
                self._failed.discard(sentinel)
                return address
            finally:
                sentinel.connection_pool.disconnect()
                self._put_back(sentinel)
        told = "; ".join(f"{answer} ({', '.join(names)})" for answer, names in answers.items())
        raise MasterNotFoundError(f"{NO_PRIMARY} {self.service_name}: {told}")

    def _put_back(self, sentinel: Any) -> None:
        """The next time another one comes first, as this one may not know what it should; and those
        that failed come last."""
        self._sentinels.remove(sentinel)
        self._sentinels.append(sentinel)
        self._sentinels.sort(key=self._failed.__contains__)

    def _address_by(self, sentinel: Any) -> tuple[str, int]:
        services = sentinel.sentinel_masters()
        state = services.get(self.service_name)
        if not state:
            known = ", ".join(services) or "none"
            raise MasterNotFoundError(f"{NO_SERVICE}, of those that it knows: {known}")
        if not self._manager.check_master_state(state, self.service_name):
            raise MasterNotFoundError("the primary is down")
        forced = getattr(self._manager, "_force_master_ip", None)
        return forced or state["ip"], state["port"]


def _hasty(sentinel: redis.Redis, timeout: float) -> Any:
    pool = sentinel.connection_pool
    settings = settings_of(pool.connection_kwargs, timeout)
    return redis.Redis(
        connection_pool=redis.ConnectionPool(connection_class=pool.connection_class, **settings)
    )


def _name_of(sentinel: redis.Redis) -> str:
    options = sentinel.connection_pool.connection_kwargs
    return f"{options['host']}:{options['port']}"


def _told(error: Exception) -> str:
    """What a person needs to know of it, whom the sentinel is named to."""
    if isinstance(error, ResponseError) and meaning_of(error) is Meaning.FORBIDDEN:
        is_unknown = reply_of(error).code == "ERR"
        return NO_SENTINEL if is_unknown else reply_of(error).whole
    told = re.sub(r"^Error -?\d+ connecting to \S+\. ", "", reply_of(error).whole).rstrip(".")
    return f"{LOGIN_OF_SENTINEL}: {told}" if isinstance(error, AuthenticationError) else told
