"""The Redis backend keeps the contract, on Valkey and on Redis."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from redis_servers import Server, binaries, some_binary

from mdcoord.backends.redis.store import RedisBackend
from mdcoord.model import Key

from .suite import Factory
from .whole import WholeContract

NUMBERS = count()


@pytest.fixture(scope="module", params=sorted(binaries()) or ["none"])
def server(request: Any) -> Iterator[Server]:
    server = Server(some_binary(request.param))
    yield server
    server.close()


class TestRedis(WholeContract):
    @pytest.fixture
    def factory(self, server: Server) -> Factory:
        return lambda: RedisBackend(server.url(f"test{next(NUMBERS)}:"))

    def save_by_hand(self, backend: RedisBackend, key: Key, text: str) -> None:
        backend.put_text(key, text)
