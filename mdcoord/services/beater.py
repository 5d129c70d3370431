"""One background thread that keeps all claims of a process alive while their blocks run.

The thread starts with the first claim and sleeps until the next beat is due, so a claim that is over before
costs a dictionary entry. Beats tell only that the process lives: a worker that hangs keeps its claims.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Final

SHARE: Final = 3
"""A claim is renewed this many times in its ttl."""

Beat = Callable[[], bool]
"""Renews a claim; False when there is nothing to renew any more. Must not raise."""


class Beater:
    """Calls each registered beat at its interval, in seconds on this process's own clock."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._due: dict[Beat, tuple[float, float]] = {}
        self._next = 0.0
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def add(self, beat: Beat, interval: float) -> None:
        """Call `beat` every `interval` seconds from now on, until it returns False."""
        self._after_fork()
        due = time.monotonic() + interval
        with self._wake:
            self._due[beat] = (due, interval)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mdcoord-heartbeats", daemon=True)
                self._thread.start()
            elif due < self._next:
                self._wake.notify()

    def remove(self, beat: Beat) -> None:
        """Stop calling `beat`; one call may be under way."""
        self._after_fork()
        with self._wake:
            self._due.pop(beat, None)

    def close(self) -> None:
        """End the thread. May be called again."""
        self._after_fork()
        with self._wake:
            self._due.clear()
            thread, self._thread = self._thread, None
            self._wake.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        me = threading.current_thread()
        while True:
            with self._wake:
                if self._thread is not me:
                    return
                beat = min(self._due, key=self._time_of, default=None)
                self._next = self._time_of(beat) if beat else float("inf")
                pause = self._next - time.monotonic()
                if beat is None or pause > 0:
                    self._wake.wait(None if beat is None else pause)
                    continue
                interval = self._due[beat][1]
                self._due[beat] = (time.monotonic() + interval, interval)
            if not beat():
                self.remove(beat)

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            # A child has neither the thread nor the claims of its parent, and the lock may be held for ever.
            self._wake, self._due, self._thread, self._pid = threading.Condition(), {}, None, os.getpid()

    def _time_of(self, beat: Beat) -> float:
        return self._due[beat][0]
