"""The Markdown backend keeps the contract."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.model import Key

from .agents import AgentsContract
from .claims import ClaimsContract
from .failures import FailuresContract
from .machine import MachineContract
from .memos import MemosContract
from .planning import PlanningContract
from .suite import BackendContract, Factory


class TestMarkdown(
    BackendContract,
    ClaimsContract,
    AgentsContract,
    PlanningContract,
    FailuresContract,
    MachineContract,
    MemosContract,
):
    @pytest.fixture
    def factory(self, tmp_path: Path) -> Factory:
        numbers = count()

        def make() -> MarkdownBackend:
            root = tmp_path / f"root{next(numbers)}"
            root.mkdir()
            return MarkdownBackend(root, durability="none")

        return make

    def save_by_hand(self, backend: MarkdownBackend, key: Key, text: str) -> None:
        Path(backend.location, f"{key.name}.md").write_bytes(text.encode())
