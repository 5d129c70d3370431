"""Waiting for events of a channel: told by the store where it can tell, else looking again and again."""

from __future__ import annotations

import threading
from typing import Final

from mdcoord.backends.base import Backend, Changes

TOLD: Final = 1.0
"""Seconds between two looks where the store tells: a broken line tells nothing."""


class News:
    """One who waits, for one thread; `wake` and `close` may be called from others."""

    def __init__(self, backend: Backend, channel: str) -> None:
        self._backend = backend
        self._channel = channel
        self._woken = threading.Event()
        self._changes: Changes | None = None
        self._asked = self._closed = False

    def looking(self) -> None:
        """What happens from now on ends the next wait: call it before looking."""
        self._woken.clear()

    def wait(self, seconds: float) -> None:
        """Wait for so long, or until something has happened."""
        if not self._asked:
            self._asked = True
            self._changes = self._backend.changes(self._woken.set, self._channel)
        if self._closed:
            self.close()  # by another thread, which may not have seen what is to be closed
        else:
            self._woken.wait(max(seconds, TOLD) if self._changes else seconds)

    def wake(self) -> None:
        """End a wait."""
        self._woken.set()

    def close(self) -> None:
        """Wait no more. May be called again."""
        self._closed = True
        self.wake()
        if self._changes:
            self._changes.close()
