"""Listings that fetch only what has changed since the last one of this process.

Every write puts its document's id into the index of its kind with a new revision, so the changes since a
revision are one range of it. Ids that are gone are found by counting removals.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from mdcoord.backends.redis.commits import in_pages
from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Link
from mdcoord.backends.values import Listing, Unreadable
from mdcoord.errors import InvalidDocument
from mdcoord.model import Key, Record

PAGE: Final = 500
"""Texts fetched at once."""

Load = Callable[[Key, bytes], Record]
"""Reads the text of a document. Raises InvalidDocument."""


@dataclass(slots=True)
class _Kind:
    """What is known of one kind. Replaced as a whole."""

    revision: int = 0
    removals: bytes | None = None
    entries: dict[str, Record | Unreadable] = field(default_factory=dict)
    listing: Listing = field(default_factory=lambda: Listing([]))
    looked: float = -float("inf")


class Listings:
    """The listings of one process."""

    def __init__(self, link: Link, keys: Keys, load: Load) -> None:
        self._link = link
        self._keys = keys
        self._load = load
        self._kinds: dict[str, _Kind] = {}
        self._written: dict[str, float] = {}

    def listing(self, kind: str, max_age: float) -> Listing:
        """All documents of a kind, as they were at most `max_age` seconds ago."""
        known, begun = self._kinds.get(kind, _Kind()), time.monotonic()
        if begun - known.looked <= max_age and known.looked > self._written.get(kind, 0.0):
            return known.listing
        index = self._keys.index(kind)
        removals, changed = self._link.many(
            [
                ("GET", self._keys.removals(kind)),
                ("ZRANGEBYSCORE", index, f"({known.revision}", "+inf", "WITHSCORES"),
            ]
        )
        entries, revision = known.entries, known.revision
        if changed:
            entries, revision = {**entries}, int(float(changed[-1]))
            self._fetch(kind, [name.decode() for name in changed[::2]], entries)
        if removals != known.removals:
            present = {name.decode() for name in self._link.call("ZRANGE", index, 0, -1)}
            entries = {name: entry for name, entry in entries.items() if name in present}
        listing = known.listing if entries is known.entries else _listing(entries)
        self._kinds[kind] = _Kind(revision, removals, entries, listing, begun)
        return listing

    def outdated(self, kind: str) -> None:
        """This process has written: no answer from before is good enough."""
        self._written[kind] = time.monotonic()

    def _fetch(self, kind: str, names: list[str], entries: dict[str, Record | Unreadable]) -> None:
        for page in in_pages(names, PAGE):
            texts = self._link.many([("HGET", self._keys.document(Key(kind, name)), "text") for name in page])
            for name, text in zip(page, texts, strict=True):
                if text is None:
                    entries.pop(name, None)  # it was removed a moment ago
                else:
                    entries[name] = self._entry(Key(kind, name), text)

    def _entry(self, key: Key, text: bytes) -> Record | Unreadable:
        try:
            return self._load(key, text)
        except InvalidDocument as error:
            line, column = error.details.get("line"), error.details.get("column")
            return Unreadable(key, key.name, error.message, line, column, error.hint)


def _listing(entries: dict[str, Record | Unreadable]) -> Listing:
    found = [entries[name] for name in sorted(entries)]
    return Listing(
        [entry for entry in found if isinstance(entry, Record)],
        [entry for entry in found if isinstance(entry, Unreadable)],
    )
