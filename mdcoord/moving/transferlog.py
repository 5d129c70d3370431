"""The events of one channel on their way to another store: in their order, with their ids, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from itertools import islice

from mdcoord.backends.base import Backend
from mdcoord.backends.values import Event
from mdcoord.errors import AlreadyExists
from mdcoord.formats.eventids import is_hand_id
from mdcoord.moving.channels import BATCH, history_of, rotate_alike
from mdcoord.moving.prints import exact_print_of, said


class ChannelTransfer:
    """One channel. Its archived events come along, and are archived there, too."""

    def __init__(self, source: Backend, target: Backend, name: str, pulse: Callable[[], None]) -> None:
        self.name = name
        self._source = source
        self._target = target
        self._pulse = pulse
        self._count = 0
        self._cursor: str | None = None
        self._sum = sha256()
        self._start: str | None = None
        self._begun = False
        self._fresh: list[Event] = []

    def bring(self) -> int:
        """Bring what is not there yet; how many events that were. Raises AlreadyExists for another log."""
        first, before = not self._begun, self._count
        events = self._source.history(self.name) if first else self._later()
        fresh = self._not_there(events) if first else events
        self._begun = True
        while page := list(islice(fresh, BATCH)):
            self._target.extend(self.name, page)
            self._pulse()
            if not first:
                self._fresh += page
                for event in page:
                    self._pass(event)
        if first and not self._count:
            self._target.extend(self.name, [])
        if (start := self._source.start(self.name)) != self._start:
            self._rotate()
            self._start = start
        return self._count - before

    def verified(self) -> bool:
        """Whether the target has just these events, in this order."""
        total, there = 0, sha256()
        for event in self._target.history(self.name):
            total += 1
            there.update(exact_print_of(event))
        self._fresh.clear()
        return (total, there.digest()) == (self._count, self._sum.digest())

    def verified_since(self) -> bool:
        """The same, for the events that were brought since the last time."""
        newest = self._target.last(self.name, len(self._fresh)) if self._fresh else []
        if len(newest) < len(self._fresh):
            return self.verified()  # some of them are archived already
        good = [said(event) for event in newest] == [said(event) for event in self._fresh]
        self._fresh.clear()
        return good

    def _later(self) -> Iterator[Event]:
        if self._cursor is None:
            return self._source.history(self.name)
        events = [*self._source.tail(self.name, self._cursor)]
        if any(is_hand_id(event.id) for event in events):
            return islice(self._source.history(self.name), self._count, None)  # which tells their exact texts
        return iter(events)

    def _not_there(self, events: Iterable[Event]) -> Iterator[Event]:
        known = history_of(self._target, self.name)
        for event in events:
            self._pass(event)
            there = next(known, None)
            if there is None:
                yield event
            elif exact_print_of(there) != exact_print_of(event):
                raise self._other()
        if next(known, None) is not None:
            raise self._other()

    def _pass(self, event: Event) -> None:
        self._count += 1
        self._cursor = event.cursor
        self._sum.update(exact_print_of(event))

    def _rotate(self) -> None:
        log = f"events-{self.name}"
        if any(name == log or name.startswith(f"{log}-") for name in self._source.archived()):
            rotate_alike(self._source, self._target, self.name)

    def _other(self) -> AlreadyExists:
        return AlreadyExists(
            f"the channel {self.name} has other events in {self._target.location}",
            hint="move to a place that is empty: another prefix, or another server",
        )
