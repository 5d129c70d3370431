"""Moving a workspace away from a server: a key that every script looks at before it changes anything."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from mdcoord.backends.addresses import moved_to
from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Link, Script
from mdcoord.errors import Busy

HELD = 10.0
"""Seconds for which a move keeps others from writing unless it is said to go on: its process may be gone."""

PAUSE: Final = 0.05
"""Seconds between two looks whether another move is over."""

_GATE = Script("gate")


class Gate:
    """One move; see `base.Gate`."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys
        self._mine = "!" + os.urandom(8).hex()
        self._kept = 0.0

    @contextmanager
    def closed(self, wait: float) -> Iterator[Self]:
        """Keep everybody from writing until the end, unless the workspace has left. Raises Busy, Moved.

        A move that was killed is waited for until its time is over.
        """
        end = time.monotonic() + wait
        while (found := self._say("", self._mine, HELD)) != self._mine:
            if not found.startswith("!"):
                raise moved_to(found)
            if time.monotonic() > end:
                raise _busy("somebody else is moving it")
            time.sleep(PAUSE)
        try:
            yield self
        finally:
            self._say(self._mine, "")

    def keep(self) -> None:
        """See `base.Gate`."""
        if time.monotonic() - self._kept > HELD / 10:
            self._require(self._mine, HELD)
            self._kept = time.monotonic()

    def leave(self, place: str) -> None:
        """See `base.Gate`."""
        self._require(place)

    def _require(self, value: str, seconds: float = 0.0) -> None:
        if self._say(self._mine, value, seconds) != value:
            raise _busy("the move took too long, and others write again")

    def _say(self, now: str, then: str, seconds: float = 0.0) -> str:
        (found,) = self._link.run(_GATE, [self._keys.away], [now, then, int(seconds * 1000)])
        return str(found.decode())


def _busy(reason: str) -> Busy:
    return Busy(f"the workspace cannot be moved: {reason}", hint="do it again")
