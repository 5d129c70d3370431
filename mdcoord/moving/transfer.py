"""Copying a workspace from one store to another while everybody goes on working, until nothing differs.

The first pass takes all documents and events, the next ones what has changed since. The last one, in a moment
in which nobody writes, takes the memos, too. Whatever was copied before, also by a process that was killed,
is looked at and taken over where it is what it should be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from mdcoord.backends.base import Backend
from mdcoord.backends.markdown.datanote import OWN
from mdcoord.backends.values import Copy, Unreadable
from mdcoord.errors import BackendUnavailable, InvalidDocument, NotFound
from mdcoord.host import Host
from mdcoord.model import ANY, DOCUMENTS, Key, Value
from mdcoord.moving.forks import PAGE, by_page
from mdcoord.moving.stream import version_of
from mdcoord.moving.transferlog import ChannelTransfer
from mdcoord.rules.leases import Lease, carried, drop

Tell = Callable[[str, int, int], None]
"""Is told how far it is: of what, how many are done, how many there are (0: unknown)."""


BATCH: Final = 20
"""How many documents are looked at while others wait, before it is said again that the move goes on."""


class _Found(NamedTuple):
    """Some documents of the source: those that are text with their digests, and the others."""

    copies: list[tuple[Copy, str]]
    left_out: list[Unreadable]


class Transfer:
    """One transfer. `pulse` is called again and again; it may raise to end it.

    `counts` are the records of the source by kind; those `left_out`, by name, are no text.
    """

    def __init__(
        self, source: Backend, target: Backend, host: Host, *, archive: bool = False, tell: Tell | None = None
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.left_out: dict[str, Unreadable] = {}
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

    def look(self) -> None:
        """Only count what there is to bring, and find what is no text."""
        for kind in DOCUMENTS:
            ids = self._source.ids(kind)
            missing = {*ids}
            for page in by_page(partial(self._source.digests, kind), ids, divided=self._source.forkable):
                missing.difference_update(page)
                self.counts[kind] += len(page)
            self._leave_out(self._source.copies_of(kind, sorted(missing)))
            if self._archive:
                copies = self._texts_of(self._source.copies(kind, archived=True))
                self.counts["archived document"] += sum(1 for _ in copies)
        self.counts["event"] = sum(1 for name in self._source.channels() for _ in self._source.history(name))

    def everything(self) -> None:
        """The first pass."""
        for kind in DOCUMENTS:
            self._digests[kind] = dict[str, str]()
            for digests in self._held(kind):
                self._digests[kind].update(digests)
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
            wanted, count = {**self._digests[kind]}, 0
            for digests in self._held(kind):
                for name, digest in digests.items():
                    if wanted.pop(name, None) != digest:
                        self._require(Key(kind, name))
                count += len(digests)
                self._went_on(f"{kind} verified", count, len(self._digests[kind]))
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
            self._require(key)
            self.pulse()
        self._touched.clear()
        for channel in self._channels.values():
            if not channel.verified_since():
                raise _differs(f"the channel {channel.name}")
            self.pulse()

    # -- documents

    def _all(self, kind: str) -> None:
        ids, gone, count = sorted(self._marks[kind]), {*self._digests[kind]}, 0
        for found in by_page(partial(self._read, kind), ids, divided=self._source.forkable):
            self._store(found)
            gone.difference_update(copy.key.id for copy, _ in found.copies)
            gone.difference_update(one.key.id for one in found.left_out)
            count += len(found.copies) + len(found.left_out)
            self._went_on(kind, count, len(ids))
        for name in gone:
            self._remove(Key(kind, name))
        self.counts[kind] = len(self._digests[kind])

    def _changed(self, kind: str) -> int:
        before, now = self._marks[kind], self._source.marks(kind)
        self._marks[kind] = now
        changed = [name for name, mark in now.items() if mark is None or before.get(name) != mark]
        for first in range(0, len(changed), BATCH):
            self._store(self._read(kind, changed[first : first + BATCH]))
            self.pulse()  # what was removed just now is not among the next marks
        gone = [Key(kind, name) for name in self._digests[kind].keys() - now.keys()]
        for key in gone:
            self._remove(key)
        self.counts[kind] = len(self._digests[kind])
        return len(changed) + len(gone)

    def _read(self, kind: str, ids: Sequence[str]) -> _Found:
        found = _Found([], [])
        for one in self._source.copies_of(kind, ids):
            if isinstance(one, Unreadable):
                found.left_out.append(one)
            else:
                copy = self._carried(one)
                found.copies.append((copy, copy.digest))
        return found

    def _store(self, found: _Found) -> None:
        """Make the target's documents those that were found."""
        fresh: list[Copy] = []
        for copy, digest in found.copies:
            digests = self._digests[copy.key.kind]
            known = digests.get(copy.key.id)
            digests[copy.key.id] = digest
            self._touched.add(copy.key)
            self.left_out.pop(copy.key.name, None)
            if known is None:
                fresh.append(copy)
            elif known != digest:
                self._replace(copy)
        for copy, done in zip(fresh, self._target.put_all(fresh), strict=True):
            if not done:
                self._replace(copy)
        self._leave_out(found.left_out)

    def _held(self, kind: str) -> Iterator[Mapping[str, str]]:
        """The digests of what the target has, page by page."""
        ids = self._target.ids(kind)
        return by_page(partial(self._target.digests, kind), ids, divided=self._target.forkable)

    def _carried(self, copy: Copy) -> Copy:
        lease: Lease | None = copy.lease
        return copy if lease is None else replace(copy, lease=carried(lease, self._here, self._there))

    def _replace(self, copy: Copy) -> None:
        try:
            self._target.put(copy, ANY)
        except InvalidDocument:  # the old or the new text cannot be read
            self._target.delete(copy.key)
            self._target.put(copy)

    def _require(self, key: Key) -> None:
        """Raise unless what is there was to be there. A lease is taken away that was left by another one."""
        copy, wanted = self._target.copy(key), self._digests[key.kind].get(key.id)
        if (copy.digest if isinstance(copy, Copy) else None) == wanted:
            return
        if not isinstance(copy, Copy) or copy.lease is None or replace(copy, lease=None).digest != wanted:
            raise _differs(key.name)
        free = replace(copy, lease=Lease())
        self._replace(free)
        self._digests[key.kind][key.id] = free.digest

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
            found = (one for one in self._target.copies(kind, archived=True) if isinstance(one, Copy))
            there = {copy.archived: version_of(copy.text) for copy in found}
            copies = self._texts_of(self._source.copies(kind, archived=True))
            while page := list(islice(copies, PAGE)):
                for copy in page:
                    if copy.archived in there and there[copy.archived] != version_of(copy.text):
                        raise _differs(f"archive/{copy.archived}")
                self._target.put_all(
                    [
                        replace(copy, lease=None) if self._source.exists(copy.key) else copy
                        for copy in page
                        if copy.archived not in there
                    ]
                )
                self.counts["archived document"] += len(page)
                self._went_on("archived", self.counts["archived document"])

    def _texts_of(self, found: Iterable[Copy | Unreadable]) -> Iterator[Copy]:
        """The copies in the archive that are text; the others are noted."""
        for one in found:
            if isinstance(one, Copy):
                yield one
            else:
                self.left_out[one.path] = one  # not by its name, which a document in use may have

    def _leave_out(self, found: Iterable[Copy | Unreadable]) -> None:
        self.left_out.update((one.key.name, one) for one in found if isinstance(one, Unreadable))

    # -- events

    def _channel(self, name: str) -> int:
        if name not in self._channels:
            self._channels[name] = ChannelTransfer(self._source, self._target, name, lambda: self.pulse())
        channel = self._channels[name]
        added = channel.bring()
        self.counts["event"] += added
        self._tell("events", self.counts["event"], 0)
        return added

    def _went_on(self, what: str, number: int, total: int = 0) -> None:
        self.pulse()
        self._tell(what, number, total)


def _differs(what: str) -> BackendUnavailable:
    return BackendUnavailable(
        f"{what} is not the same in both stores",
        hint="nothing has moved yet; do it again, and if that does not help, into a store that is empty",
    )


def _become(value: Value, _: Value) -> Value:
    return value


def _nothing() -> None:
    pass
