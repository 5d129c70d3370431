"""A workspace in this process's memory: the reference of the contract, and users' test double.

It keeps every document's exact text and edits it as the Markdown backend does, so hand-written files, views,
versions and errors behave alike. Nothing survives the process; several threads may share one object.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from mdcoord.backends.base import DEFAULT_WAIT, Backend, Decide, Revise
from mdcoord.backends.naming import archive_name, archive_names, random_name
from mdcoord.backends.refusals import agree, no_channel, no_cursor, not_archived, nothing, taken
from mdcoord.backends.values import Copy, Event, Listing, Unreadable
from mdcoord.errors import Busy, InvalidDocument
from mdcoord.formats.eventids import channel_name
from mdcoord.formats.eventlog import render_event
from mdcoord.formats.revise import Scribe
from mdcoord.formats.templating import Templates
from mdcoord.model import ABSENT, ANY, KEEP, Change, Expect, Key, Record, Value, normalise_name

_REMEMBERED: Final = 64
"""An append that repeats the id of one of this many newest events adds nothing."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A document at rest. Replaced as a whole, so that a reader without a lock sees one state."""

    key: Key
    text: str
    version: str


@dataclass(slots=True)
class _Channel:
    """All events of a channel ever; those before `start` count as archived.

    A cursor is a number of events.
    """

    events: list[Event]
    start: int = 0


class MemoryBackend(Backend):
    """Keeps documents, leases and channels in dictionaries."""

    name = "memory"
    location = "memory"

    def __init__(self) -> None:
        self._scribe = Scribe(Templates([]))
        self._documents: dict[Key, _Stored] = {}
        self._leases: dict[Key, Any] = {}
        self._archive: dict[str, _Stored] = {}
        self._channels: dict[str, _Channel] = {}
        self._memos: dict[Key, str] = {}
        self._locks: defaultdict[Key, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()
        self._waits = 0

    @property
    def waits(self) -> int:
        return self._waits

    def read(self, key: Key) -> Record:
        return self._record(self._stored(key))

    def text(self, key: Key) -> str:
        return self._stored(key).text

    def put_text(self, key: Key, text: str) -> None:
        """Replace a document's text as an editor would: no lock, no check, no change of the lease."""
        self._store(key, text)

    def exists(self, key: Key) -> bool:
        return key in self._documents

    def lease(self, key: Key) -> Any:
        return self._leases.get(key)

    def list(self, kind: str, *, max_age: float = 0.0) -> Listing:
        with self._guard:
            found = [stored for key, stored in self._documents.items() if key.kind == kind]
        records: list[Record] = []
        unreadable: list[Unreadable] = []
        for stored in sorted(found, key=lambda stored: stored.key):
            try:
                records.append(replace(self._record(stored), lease=None))
            except InvalidDocument as error:
                where = {name: error.details.get(name) for name in ("line", "column")}
                unreadable.append(
                    Unreadable(stored.key, stored.key.name, error.message, hint=error.hint, **where)
                )
        return Listing(records, unreadable)

    def create(
        self, kind: str, fields: Mapping[str, Value], *, body: str = "", name: str | None = None
    ) -> Record:
        while True:
            key = Key.of(kind, name if name is not None else random_name())
            with self._locked(key, DEFAULT_WAIT):
                if key in self._documents:
                    if name is None:
                        continue
                    raise taken(key.name)
                return self._record(self._store(key, self._scribe.create(key, fields, body).text))

    def write(
        self, key: Key, change: Change | Decide, expect: Expect = ANY, *, wait: float = DEFAULT_WAIT
    ) -> Record:
        with self._locked(key, wait):
            stored = self._expected(key, expect)
            record = self._record(stored)
            wanted = change(record) if callable(change) else change
            if wanted is None:
                return record
            if wanted.touches_document:
                draft = self._scribe.open(key, stored.text, key.name)
                stored = self._store(key, self._scribe.revise(key, draft, wanted).text)
            if wanted.lease is not KEEP:
                self._set_lease(key, wanted.lease)
            return self._record(stored)

    def delete(self, key: Key, expect: Expect = ANY) -> None:
        with self._locked(key, DEFAULT_WAIT):
            self._expected(key, expect)
            del self._documents[key]

    def archive(self, key: Key, check: Decide | None = None) -> str:
        with self._locked(key, DEFAULT_WAIT):
            stored = self._stored(key)
            if check is not None:
                check(self._record(stored))
            with self._guard:
                name = next(name for name in archive_names(key) if name not in self._archive)
                self._archive[name] = self._documents.pop(key)
            return name

    def restore(self, name: str) -> Record:
        stored = self._archive.get(name.removesuffix(".md"))
        if stored is None:
            raise not_archived(name)
        with self._locked(stored.key, DEFAULT_WAIT):
            if stored.key in self._documents:
                raise taken(stored.key.name)
            with self._guard:
                self._documents[stored.key] = self._archive.pop(name.removesuffix(".md"))
            return self._record(stored)

    def archived(self) -> Sequence[str]:
        with self._guard:
            logs = [f"events-{name}" for name, channel in self._channels.items() if channel.start]
            return sorted([*self._archive, *logs])

    def copies(self, kind: str, *, archived: bool = False) -> Iterator[Copy | Unreadable]:
        with self._guard:
            known = self._archive if archived else {key.name: doc for key, doc in self._documents.items()}
            found = sorted((name, doc) for name, doc in known.items() if doc.key.kind == kind)
        return (self._copy(stored, name if archived else "") for name, stored in found)

    def copies_of(self, kind: str, ids: Sequence[str]) -> Iterator[Copy | Unreadable]:
        found = (self._documents.get(Key(kind, name)) for name in ids)
        return (self._copy(stored) for stored in found if stored is not None)

    def ids(self, kind: str) -> Sequence[str]:
        with self._guard:
            return sorted(key.id for key in self._documents if key.kind == kind)

    def _copy(self, stored: _Stored, archived: str = "") -> Copy:
        fields: Mapping[str, Value] | None
        try:
            fields = self._scribe.open(stored.key, stored.text).fields
        except InvalidDocument:
            fields = None
        return Copy(stored.key, stored.text, fields, self._leases.get(stored.key), archived)

    def put(self, copy: Copy, expect: Expect = ABSENT) -> str:
        key = Key.of(*copy.key)
        with self._locked(key, DEFAULT_WAIT):
            if copy.archived:
                return self._put_archived(key, copy)
            if expect is not ABSENT:
                self._expected(key, expect)
                self._scribe.open(key, copy.text, key.name)
            elif key in self._documents:
                raise taken(key.name)
            stored = self._store(key, copy.text)
            if copy.lease is not None:
                self._set_lease(key, copy.lease)
            return stored.version

    def _put_archived(self, key: Key, copy: Copy) -> str:
        name = archive_name(key, copy.archived)
        with self._guard:
            if name in self._archive:
                raise taken(name)
            self._archive[name] = _stored(key, copy.text)
        if copy.lease is not None:
            self._set_lease(key, copy.lease)
        return self._archive[name].version

    def history(self, channel: str) -> Iterator[Event]:
        return iter(self._channel(channel).events[:])

    def extend(self, channel: str, events: Sequence[Event]) -> None:
        channel = channel_name(channel)
        with self._guard:
            known = self._channels.setdefault(channel, _Channel([])).events
            first = len(known) + 1
            known += [
                event._replace(cursor=f"{channel}:{number}") for number, event in enumerate(events, first)
            ]

    def append(
        self, channel: str, name: str, data: Mapping[str, Value], *, time: str, id: str | None = None
    ) -> Event:
        channel = channel_name(channel)
        _, entry = render_event(id or random_name(), name, time, data)
        with self._guard:
            events = self._channels.setdefault(channel, _Channel([])).events
            for known in events[-_REMEMBERED:] if id is not None else ():
                if known.id == id:
                    return known
            cursor = f"{channel}:{len(events) + 1}"
            events.append(Event(str(entry.id), entry.name, entry.time, entry.data, cursor))
            return events[-1]

    def tail(self, channel: str, after: str | None = None, limit: int | None = None) -> Iterator[Event]:
        found = self._channel(channel)
        first = found.start if after is None else self._position(channel, after)
        last = len(found.events) if limit is None else min(first + limit, len(found.events))
        return iter(found.events[first:last])

    def start(self, channel: str) -> str:
        name = channel_name(channel)
        found = self._channels.get(name)
        return f"{name}:{found.start if found else 0}"

    def last(self, channel: str, count: int) -> Sequence[Event]:
        found = self._channel(channel)
        return found.events[max(found.start, len(found.events) - count) :] if count > 0 else []

    def channels(self) -> Sequence[str]:
        with self._guard:
            return sorted(self._channels)

    def rotate(self, channel: str, keep: int) -> int:
        found = self._channel(channel)
        with self._guard:
            moved = max(0, len(found.events) - keep - found.start)
            found.start += moved
        return moved

    def memo(self, topic: str, name: str) -> Value:
        return json.loads(self._memos.get(_memo_key(topic, name), "null"))

    def memos(self, topic: str) -> Mapping[str, Value]:
        kind = _memo_key(topic, "any").kind
        with self._guard:
            found = sorted(key for key in self._memos if key.kind == kind)
        return {key.id: json.loads(self._memos.get(key, "null")) for key in found}

    def left_leases(self, kind: str) -> Mapping[str, Any]:
        with self._guard:
            gone = self._leases.keys() - self._documents.keys()
            return {key.id: self._leases[key] for key in gone if key.kind == kind}

    def topics(self) -> Sequence[str]:
        with self._guard:
            return sorted({key.kind.removeprefix("memo/") for key in self._memos})

    def keep(self, topic: str, name: str, revise: Revise, *, wait: float = DEFAULT_WAIT) -> Value:
        key = _memo_key(topic, name)
        with self._locked(key, wait):
            value = revise(json.loads(self._memos.get(key, "null")))
            with self._guard:
                if value is None:
                    self._memos.pop(key, None)
                else:
                    self._memos[key] = json.dumps(value)
            return json.loads(self._memos.get(key, "null"))

    @contextmanager
    def _locked(self, key: Key, wait: float) -> Iterator[None]:
        with self._guard:
            lock = self._locks[key]
        if not lock.acquire(blocking=False) and not self._wait(lock, wait):
            raise Busy(f"{key.name} is being written by another thread", hint="try again", key=key.name)
        try:
            yield
        finally:
            lock.release()

    def _wait(self, lock: threading.Lock, wait: float) -> bool:
        with self._guard:
            self._waits += wait > 0
        return lock.acquire(timeout=wait)

    def _stored(self, key: Key) -> _Stored:
        try:
            return self._documents[key]
        except KeyError:
            raise nothing(key) from None

    def _expected(self, key: Key, expect: Expect) -> _Stored:
        stored = self._stored(key)
        agree(key, stored.version, expect)
        return stored

    def _store(self, key: Key, text: str) -> _Stored:
        stored = _stored(key, text)
        with self._guard:
            self._documents[key] = stored
        return stored

    def _set_lease(self, key: Key, lease: Any) -> None:
        with self._guard:
            if lease is None:
                self._leases.pop(key, None)
            else:
                self._leases[key] = lease

    def _record(self, stored: _Stored) -> Record:
        draft = self._scribe.open(stored.key, stored.text, stored.key.name)
        return Record(
            stored.key, draft.fields, draft.body, stored.version, lease=self._leases.get(stored.key)
        )

    def _channel(self, channel: str) -> _Channel:
        name = channel_name(channel)
        try:
            return self._channels[name]
        except KeyError:
            raise no_channel(name) from None

    def _position(self, channel: str, cursor: str) -> int:
        name, _, number = cursor.rpartition(":")
        known = len(self._channel(channel).events)
        if name != channel_name(channel) or not number.isdecimal() or int(number) > known:
            raise no_cursor(channel, cursor)
        return int(number)


def _memo_key(topic: str, name: str) -> Key:
    # With a slash, so that no document has the same key and the same lock.
    return Key(f"memo/{normalise_name(topic)}", normalise_name(name))


def _stored(key: Key, text: str) -> _Stored:
    version = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return _Stored(key, text, version)
