"""Who writes when: turns among the threads of one process, and a race among processes.

Processes need no lock: a write looks whether somebody was faster, and the script that stores it decides. The
threads of a process would only get into each other's way so.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mdcoord.errors import Busy

ROUNDS: Final = 8
"""How often a write looks again at once when others were faster; after that only while it may wait."""


class _Turn:
    __slots__ = ("lock", "wanted")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wanted = 0


class Turns:
    """Locks by name, kept only while somebody wants them.

    `waits` counts how often one was taken, and how often another process was faster.
    """

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


class Race:
    """A write among others who write the same: each round that it loses was won by somebody."""

    def __init__(self, turns: Turns, name: str, wait: float) -> None:
        self._turns = turns
        self._name = name
        self._until = time.monotonic() + wait
        self._rounds = 0

    def lost(self) -> None:
        """Wait a moment, or raise Busy when the time is over."""
        self._turns.waits += 1
        self._rounds += 1
        if self._rounds >= ROUNDS and time.monotonic() > self._until:
            raise Busy(f"{self._name} is being written by others", hint="try again", key=self._name)
        time.sleep(random.random() * min(0.0005 * 2**self._rounds, 0.05))
