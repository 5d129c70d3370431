"""The Redis backend keeps the contract, on Valkey and on Redis."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from redis_servers import Server, binaries, some_binary

from mdcoord.backends.redis.store import RedisBackend
from mdcoord.model import Key

from .agents import AgentsContract
from .claims import ClaimsContract
from .failures import FailuresContract
from .machine import MachineContract
from .memos import MemosContract
from .moving import MovingContract
from .planning import PlanningContract
from .roundtrip import RoundTripContract
from .suite import BackendContract, Factory

NUMBERS = count()


@pytest.fixture(scope="module", params=sorted(binaries()) or ["none"])
def server(request: Any) -> Iterator[Server]:
    server = Server(some_binary(request.param))
    yield server
    server.close()


class TestRedis(
    BackendContract,
    ClaimsContract,
    AgentsContract,
    PlanningContract,
    FailuresContract,
    MachineContract,
    MemosContract,
    MovingContract,
    RoundTripContract,
):
    @pytest.fixture
    def factory(self, server: Server) -> Factory:
        return lambda: RedisBackend(server.url(f"test{next(NUMBERS)}:"))

    def save_by_hand(self, backend: RedisBackend, key: Key, text: str) -> None:
        backend.put_text(key, text)
