"""The Redis backend keeps the contract, on Valkey and on Redis, with the JSON type and without."""

from __future__ import annotations

import pytest
from redis_servers import Server, programs

from mdcoord.backends.redis.store import RedisBackend
from mdcoord.model import Key

from .suite import Factory
from .whole import WholeContract


@pytest.mark.parametrize("server", [*programs()] or [None], indirect=True, scope="module")
class TestRedis(WholeContract):
    @pytest.fixture
    def factory(self, server: Server) -> Factory:
        return lambda: RedisBackend(server.new_url())

    def save_by_hand(self, backend: RedisBackend, key: Key, text: str) -> None:
        backend.put_text(key, text)
