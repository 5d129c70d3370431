"""The queue of tasks on the server, so that claiming costs the same among a hundred and a hundred thousand.

All pending tasks stand in one sorted set. Whoever finds there one that nobody can claim yet, because it waits
for another task or for a time, puts it aside; it comes back when the other is completed (in the script that
completes it) or the time has come. So the queue may show too much for a moment, and never too little.

Who claims one after the other is offered several at once, and others are offered other ones meanwhile.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mdcoord.backends.base import Shelf
from mdcoord.backends.redis.commits import digest, in_pages
from mdcoord.backends.redis.documents import Documents
from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Link, Script
from mdcoord.backends.redis.recent import Raw, Recent
from mdcoord.backends.redis.sight import in_queue
from mdcoord.errors import InvalidDocument
from mdcoord.model import Key, Record
from mdcoord.rules.standing import status_of

MOST: Final = 16
"""Tasks that are offered to one process at a time."""

KEPT: Final = 0.25
"""Seconds for which they are not offered to others."""

PAGE: Final = 200

_OFFERS, _PARK = Script("away", "offers"), Script("away", "park")

Offer = tuple[str, str, Key, Raw]
"""Score and member in the queue, the task that is meant, what is stored of it."""


class RedisShelf(Shelf):
    """The queue as one process sees it. `me` names whom its tasks are offered to."""

    def __init__(self, link: Link, keys: Keys, documents: Documents, recent: Recent, me: str) -> None:
        self._link = link
        self._keys = keys
        self._documents = documents
        self._recent = recent
        self._me = me
        self._left: deque[Offer] = deque()
        self._asked = -float("inf")
        self._count = 1

    def open(self) -> Iterator[Record]:
        seen, last = set[Key](), ("", "")
        if time.monotonic() - self._asked > KEPT:
            self._left.clear()
        while True:
            for _, member, key, raw in self._taken():
                record = self._record(key, raw)
                if record is None or in_queue(key.id, record.fields)[1] != member:
                    self._park(key, member, digest(raw[0]) if raw[0] else "")
                elif key not in seen:
                    seen.add(key)
                    yield record
            page = self._ask(*last, more=bool(seen))
            if not page:
                return
            last = page[-1][:2]
            self._left.extend(page)

    def held(self) -> Sequence[Record]:
        names = sorted(name.decode() for name in self._link.call("SMEMBERS", self._keys.running))
        found = []
        for page in in_pages([Key("task", name) for name in names], PAGE):
            asked = [("HMGET", self._keys.document(key), "text", "lease") for key in page]
            for key, (text, lease) in zip(page, self._link.many(asked), strict=True):
                try:
                    found += [self._documents.found(key, (text, lease)).record] if text is not None else []
                except InvalidDocument:
                    continue
        return found

    def tally(self) -> Mapping[str, int]:
        found = iter(self._link.call("HGETALL", self._keys.tally))
        counts = {status.decode(): int(count) for status, count in zip(found, found, strict=True)}
        return {status: count for status, count in sorted(counts.items()) if count > 0}

    def wait_until(self, record: Record, moment: float) -> None:
        _, member = in_queue(record.key.id, record.fields)
        self._park(record.key, member, record.version, "time", self._keys.later, moment=moment)

    def wait_for(self, record: Record, other: str) -> None:
        _, member = in_queue(record.key.id, record.fields)
        place = self._keys.waiting(other)
        self._park(record.key, member, record.version, "task", place, other=other)

    def forget(self) -> None:
        self._left.clear()

    def _taken(self) -> Iterator[Offer]:
        """What is left of the last answers; several threads may take from it."""
        while True:
            try:
                yield self._left.popleft()
            except IndexError:
                return

    def _ask(self, score: str, member: str, *, more: bool) -> list[Offer]:
        """The next after these; who asks for more, or again at once, gets twice as many as before."""
        now = time.monotonic()
        self._count = min(self._count * 2, MOST) if more or now - self._asked < KEPT else 1
        self._asked = now
        places = [self._keys.queue, self._keys.later, self._keys.offered]
        head = self._keys.document(Key("task", ""))
        found = self._link.run(
            _OFFERS, places, [self._me, self._count, int(KEPT * 1000), score, member, head]
        )
        return [_offer(*found[first : first + 4]) for first in range(0, len(found), 4)]

    def _record(self, key: Key, raw: Raw) -> Record | None:
        """The task, if it is one that is open."""
        if raw[0] is None:
            return None
        try:
            record = self._documents.found(key, raw).record
        except InvalidDocument:
            return None
        self._recent.note(key, raw)
        return record if status_of(record.fields) == "pending" else None

    def _park(
        self,
        key: Key,
        member: str,
        version: str,
        how: str = "",
        place: str = "",
        *,
        moment: float = 0.0,
        other: str = "",
    ) -> None:
        document, head = self._keys.document(key), self._keys.document(Key("task", ""))
        places = [
            self._keys.queue,
            place or document,
            document,
            head + other,
            self._keys.alias("task", other),
        ]
        self._link.run(_PARK, places, [member, version, how, moment, head])


def _offer(member: bytes, score: bytes, text: bytes | None, lease: bytes | None) -> Offer:
    return score.decode(), member.decode(), Key("task", json.loads(member)["id"]), (text, lease)
