"""Importing the events of one channel: in their order, each once, and its consumers after them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import takewhile
from typing import Protocol

from mdcoord.backends.base import Backend
from mdcoord.backends.values import Event
from mdcoord.formats.eventids import identity_of
from mdcoord.moving.channels import BATCH, history_of
from mdcoord.moving.prints import name_of, print_of
from mdcoord.moving.stream import Place, Published

Fate = tuple[str, str, str]
"""The kind and the name of a record, and what became of it: new, same, different or lost."""


class Places(Protocol):
    """Where consumers are noted."""

    def of(self, channel: str, consumer: str) -> str | None:
        """The cursor of a consumer; None for a new one."""

    def note(self, channel: str, consumer: str, cursor: str, updated_at: str | None) -> None:
        """Note where a new consumer is."""


class ChannelImport:
    """The events of one channel on their way in. Call `end` when they are all there.

    An event is known by its id and by what it says; one that says something else under an id that is taken
    is left out.
    """

    def __init__(self, backend: Backend, name: str, places: Places, *, dry_run: bool) -> None:
        self.name = name
        self._backend = backend
        self._places = places
        self._dry_run = dry_run
        self._origin = backend.start(name)
        self._missing = name not in backend.channels()
        self._known: Counter[bytes] = Counter()
        self._taken: set[str] = set()
        for event in history_of(backend, name):
            self._known[print_of(event)] += 1
            self._taken.add(name_of(event))
        self._wanted: Counter[bytes] = Counter()
        self._archived: Counter[bytes] = Counter()
        self._batch: list[Event] = []
        self._consumers: list[Place] = []
        self._fates: Counter[str] = Counter()
        self._different: list[str] = []

    def add(self, published: Published) -> None:
        """Take one event."""
        event, mark = published.event, print_of(published.event)
        if self._known[mark] > self._wanted[mark]:
            self._fates["same"] += 1
        elif mark not in self._known and name_of(event) in self._taken:
            self._different.append(event.id)
            return
        else:
            self._fates["new"] += 1
            self._batch.append(event)
            if len(self._batch) >= BATCH:
                self._flush()
        self._wanted[mark] += 1
        if published.archived:
            self._archived[mark] += 1

    def consumer(self, place: Place) -> None:
        """Take one consumer."""
        self._consumers.append(place)

    def end(self) -> Iterator[Fate]:
        """Add what is left, archive what was archived, note the consumers; the fate of each record."""
        if not self._dry_run:
            self._flush()
            self._rotate()
        yield ("channel", self.name, "new" if self._missing else "same")
        lost, cursors = self._look()
        for fate, count in self._fates.items():
            yield from [("event", "", fate)] * (count - (lost if fate == "new" else 0))
        yield from [("event", f"an event of {self.name}", "lost")] * lost
        yield from (("event", f"event {id} of {self.name}", "different") for id in self._different)
        for place in self._consumers:
            yield self._settled(place, cursors)

    def _flush(self) -> None:
        if self._batch or self._missing:
            self._backend.extend(self.name, self._batch)
            self._batch = []

    def _rotate(self) -> None:
        """Move to the archive the oldest events of the log, as far as they were archived before."""
        oldest = next(self._backend.tail(self.name, limit=1), None) if self._archived else None
        if oldest is None:
            return
        archived = Counter(self._archived)
        old = 0
        log = history_of(self._backend, self.name)
        for event in takewhile(lambda event: event.cursor != oldest.cursor, log):
            archived[print_of(event)] -= 1
        marks = [print_of(oldest), *map(print_of, log)]
        for mark in marks:
            if archived[mark] <= 0:
                break
            archived[mark] -= 1
            old += 1
        if old:
            self._backend.rotate(self.name, len(marks) - old)

    def _look(self) -> tuple[int, dict[str, str]]:
        """How many events are not there, and for each event the cursor before it; "" stands for the end."""
        if self._dry_run:
            return 0, {}
        awaited = {identity_of(place.next) for place in self._consumers if place.next}
        missing = Counter(self._wanted)
        cursors: dict[str, str] = {}
        cursor = end = self._origin
        for event in history_of(self._backend, self.name):
            mark = print_of(event)
            if name_of(event) in awaited:
                cursors.setdefault(event.id, cursor)
                cursors.setdefault(name_of(event), cursor)
            cursor = event.cursor
            if missing[mark]:
                missing[mark] -= 1
                end = cursor
        return missing.total(), {**cursors, "": end}

    def _settled(self, place: Place, cursors: dict[str, str]) -> Fate:
        if self._places.of(place.channel, place.consumer) is not None:
            return ("consumer", place.consumer, "same")
        if not self._dry_run:
            # One whose next event did not come along begins with the oldest that did.
            following = place.next or ""
            cursor = cursors.get(following) or cursors.get(identity_of(following), self._origin)
            self._places.note(place.channel, place.consumer, cursor, place.updated_at)
        return ("consumer", place.consumer, "new")
