"""When somebody who found nothing to do looks again.

At once when the bell is rung, soon after the folder changed, and now and then in any case: a time comes, a
claim ends, or a person saves a file in a way that the folder does not show. Looking at the folder's time of
change costs a microsecond, listing it much more, so listing takes a small share of the time only, however
busy the others are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

TICK: Final = 0.075
"""Seconds between two looks at the folder's time of change."""

SHORTEST: Final = 0.25
LONGEST: Final = 2.0
"""Seconds between two looks for work when nothing changes: each half as long again as the one before."""

SHARE: Final = 20
"""Looking for work takes at most one part in so many of the time."""

Sign = Callable[[], object]
"""Something cheap that changes when the workspace does; always the same where there is nothing such."""


class Bell:
    """Says when to look for work. `ring` may be called from any thread, and from a signal handler.

    `chance` gives random numbers from 0 to 1, so that all who wait do not look at the same moment.
    """

    def __init__(
        self, sign: Sign, chance: Callable[[], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sign = sign
        self._chance = chance
        self._clock = clock
        # Its `put` may interrupt itself, which a lock of a condition could not bear in a signal handler.
        self._rung: SimpleQueue[None] = SimpleQueue()
        self._seen: object = None
        self._begun = 0.0
        self._pause = SHORTEST
        self._earliest = self._latest = -float("inf")

    def look(self) -> bool:
        """Whether to look for work now. Tell with `found` or `nothing` what came of it."""
        now, sign = self._clock(), self._sign()
        if now < self._earliest or (now < self._latest and sign == self._seen):
            return False
        self._seen, self._begun = sign, now
        return True

    def found(self) -> None:
        """There was something: look again as soon as there is room for more."""
        self.again()
        self._pause = SHORTEST

    def nothing(self) -> None:
        """There was nothing."""
        now = self._clock()
        jitter = 0.75 + 0.5 * self._chance()
        share = SHARE * (now - self._begun) * jitter
        self._earliest = now + share
        self._latest = now + max(self._pause * jitter, share)
        self._pause = min(self._pause * 1.5, LONGEST)

    def again(self) -> None:
        """Something has changed that the folder does not show: look at once."""
        self._earliest = self._latest = -float("inf")

    def pause(self, seconds: float) -> None:
        """Do not look before so many seconds have passed."""
        self._earliest = self._latest = self._clock() + seconds

    def ring(self) -> None:
        """End a `wait`."""
        self._rung.put(None)

    def wait(self, seconds: float = TICK) -> None:
        """Wait until the bell rings, but no longer than this."""
        try:
            self._rung.get(timeout=seconds)
            while True:
                self._rung.get_nowait()
        except Empty:
            pass


def folder_sign(folder: object) -> Sign:
    """The time of the last change of a folder's entries; for None, where there is no folder, a constant."""

    def sign() -> object:
        try:
            return os.stat(str(folder)).st_mtime_ns
        except OSError:
            return None

    return sign if folder is not None else lambda: None
