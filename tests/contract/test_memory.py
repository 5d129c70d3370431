"""The memory backend keeps the contract."""

from __future__ import annotations

import pytest

from mdcoord.backends.memory import MemoryBackend
from mdcoord.model import Key

from .suite import Factory
from .whole import WholeContract


class TestMemory(WholeContract):
    @pytest.fixture
    def factory(self) -> Factory:
        return MemoryBackend

    def save_by_hand(self, backend: MemoryBackend, key: Key, text: str) -> None:
        backend.put_text(key, text)
