"""Asking sentinels where the primary of a service is."""

from __future__ import annotations

from typing import Any

import redis
from redis.sentinel import MasterNotFoundError

from .client import Source
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
        answers = []
        for sentinel in [*self._sentinels]:
            try:
                address = self._address_by(sentinel)
            except (redis.RedisError, OSError) as error:
                answers.append(f"{_name_of(sentinel)}: {error}")
                self._failed.add(sentinel)
            else:
                self._failed.discard(sentinel)
                return address
            finally:
                sentinel.connection_pool.disconnect()
                self._put_back(sentinel)
        raise MasterNotFoundError(f"no primary of {self.service_name}: {'; '.join(answers)}")

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
            raise MasterNotFoundError(f"no such service, of those that it knows: {known}")
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
