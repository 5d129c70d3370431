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
from mdcoord.backends.redis.link import Link, Script, Word
from mdcoord.backends.redis.recent import Raw, Recent
from mdcoord.backends.redis.sight import in_queue
from mdcoord.errors import InvalidDocument, UsageError
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
            while self._left:
                _, member, key, raw = self._left.popleft()
                record = self._record(key, raw)
                if record is None:
                    self._park(key, [member, digest(raw[0]) if raw[0] else "", "", 0])
                elif key not in seen:
                    seen.add(key)
                    yield record
            page = self._ask(*last, grow=not seen)
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
        self._aside(record, "time", self._keys.later, moment=moment)

    def wait_for(self, record: Record, other: str) -> None:
        try:
            document = self._keys.document(Key.of("task", other))
        except UsageError:
            document = ""  # no task can ever have this name
        self._aside(record, "task", self._keys.waiting(other), document)

    def forget(self) -> None:
        self._left.clear()

    def _ask(self, score: str, member: str, *, grow: bool) -> list[Offer]:
        now = time.monotonic()
        quick = now - self._asked < KEPT
        self._count = min(self._count * 2, MOST) if quick or not grow else 1
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

    def _aside(self, record: Record, how: str, place: str, other: str = "", *, moment: float = 0.0) -> None:
        _, member = in_queue(record.key.id, record.fields)
        self._park(record.key, [member, record.version, how, moment], place, other)

    def _park(self, key: Key, values: Sequence[Word], place: str = "", other: str = "") -> None:
        document = self._keys.document(key)
        self._link.run(_PARK, [self._keys.queue, place or document, document, other or document], values)


def _offer(member: bytes, score: bytes, text: bytes | None, lease: bytes | None) -> Offer:
    return score.decode(), member.decode(), Key("task", json.loads(member)["id"]), (text, lease)
