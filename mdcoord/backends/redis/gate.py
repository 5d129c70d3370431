"""Moving a workspace away from a server: a key that every script looks at before it changes anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from mdcoord.backends.base import moved_to
from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Link, Script
from mdcoord.errors import Busy

HELD: Final = 60.0
"""Seconds for which a move keeps others from writing unless it is said to go on: its process may be gone."""

_GATE = Script("gate")


class Gate:
    """One move; see `base.Gate`."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys
        self._mine = "!" + os.urandom(8).hex()

    @contextmanager
    def closed(self) -> Iterator[Self]:
        """Keep everybody from writing until the end, unless the workspace has left. Raises Busy, Moved."""
        found = self._say("", self._mine, HELD)
        if found != self._mine:
            raise moved_to(found) if not found.startswith("!") else _busy("somebody else is moving it")
        try:
            yield self
        finally:
            self._say(self._mine, "")

    def keep(self) -> None:
        """See `base.Gate`."""
        self._require(self._mine, HELD)

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
