"""The memory backend keeps the contract."""

from __future__ import annotations

import pytest

from mdcoord.backends.memory import MemoryBackend
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


class TestMemory(
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
    def factory(self) -> Factory:
        return MemoryBackend

    def save_by_hand(self, backend: MemoryBackend, key: Key, text: str) -> None:
        backend.put_text(key, text)
