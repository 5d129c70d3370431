"""Turns among the threads of one process: one writer at a time for each name.

Processes need no lock: a write looks whether somebody was faster, and the script that stores it decides. The
threads of a process would only get into each other's way so.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mdcoord.errors import Busy


class _Turn:
    __slots__ = ("lock", "wanted")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wanted = 0


class Turns:
    """Locks by name, kept only while somebody wants them. `waits` counts how often one was taken."""

    def __init__(self) -> None:
        self._reset()
        self.waits = 0

    @contextmanager
    def taken(self, name: str, wait: float) -> Iterator[None]:
        """Hold the turn for a name. Raises Busy after `wait` seconds."""
        if self._pid != os.getpid():
            self._reset()  # a lock may have been held by a thread of the parent, for ever
        with self._guard:
            turn = self._turns.setdefault(name, _Turn())
            turn.wanted += 1
        try:
            if not turn.lock.acquire(blocking=False):
                self.waits += wait > 0
                if wait <= 0 or not turn.lock.acquire(timeout=wait):
                    raise Busy(f"{name} is being written by another thread", hint="try again", key=name)
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            with self._guard:
                turn.wanted -= 1
                if not turn.wanted:
                    self._turns.pop(name, None)

    def _reset(self) -> None:
        self._guard, self._turns, self._pid = threading.Lock(), dict[str, _Turn](), os.getpid()
