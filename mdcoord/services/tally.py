"""Counting what leaves no trace in documents: races that were lost, conflicts, locks that were not free.

A process counts in its own memory, and adds its numbers to a memo now and then and when the workspace is
closed. What was counted since the last time is lost when the process is killed, and all of it with the state
folder: these numbers show whether something is wrong, nothing depends on them.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Final

from mdcoord.backends.base import Backend
from mdcoord.errors import MdcoordError
from mdcoord.model import Value

MEMO: Final = ("metrics", "coordination")
INTERVAL: Final = 60.0
"""Seconds between two times that a busy process adds its numbers to the memo."""

COUNTED: Final = (
    "races_lost",
    "claims_lost",
    "conflicts",
    "lock_timeouts",
    "lock_waits",
    "documents_refused",
)
"""All that is counted; see `services.health` for what each means."""


class Tally:
    """The numbers of one process. Safe to use from several threads."""

    def __init__(self, backend: Backend, *, enabled: bool) -> None:
        self._backend = backend
        self._enabled = enabled
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._flushed = time.monotonic()
        self._waits = backend.waits

    def add(self, name: str, count: int = 1) -> None:
        """Count something."""
        with self._lock:
            self._counts[name] += count
            due = time.monotonic() - self._flushed > INTERVAL
        if due:
            self.flush()

    def flush(self) -> None:
        """Add what was counted to the memo. Nothing happens when nothing was; a failure loses the numbers."""
        with self._lock:
            self._look()
            counts, self._counts = self._counts, Counter()
            self._flushed = time.monotonic()
        if not (counts and self._enabled):
            return
        try:
            self._backend.keep(*MEMO, lambda memo: _sum(memo, counts), wait=1.0)
        except MdcoordError:
            pass

    def total(self) -> dict[str, int]:
        """All numbers of all processes, as far as they were added up, and this one's."""
        with self._lock:
            self._look()
            mine = Counter(self._counts)
        found = _sum(self._backend.memo(*MEMO), mine)
        return {name: found.get(name, 0) for name in COUNTED}

    def _look(self) -> None:
        """Take over what the store itself counted since the last time."""
        seen = self._backend.waits
        if seen > self._waits:
            self._counts["lock_waits"] += seen - self._waits
            self._waits = seen


def _sum(memo: Value, counts: Mapping[str, int]) -> dict[str, int]:
    known = memo if isinstance(memo, dict) else {}
    whole = {name: count for name, count in known.items() if isinstance(count, int)}
    return {name: whole.get(name, 0) + counts.get(name, 0) for name in {**whole, **counts}}
