"""A store that goes along when the workspace moves to another one.

A step that finds the workspace gone has done nothing (see `errors.Moved`), so it is simply done again at the
new place. Whoever holds such a store, a worker in the middle of a task, a listener at its cursor, goes on
without knowing.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, Final, TypeVar
from weakref import WeakSet

from mdcoord.backends.base import Backend, Changes, Shelf
from mdcoord.backends.values import Event
from mdcoord.errors import BackendUnavailable, Moved
from mdcoord.host import Elsewhere, Host
from mdcoord.model import Record
from mdcoord.rules.readiness import OPEN, rank
from mdcoord.rules.standing import IN_PROGRESS, status_of

HOPS: Final = 5
"""How often one step goes after a workspace that moves again and again."""

TICK: Final = 0.25
"""Seconds after which a store that does not tell of changes is taken to have changed."""

T = TypeVar("T")

Reopen = Callable[[str], Backend]
"""Opens the store at a place."""


def follow(backend: Backend, reopen: Reopen) -> Backend:
    """The store `backend`, and whichever one the workspace moves to from there."""
    return _Following(backend, reopen)  # type: ignore[abstract]  # see _delegating


def _delegating(cls: type[_Following]) -> type[_Following]:
    """Let every public method of a store that the class does not define be done where the workspace is."""
    for name in vars(Backend):
        if not name.startswith("_") and name not in vars(cls) and callable(getattr(Backend, name)):
            setattr(cls, name, _delegated(name))
    cls.__abstractmethods__ = frozenset()
    return cls


def _delegated(name: str) -> Callable[..., Any]:
    @wraps(getattr(Backend, name))
    def call(self: _Following, *arguments: Any, **rest: Any) -> Any:
        try:
            return getattr(self.there, name)(*arguments, **rest)
        except Moved:
            return self.done(name, *arguments, **rest)

    return call


@_delegating
class _Following(Backend):
    def __init__(self, backend: Backend, reopen: Reopen) -> None:
        self._reopen = reopen
        self._moving = threading.Lock()
        self._listeners: WeakSet[_Changes] = WeakSet()
        self._take(backend)

    @property
    def durability(self) -> str:
        return self.there.durability

    @property
    def data(self) -> str | None:
        return self.there.data

    @property
    def waits(self) -> int:
        return self.there.waits

    def tail(self, channel: str, after: str | None = None, limit: int | None = None) -> Iterator[Event]:
        first = self.done("tail", channel, after, limit)  # now, so that what is wrong is told now
        return self._tailed(first, channel, after, limit)

    def clock(self, host: Host) -> Host:
        return _Clock(self, host)

    def shelf(self) -> Shelf | None:
        return None if self.there.shelf() is None else _Shelf(self)

    def changes(self, ring: Callable[[], None], channel: str | None = None) -> Changes | None:
        listener = _Changes(self, ring, channel)
        with self._moving:  # else one that begins at the old place could be missed by who goes after the new
            if not listener.begin():
                return None
            self._listeners.add(listener)
        return listener

    def close(self) -> None:
        self.there.close()

    def done(self, name: str, /, *arguments: Any, **rest: Any) -> Any:
        """Do a step where the workspace is."""
        return self.wherever(lambda there: getattr(there, name)(*arguments, **rest))

    def wherever(self, step: Callable[[Backend], T]) -> T:
        """What a step gives that is done with the store where the workspace is."""
        for _hop in range(HOPS):
            there = self.there
            try:
                return step(there)
            except Moved as moved:
                self.go_after(there, moved)
        raise BackendUnavailable(
            f"the workspace was moved {HOPS} times while one step was tried", hint="try again"
        )

    def _tailed(
        self, events: Iterator[Event], channel: str, after: str | None, limit: int | None
    ) -> Iterator[Event]:
        there = self.there
        while True:
            try:
                for event in events:
                    yield event
                    after, limit = event.cursor, None if limit is None else limit - 1
            except Moved as moved:
                self.go_after(there, moved)
                there = self.there
                events = self.done("tail", channel, after, limit)
            else:
                return

    def go_after(self, left: Backend, moved: Moved) -> None:
        """Be where the workspace has moved to, unless another thread went there already."""
        with self._moving:
            if self.there is left:
                self._take(self._reopen(moved.place))
                left.close()
                for listener in [*self._listeners]:
                    listener.go_along()

    def _take(self, backend: Backend) -> None:
        self.there = backend
        self.name, self.location, self.forkable = backend.name, backend.location, backend.forkable


class _Shelf(Shelf):
    """The queue of the store where the workspace is now; where that keeps none, its listing."""

    def __init__(self, following: _Following) -> None:
        self._following = following
        self._of: Backend | None = None
        self._shelf: Shelf = _Listed(following)

    def open(self) -> Iterator[Record]:
        while True:
            there = self._following.there
            try:
                yield from self._at(there).open()
                return
            except Moved as moved:
                self._following.go_after(there, moved)

    def held(self) -> Sequence[Record]:
        return self._following.wherever(lambda there: self._at(there).held())

    def tally(self) -> Mapping[str, int]:
        return self._following.wherever(lambda there: self._at(there).tally())

    def wait_until(self, record: Record, moment: float) -> None:
        self._following.wherever(lambda there: self._at(there).wait_until(record, moment))

    def wait_for(self, record: Record, other: str) -> None:
        self._following.wherever(lambda there: self._at(there).wait_for(record, other))

    def forget(self) -> None:
        self._following.wherever(lambda there: self._at(there).forget())

    def _at(self, backend: Backend) -> Shelf:
        if self._of is not backend:
            self._of, self._shelf = backend, backend.shelf() or _Listed(backend)
        return self._shelf


class _Listed(Shelf):
    """The queue of a store that keeps none, from its listing."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def open(self) -> Iterator[Record]:
        return iter(sorted(self._with(OPEN), key=lambda record: rank(record.fields)))

    def held(self) -> Sequence[Record]:
        return self._with({IN_PROGRESS})

    def tally(self) -> Mapping[str, int]:
        return Counter(status_of(record.fields) for record in self._backend.list("task").records)

    def wait_until(self, record: Record, moment: float) -> None:
        pass

    def wait_for(self, record: Record, other: str) -> None:
        pass

    def forget(self) -> None:
        pass

    def _with(self, statuses: Collection[str]) -> list[Record]:
        found = self._backend.list("task").records
        return [
            Record(one.key, one.fields, "", one.version, one.path, self._backend.lease(one.key))
            for one in found
            if status_of(one.fields) in statuses
        ]


class _Changes(Changes):
    """Is told of changes by the store where the workspace is now.

    One that does not tell is taken to change all the time.
    """

    def __init__(self, following: _Following, ring: Callable[[], None], channel: str | None) -> None:
        self.count = 0
        self._following = following
        self._call = ring
        self._channel = channel
        self._told: Changes | None = None
        self._over = threading.Event()

    def begin(self) -> bool:
        """Whether the store tells of changes."""
        self._told = self._following.there.changes(self._ring, self._channel)
        return self._told is not None

    def close(self) -> None:
        self._over.set()
        if self._told is not None:
            self._told.close()

    def go_along(self) -> None:
        """Be told by another store from now on."""
        if self._told is not None:
            self._told.close()
        if not self._over.is_set() and not self.begin():
            threading.Thread(target=self._guess, name="mdcoord-changes", daemon=True).start()

    def _ring(self) -> None:
        self.count += 1
        self._call()

    def _guess(self) -> None:
        while self._told is None and not self._over.wait(TICK):
            self._ring()


class _Clock(Elsewhere):
    """The clock of the store where the workspace is now; the machine is the same everywhere."""

    def __init__(self, following: _Following, machine: Host) -> None:
        super().__init__(machine)
        self._following = following
        self._of: Backend | None = None
        self._clock = machine

    @property
    def there(self) -> Host:
        """The clock of the present store."""
        backend = self._following.there
        if self._of is not backend:
            self._of, self._clock = backend, backend.clock(self._machine)
        return self._clock

    @property
    def boot(self) -> str:
        """Names the clock."""
        return self.there.boot

    def now(self) -> float:
        """Wall clock, seconds since 1970."""
        return self.there.now()

    def uptime(self) -> float:
        """Seconds on the clock that `boot` names."""
        return self.there.uptime()
