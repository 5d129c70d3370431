"""Copying a workspace from one store to another while everybody goes on working, until nothing differs.

The first pass takes all documents and events, the next ones what has changed since. The last one, in a moment
in which nobody writes, takes the memos, too. Whatever was copied before, also by a process that was killed,
is looked at and taken over where it is what it should be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Final, TypeVar

from mdcoord.backends.base import Backend
from mdcoord.backends.values import Copy, Unreadable
from mdcoord.errors import BackendUnavailable, InvalidDocument, NotFound
from mdcoord.host import Host
from mdcoord.model import ANY, Key, Value
from mdcoord.moving.stream import DOCUMENTS
from mdcoord.moving.transferlog import ChannelTransfer
from mdcoord.rules.leases import Lease, carried, drop

BATCH: Final = 500
"""How many documents are handed over at once."""

OWN: Final = "migration"
"""The topic of the memos that moving a workspace itself needs; they stay where they are."""

T = TypeVar("T")

Tell = Callable[[str, int, int], None]
"""Is told how far it is: of what, how many are done, how many there are (0: unknown)."""


class Transfer:
    """One transfer. `pulse` is called again and again; it may raise to end it.

    `counts` are the records of the source by kind, `left_out` the files that are no text.
    """

    def __init__(
        self, source: Backend, target: Backend, host: Host, *, archive: bool = False, tell: Tell | None = None
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.left_out: dict[Key, Unreadable] = {}
        self.pulse: Callable[[], None] = _nothing
        self._source = source
        self._target = target
        self._here, self._there = source.clock(host), target.clock(host)
        self._archive = archive
        self._tell = tell or (lambda *_: None)
        self._marks: dict[str, Mapping[str, Value]] = {}
        self._digests: dict[str, dict[str, str]] = {}
        self._channels: dict[str, ChannelTransfer] = {}
        self._touched: set[Key] = set()

    def everything(self) -> None:
        """The first pass."""
        for kind in DOCUMENTS:
            self._digests[kind] = {copy.key.id: copy.digest for copy in _texts(self._target.copies(kind))}
            self._marks[kind] = self._source.marks(kind)
            self._all(kind)
        self._left_leases()
        if self._archive:
            self._archived()
        for name in self._source.channels():
            self._channel(name)

    def changes(self) -> int:
        """What has changed since the last pass; how many records that were."""
        changed = sum(self._changed(kind) for kind in DOCUMENTS)
        return changed + sum(self._channel(name) for name in self._source.channels())

    def memos(self) -> None:
        """All memos as they are now, and what is left of claims on tasks that are gone."""
        self._left_leases()
        topics = {*self._source.topics(), *self._target.topics()} - {OWN}
        for topic in sorted(topics):
            here, there = self._source.memos(topic), self._target.memos(topic)
            for name in here.keys() | there.keys():
                if (value := here.get(name)) != there.get(name):
                    self._target.keep(topic, name, partial(_become, value))
                self.pulse()

    def verify(self) -> None:
        """Read all back, and compare it record by record. Raises BackendUnavailable where it differs."""
        for kind in DOCUMENTS:
            wanted = {**self._digests[kind]}
            there: Iterator[Copy] = _texts(self._target.copies(kind))
            for copy in self._counted(f"{kind} verified", len(wanted), there):
                self._require(copy, wanted.pop(copy.key.id, None))
            for name in wanted:
                raise _differs(f"{kind}-{name}")
        self._touched.clear()
        for channel in self._channels.values():
            self.pulse()
            if not channel.verified():
                raise _differs(f"the channel {channel.name}")

    def verify_changes(self) -> None:
        """The same for what was changed since the last time. Raises BackendUnavailable."""
        for key in self._touched:
            found, wanted = self._target.copy(key), self._digests[key.kind].get(key.id)
            if isinstance(found, Copy):
                self._require(found, wanted)
            elif wanted is not None:
                raise _differs(key.name)
            self.pulse()
        self._touched.clear()
        for channel in self._channels.values():
            if not channel.verified_since():
                raise _differs(f"the channel {channel.name}")
            self.pulse()

    # -- documents

    def _all(self, kind: str) -> None:
        there, seen = self._digests[kind], set[str]()
        copies = self._counted(kind, len(self._marks[kind]), self._source.copies(kind))
        while page := list(islice(copies, BATCH)):
            self._store(page)
            seen.update(copy.key.id for copy in page)
        for name in [*there.keys() - seen]:
            self._remove(Key(kind, name))

    def _changed(self, kind: str) -> int:
        before, now = self._marks[kind], self._source.marks(kind)
        self._marks[kind] = now
        changed = [Key(kind, name) for name, mark in now.items() if mark is None or before.get(name) != mark]
        for key in changed:
            copy = self._source.copy(key)
            if copy is not None:  # else it was removed just now, and is no more in the next marks
                self._store([copy])
            self.pulse()
        gone = [Key(kind, name) for name in self._digests[kind].keys() - now.keys()]
        for key in gone:
            self._remove(key)
        self.counts[kind] = len(now)
        return len(changed) + len(gone)

    def _store(self, found: Iterable[Copy | Unreadable]) -> None:
        """Make the target's documents those that were found."""
        fresh: list[Copy] = []
        for one in found:
            if isinstance(one, Unreadable):
                self.left_out[one.key] = one
                continue
            self.left_out.pop(one.key, None)
            copy = self._carried(one)
            known = self._digests[copy.key.kind].get(copy.key.id)
            self._digests[copy.key.kind][copy.key.id] = copy.digest
            self._touched.add(copy.key)
            if known is None:
                fresh.append(copy)
            elif known != copy.digest:
                self._replace(copy)
        for copy, done in zip(fresh, self._target.put_all(fresh), strict=True):
            if not done:
                self._replace(copy)

    def _carried(self, copy: Copy) -> Copy:
        lease: Lease | None = copy.lease
        return copy if lease is None else replace(copy, lease=carried(lease, self._here, self._there))

    def _replace(self, copy: Copy) -> None:
        try:
            self._target.put(copy, ANY)
        except InvalidDocument:  # the old or the new text cannot be read
            self._target.delete(copy.key)
            self._target.put(copy)

    def _require(self, copy: Copy, wanted: str | None) -> None:
        """Raise unless this is what was to be there. A lease is taken away that was left by another one."""
        if copy.digest == wanted:
            return
        if copy.lease is None or replace(copy, lease=None).digest != wanted:
            raise _differs(copy.key.name)
        free = replace(copy, lease=Lease())
        self._replace(free)
        self._digests[copy.key.kind][copy.key.id] = free.digest

    def _remove(self, key: Key) -> None:
        del self._digests[key.kind][key.id]
        self._touched.add(key)
        try:
            self._target.delete(key)
        except NotFound:
            pass

    def _left_leases(self) -> None:
        """Numbers of attempts never go back, also where a task is made, or restored, under the same name."""
        there = self._target.left_leases("task")
        for name, lease in self._source.left_leases("task").items():
            attempt = there[name].attempt if name in there else 0
            if name not in self._digests["task"] and attempt < lease.attempt:
                key = Key("task", name)
                self._target.put(Copy(key, "gone\n", lease=carried(drop(lease), self._here, self._there)))
                self._target.delete(key)
                self.pulse()

    def _archived(self) -> None:
        for kind in DOCUMENTS:
            there = {copy.archived: copy.text for copy in _texts(self._target.copies(kind, archived=True))}
            copies = [
                replace(copy, lease=None) if self._source.exists(copy.key) else copy
                for copy in _texts(self._source.copies(kind, archived=True))
            ]
            fresh = [copy for copy in copies if copy.archived not in there]
            for copy in copies:
                if there.get(copy.archived, copy.text) != copy.text:
                    raise _differs(f"archive/{copy.archived}")
            for first in range(0, len(fresh), BATCH):
                self._target.put_all(fresh[first : first + BATCH])
                self.pulse()
            self.counts["archived document"] += len(copies)

    # -- events

    def _channel(self, name: str) -> int:
        if name not in self._channels:
            self._channels[name] = ChannelTransfer(self._source, self._target, name, lambda: self.pulse())
        channel = self._channels[name]
        added = channel.bring()
        self.counts["event"] += added
        self._tell("events", self.counts["event"], 0)
        return added

    def _counted(self, what: str, total: int, items: Iterator[T]) -> Iterator[T]:
        number = 0
        for number, item in enumerate(items, 1):
            if number % 100 == 0:
                self.pulse()
                self._tell(what, number, total)
            yield item
        self._tell(what, number, number)
        if what in DOCUMENTS:
            self.counts[what] = number


def _texts(found: Iterator[Copy | Unreadable]) -> Iterator[Copy]:
    return (one for one in found if isinstance(one, Copy))


def _differs(what: str) -> BackendUnavailable:
    return BackendUnavailable(
        f"{what} is not the same in both stores",
        hint="nothing has moved yet; do it again, and if that does not help, into a store that is empty",
    )


def _become(value: Value, _: Value) -> Value:
    return value


def _nothing() -> None:
    pass
