"""The TaskQueue backend keeps the contract, over a stand-in of its server.

Also over the real one, where MDCOORD_TASKQUEUE_COMMAND starts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from taskqueue_peer import COMMANDS, Peer, backend_in

from mdcoord.backends.taskqueue.store import TaskQueueBackend
from mdcoord.model import Key

from .suite import Factory
from .test_leaving import LeavingContract
from .whole import WholeContract


class TestTaskQueue(WholeContract, LeavingContract):
    @pytest.fixture(params=sorted(COMMANDS))
    def factory(self, tmp_path: Path, request: Any) -> Iterator[Factory]:
        made: list[TaskQueueBackend] = []

        def make() -> TaskQueueBackend:
            made.append(backend_in(tmp_path / str(len(made)), COMMANDS[request.param]))
            return made[-1]

        yield make
        for backend in made:
            backend.close()

    def save_by_hand(self, backend: TaskQueueBackend, key: Key, text: str) -> None:
        with Peer(backend.queue.file) as peer:
            peer.write(key, text)
