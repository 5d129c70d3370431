"""The Redis backend: documents, claims and events on one server (or node of a cluster), for many machines.

A document's exact text is the truth, as in a folder, and edited by the same code; beside it stands what
others read (see `keys` and `sight`). Writers take no lock on the server: a write reads, decides here, and one
script stores it if nobody was faster; else it looks again. What this process has just written itself it does
not read once more: the script tells if that is no longer so. Redis ≥ 6.2 or Valkey.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from mdcoord.backends.base import DEFAULT_WAIT, Backend, Changes, Decide, Revise, Shelf
from mdcoord.backends.naming import archive_names, random_name
from mdcoord.backends.redis import server
from mdcoord.backends.redis.address import parse_address
from mdcoord.backends.redis.arrivals import Arrivals
from mdcoord.backends.redis.changes import RedisChanges
from mdcoord.backends.redis.clock import ServerHost
from mdcoord.backends.redis.commits import (
    ANYTHING,
    NOTHING,
    Step,
    commit,
    digest,
    same_text,
)
from mdcoord.backends.redis.documents import Documents, lease_of, packed, there, unpacked, version
from mdcoord.backends.redis.gate import Gate
from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Link
from mdcoord.backends.redis.listing import Listings
from mdcoord.backends.redis.log import EventLog
from mdcoord.backends.redis.memos import Memos
from mdcoord.backends.redis.recent import Raw, Recent
from mdcoord.backends.redis.shelf import RedisShelf
from mdcoord.backends.redis.sight import Sight
from mdcoord.backends.redis.turns import Race, Turns
from mdcoord.backends.refusals import agree, not_archived, taken
from mdcoord.backends.values import Copy, Event, Listing, Unreadable
from mdcoord.formats.document import decode
from mdcoord.formats.eventids import channel_name
from mdcoord.formats.revise import Scribe
from mdcoord.formats.templating import Templates
from mdcoord.host import Host
from mdcoord.model import ABSENT, ANY, Change, Expect, Key, Record, Value, normalise_name
from mdcoord.rules.leases import Lease


class RedisBackend(Backend):
    """A workspace on the server at `url` (see `address`).

    Opening it asks the server, so that a wrong address is noticed at once. `templates` are folders with the
    workspace's own templates. When the workspace has moved to another store, reads and writes raise Moved;
    not where `elsewhere` says that this is known. Raises BackendUnavailable, UsageError.
    """

    name = "redis"
    forkable = True

    def __init__(self, url: str, *, templates: Sequence[str] = (), elsewhere: bool = False) -> None:
        address = parse_address(url, os.environ)
        self.location = address.shown
        self._link = link = Link(address, Host().uptime)
        self._keys = keys = Keys(address.prefix, os.environ.get("COORD_KEY_PREFIX") or "coord")
        met = server.meet(link, keys)
        self._data = met.data
        link.first = self._name_data
        link.away = f"{keys.away}-elsewhere" if elsewhere else keys.away  # a key that nobody ever makes
        self._sight = Sight(keys, met.has_json)
        self._scribe = Scribe(Templates(list(templates)))
        self._documents = Documents(link, keys, self._scribe, self._sight)
        self._listings = Listings(link, keys, self._documents.listed)
        self._log = EventLog(link, keys)
        self._recent = Recent()
        self._me = os.urandom(6).hex()
        self._turns = Turns()
        self._memos = Memos(link, keys, self._sight, self._turns)

    @property
    def durability(self) -> str:
        return server.durability(self._link)

    @property
    def data(self) -> str | None:
        return self._data or None

    @property
    def waits(self) -> int:
        return self._turns.waits

    def clock(self, host: Host) -> Host:
        return ServerHost(self._link, self._name_data, host)

    # -- documents ---------------------------------------------------------------------------------------

    def read(self, key: Key) -> Record:
        return self._documents.found(key, self._documents.look(key)).record

    def text(self, key: Key) -> str:
        return decode(there(key, self._documents.look(key)[0]), where=key.name)

    def shelf(self) -> Shelf:
        return RedisShelf(self._link, self._keys, self._documents, self._recent, self._me)

    def _named(self, key: Key) -> Sequence[Key]:
        names = self._link.call("SMEMBERS", self._keys.alias(key.kind, key.id))
        return [Key(key.kind, name) for name in sorted(name.decode() for name in names)]

    def changes(self, ring: Callable[[], None], channel: str | None = None) -> Changes:
        feed = self._keys.revision if channel is None else self._keys.feed(channel_name(channel))
        return RedisChanges(self._link, feed, ring)

    def exists(self, key: Key) -> bool:
        return bool(self._link.call("HEXISTS", self._keys.document(key), "text"))

    def lease(self, key: Key) -> Lease | None:
        return lease_of(key, self._link.call("HGET", self._keys.document(key), "lease"))

    def resolve(self, kind: str, name: str) -> Key:
        key = Key.of(kind, name)
        return key if self._recent.get(key) else super().resolve(kind, name)

    def list(self, kind: str, *, max_age: float = 0.0) -> Listing:
        return self._listings.listing(kind, max_age)

    def create(
        self, kind: str, fields: Mapping[str, Any], *, body: str = "", name: str | None = None
    ) -> Record:
        while True:
            key = Key.of(kind, name if name is not None else random_name())
            draft = self._scribe.create(key, fields, body)
            step = self._documents.creation(key, draft)
            step.guard(ANYTHING, "HGET", self._keys.document(key), "lease")
            done, (_, lease) = self._commit(step)
            if done:
                raw = draft.text.encode(), lease
                self._recent.note(key, raw)
                return self._documents.found(key, raw).record
            if name is not None:
                raise taken(key.name)

    def write(
        self, key: Key, change: Change | Decide, expect: Expect = ANY, *, wait: float = DEFAULT_WAIT
    ) -> Record:
        decide: Decide = change if callable(change) else lambda _record: change
        with self._turns.taken(key.name, wait):
            known = self._recent.get(key)
            if known and (record := self._at_once(key, known, decide, expect)):
                return record
            race, raw = Race(self._turns, key.name, wait), self._documents.look(key)
            while True:
                found = self._documents.found(key, raw)
                agree(key, version(key, raw[0]), expect)
                wanted = decide(found.record)
                if wanted is None:
                    return found.record
                after, step, stored = self._documents.change(found, wanted)
                done, (text, lease) = self._commit(step)
                if done:
                    self._recent.note(key, stored)
                    return after
                raw = text, lease
                race.lost()

    def _at_once(self, key: Key, known: Raw, decide: Decide, expect: Expect) -> Record | None:
        """Write to a document as it was known last; None when that is to be done on what is there now."""
        try:
            found = self._documents.found(key, known)
            agree(key, version(key, known[0]), expect)
            wanted = decide(found.record)
            if wanted is None:
                return found.record if self._documents.look(key) == known else None
            after, step, stored = self._documents.change(found, wanted)
        except Exception:
            return None  # what is there now is perhaps not refused; else the next attempt says why
        if not self._commit(step)[0]:
            return None
        self._recent.note(key, stored)
        return after

    def delete(self, key: Key, expect: Expect = ANY) -> None:
        with self._turns.taken(key.name, DEFAULT_WAIT):
            race, raw = Race(self._turns, key.name, DEFAULT_WAIT), self._documents.look(key)
            while True:
                agree(key, version(key, raw[0]), expect)
                done, (text, lease) = self._commit(self._documents.removal(key, raw))
                if done:
                    return
                raw = text, lease
                race.lost()

    # -- archive -----------------------------------------------------------------------------------------

    def archive(self, key: Key, check: Decide | None = None) -> str:
        names = archive_names(key)
        name = next(names)
        with self._turns.taken(key.name, DEFAULT_WAIT):
            race, raw = Race(self._turns, key.name, DEFAULT_WAIT), self._documents.look(key)
            while True:
                if check is not None:
                    check(self._documents.found(key, raw).record)
                step = self._documents.removal(key, raw)
                step.guard(NOTHING, "HGET", self._keys.archive, name)
                step.do("HSET", self._keys.archive, name, packed(key, there(key, raw[0])))
                done, (text, lease, other) = self._commit(step)
                if done:
                    return name
                raw = text, lease
                if other is None:
                    race.lost()
                else:
                    name = next(names)

    def restore(self, name: str) -> Record:
        name = normalise_name(name.removesuffix(".md"))
        stored = self._link.call("HGET", self._keys.archive, name)
        if stored is None:
            raise not_archived(name)
        key, text = unpacked(stored)
        step = self._documents.arrival(Copy(key, decode(text, where=name)))
        step.guard(ANYTHING, "HGET", self._keys.document(key), "lease")
        step.guard(same_text(stored), "HGET", self._keys.archive, name)
        step.do("HDEL", self._keys.archive, name)
        done, (other, lease, _) = self._commit(step)
        if not done:
            raise taken(key.name) if other is not None else not_archived(name)
        return self._documents.found(key, (text, lease)).record

    def archived(self) -> Sequence[str]:
        names = [name.decode() for name in self._link.call("HKEYS", self._keys.archive)]
        return sorted(names + [f"events-{channel}" for channel in self._log.archives()])

    # -- moving to another store -------------------------------------------------------------------------

    def copies(self, kind: str, *, archived: bool = False) -> Iterator[Copy | Unreadable]:
        return self._documents.archived_copies(kind) if archived else self.copies_of(kind, self.ids(kind))

    def copies_of(self, kind: str, ids: Sequence[str]) -> Iterator[Copy | Unreadable]:
        return self._documents.copies(kind, ids)

    def digests(self, kind: str, ids: Sequence[str]) -> Mapping[str, str]:
        return self._documents.digests(kind, ids)

    def ids(self, kind: str) -> Sequence[str]:
        return self._documents.ids(kind)

    def put(self, copy: Copy, expect: Expect = ABSENT) -> str:
        key = Key.of(*copy.key)
        if copy.archived or expect is ABSENT:
            if not self._commit(self._documents.arrival(copy))[0]:
                raise taken(copy.archived or key.name)
            return digest(copy.text.encode())
        with self._turns.taken(key.name, DEFAULT_WAIT):
            race = Race(self._turns, key.name, DEFAULT_WAIT)
            while True:
                raw = self._documents.look(key)
                agree(key, version(key, raw[0]), expect)
                step = self._documents.replacement(self._documents.found(key, raw), copy)
                if self._commit(step)[0]:
                    return digest(copy.text.encode())
                race.lost()

    def put_all(self, copies: Sequence[Copy]) -> Sequence[bool]:
        try:
            return Arrivals(self._link, self._keys, self._documents).store(copies)
        finally:
            for kind in {copy.key.kind for copy in copies}:
                self._listings.outdated(kind)

    def put_text(self, key: Key, text: str) -> None:
        """Replace a document's text as an editor would: no check, no change of the lease."""
        self._commit(self._documents.overwriting(key, text.encode()))

    def marks(self, kind: str) -> Mapping[str, Value]:
        return self._documents.marks(kind)

    def left_leases(self, kind: str) -> Mapping[str, Lease]:
        return self._documents.left_leases(kind)

    def moving(self, wait: float = DEFAULT_WAIT) -> AbstractContextManager[Gate]:
        return Gate(self._link, self._keys).closed(wait)

    def arrive(self) -> None:
        self._link.call("DEL", self._keys.away)

    # -- events ------------------------------------------------------------------------------------------

    def append(
        self, channel: str, name: str, data: Mapping[str, Any], *, time: str, id: str | None = None
    ) -> Event:
        return self._log.append(channel, name, data, time, id)

    def extend(self, channel: str, events: Sequence[Event]) -> None:
        self._log.extend(channel, events)

    def history(self, channel: str) -> Iterator[Event]:
        return self._log.history(channel)

    def tail(self, channel: str, after: str | None = None, limit: int | None = None) -> Iterator[Event]:
        return self._log.tail(channel, after, limit)

    def start(self, channel: str) -> str:
        return self._log.start(channel)

    def last(self, channel: str, count: int) -> Sequence[Event]:
        return self._log.last(channel, count)

    def channels(self) -> Sequence[str]:
        return self._log.channels()

    def problems(self, channel: str) -> Sequence[Unreadable]:
        return self._log.problems(channel)

    def rotate(self, channel: str, keep: int) -> int:
        return self._log.rotate(channel, keep)

    # -- memos -------------------------------------------------------------------------------------------

    def memo(self, topic: str, name: str) -> Value:
        return self._memos.get(topic, name)

    def topics(self) -> Sequence[str]:
        return self._memos.topics()

    def memos(self, topic: str) -> Mapping[str, Value]:
        return self._memos.all(topic)

    def keep(self, topic: str, name: str, revise: Revise, *, wait: float = DEFAULT_WAIT) -> Value:
        return self._memos.keep(topic, name, revise, wait)

    def close(self) -> None:
        self._link.close()

    def _name_data(self) -> str:
        """What names the data, which get their name before the first write."""
        if not self._data:
            self._data = server.name_data(self._link, self._keys)
        return self._data

    def _commit(self, step: Step) -> tuple[bool, Sequence[Any]]:
        try:
            done, found = commit(self._link, self._keys, step)
        finally:
            if step.key and step.index:
                self._listings.outdated(step.key.kind)
        if step.key and (not done or step.index == "drop"):
            self._recent.forget(step.key)
        return done, found
