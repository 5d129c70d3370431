"""A store that goes along when the workspace moves to another one.

A step that finds the workspace gone has done nothing (see `errors.Moved`), so it is simply done again at the
new place. Whoever holds such a store, a worker in the middle of a task, a listener at its cursor, goes on
without knowing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import cached_property, wraps
from typing import Any, Final

from mdcoord.backends.base import Backend, Event
from mdcoord.errors import BackendUnavailable, Moved
from mdcoord.host import Host

HOPS: Final = 5
"""How often one step goes after a workspace that moves again and again."""

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
        self._take(backend)

    @property
    def waits(self) -> int:
        return self.there.waits

    def tail(self, channel: str, after: str | None = None, limit: int | None = None) -> Iterator[Event]:
        first = self.done("tail", channel, after, limit)  # now, so that what is wrong is told now
        return self._tailed(first, channel, after, limit)

    def clock(self, host: Host) -> Host:
        return _Clock(self, host)

    def close(self) -> None:
        self.there.close()

    def done(self, name: str, /, *arguments: Any, **rest: Any) -> Any:
        """Do a step where the workspace is."""
        for _hop in range(HOPS):
            there = self.there
            try:
                return getattr(there, name)(*arguments, **rest)
            except Moved as moved:
                self._go_after(there, moved)
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
                self._go_after(there, moved)
                there = self.there
                events = self.done("tail", channel, after, limit)
            else:
                return

    def _go_after(self, left: Backend, moved: Moved) -> None:
        with self._moving:
            if self.there is left:  # else another thread went there already
                self._take(self._reopen(moved.place))
                left.close()

    def _take(self, backend: Backend) -> None:
        self.there = backend
        self.name, self.location = backend.name, backend.location


class _Clock(Host):
    """The clock of the store where the workspace is now; the machine is the same everywhere."""

    def __init__(self, following: _Following, machine: Host) -> None:
        self._following = following
        self._machine = machine
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

    def chance(self) -> float:
        """A random number from 0 to below 1, for jitter."""
        return self._machine.chance()

    @cached_property
    def name(self) -> str:
        """The machine's name, for people."""
        return self._machine.name

    @cached_property
    def processes(self) -> str:
        """Names the set of process ids that this process sees."""
        return self._machine.processes

    def started(self, pid: int) -> str:
        """When a process of this machine started."""
        return self._machine.started(pid)

    def alive(self, pid: int, started: str) -> bool:
        """Whether a process of this machine still runs."""
        return self._machine.alive(pid, started)
