"""Documents in Redis: how they are read, and the steps by which they change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from mdcoord.backends.naming import archive_name
from mdcoord.backends.redis.commits import NOTHING, Step, digest, exactly, in_pages, same_text
from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Link
from mdcoord.backends.redis.recent import Raw
from mdcoord.backends.redis.sight import Fields, Sight, dump
from mdcoord.backends.refusals import nothing
from mdcoord.backends.values import Copy
from mdcoord.errors import InvalidDocument
from mdcoord.formats.document import decode
from mdcoord.formats.revise import Draft, Scribe
from mdcoord.model import KEEP, Change, Key, Record, Value
from mdcoord.rules.leases import Lease

PAGE: Final = 200
"""Documents fetched at once."""


class Found(NamedTuple):
    """A document as it was read: its bytes, what they say, and its lease as it is stored."""

    raw: bytes
    draft: Draft
    record: Record
    lease: bytes | None


class Documents:
    """Reads documents and makes steps; the steps are for `commits.commit`."""

    def __init__(self, link: Link, keys: Keys, scribe: Scribe, sight: Sight) -> None:
        self._link = link
        self._keys = keys
        self._scribe = scribe
        self._sight = sight

    # -- reading -----------------------------------------------------------------------------------------

    def look(self, key: Key) -> Raw:
        """What is stored of a document."""
        text, lease = self._link.call("HMGET", self._keys.document(key), "text", "lease")
        return text, lease

    def found(self, key: Key, raw: Raw) -> Found:
        """What that means. Raises NotFound, InvalidDocument."""
        text = there(key, raw[0])
        draft = self._scribe.open(key, decode(text, where=key.name), key.name)
        return Found(text, draft, _record(key, text, draft, lease_of(key, raw[1])), raw[1])

    def listed(self, key: Key, text: bytes) -> Record:
        """A record without its lease. Raises InvalidDocument."""
        return self.found(key, (text, None)).record

    def fields(self, key: Key, text: bytes | None) -> Fields:
        """What a text says; None where it cannot be read."""
        try:
            return None if text is None else self.listed(key, text).fields
        except InvalidDocument:
            return None

    def ids(self, kind: str) -> list[str]:
        """The ids of all documents of a kind, sorted."""
        return sorted(name.decode() for name in self._link.call("ZRANGE", self._keys.index(kind), 0, -1))

    def copies(self, kind: str, ids: Sequence[str]) -> Iterator[Copy]:
        """Those of these documents that are there, as they are."""
        return (self._copy(key, text, lease) for key, text, lease in self._stored(kind, ids))

    def digests(self, kind: str, ids: Sequence[str]) -> dict[str, str]:
        """What names their texts and leases, by id."""
        return {
            key.id: Copy(key, _words(text), None, lease_of(key, lease)).digest
            for key, text, lease in self._stored(kind, ids)
        }

    def _stored(self, kind: str, ids: Sequence[str]) -> Iterator[tuple[Key, bytes, bytes | None]]:
        for page in in_pages([Key(kind, name) for name in ids], PAGE):
            asked = [("HMGET", self._keys.document(key), "text", "lease") for key in page]
            for key, (text, lease) in zip(page, self._link.many(asked), strict=True):
                if text is not None:
                    yield key, text, lease

    def marks(self, kind: str) -> dict[str, Value]:
        """For each document of a kind, by id, the revision of its text and its lease as it is stored."""
        found = iter(self._link.call("ZRANGE", self._keys.index(kind), 0, -1, "WITHSCORES"))
        marks: dict[str, Value] = {}
        for page in in_pages(
            [(name.decode(), score) for name, score in zip(found, found, strict=True)], PAGE
        ):
            asked = [("HGET", self._keys.document(Key(kind, name)), "lease") for name, _ in page]
            for (name, score), lease in zip(page, self._link.many(asked), strict=True):
                marks[name] = (score, lease)
        return marks

    def left_leases(self, kind: str) -> dict[str, Lease]:
        """The leases that are stored without a text, by id."""
        head = self._keys.document(Key(kind, ""))
        left: dict[str, Lease] = {}
        gone = {name[len(head) :] for name in self._link.keys(head)}.difference(self.ids(kind))
        for page in in_pages([Key(kind, name) for name in sorted(gone)], PAGE):
            asked = [("HGET", self._keys.document(key), "lease") for key in page]
            for key, lease in zip(page, self._link.many(asked), strict=True):
                if (found := lease_of(key, lease)) is not None:
                    left[key.id] = found
        return left

    def archived_copies(self, kind: str) -> Iterator[Copy]:
        """The archived documents of a kind as they are, by their names there."""
        names = sorted(name.decode() for name in self._link.call("HKEYS", self._keys.archive))
        for page in in_pages([name for name in names if name.startswith(f"{kind}-")], PAGE):
            stored = zip(page, self._link.call("HMGET", self._keys.archive, *page), strict=True)
            found = [(name, *unpacked(one)) for name, one in stored if one]
            leases = self._link.many([("HGET", self._keys.document(key), "lease") for _, key, _ in found])
            for (name, key, text), lease in zip(found, leases, strict=True):
                yield self._copy(key, text, lease, name)

    def _copy(self, key: Key, text: bytes, lease: bytes | None, archived: str = "") -> Copy:
        return Copy(key, _words(text), self.fields(key, text), lease_of(key, lease), archived)

    # -- steps -------------------------------------------------------------------------------------------

    def creation(self, key: Key, draft: Draft) -> Step:
        """Make a document that is not there yet."""
        return self._arrival(key, draft.text.encode(), draft.fields)

    def arrival(self, copy: Copy) -> Step:
        """Store a copy under a name that is free, in use or in the archive. Raises InvalidName."""
        key, text = Key.of(*copy.key), copy.text.encode()
        if copy.archived:
            name, step = archive_name(key, copy.archived), Step(key=key)
            step.guard(NOTHING, "HGET", self._keys.archive, name)
            step.do("HSET", self._keys.archive, name, packed(key, text))
        else:
            step = self._arrival(key, text, self.fields(key, text) if copy.fields is None else copy.fields)
        if copy.lease is not None:
            self._set_lease(step, key, None, copy.lease)
        return step

    def _arrival(self, key: Key, text: bytes, fields: Fields) -> Step:
        step = Step(key=key, index="put")
        step.guard(NOTHING, "HGET", self._keys.document(key), "text")
        step.do("HSET", self._keys.document(key), "text", text)
        self._sight.document(step, key, None, fields)
        return step

    def change(self, found: Found, wanted: Change) -> tuple[Record, Step, Raw]:
        """The record after a change, the step that makes it, and how it is stored then."""
        key, draft, text, lease = found.record.key, found.draft, found.raw, found.lease
        step, held = Step(key=key), found.record.lease
        if wanted.touches_document:
            draft = self._scribe.revise(key, draft, wanted)
            text = draft.text.encode()
        self._guard(step, found)
        if text != found.raw:
            self._replace(step, key, text, found.record.fields, draft.fields)
        if wanted.lease is not KEEP:
            lease = self._set_lease(step, key, held, wanted.lease)
            held = wanted.lease
        return _record(key, text, draft, held), step, (text, lease)

    def replacement(self, found: Found, copy: Copy) -> Step:
        """Put a copy in the place of a document. Raises InvalidDocument."""
        key, step = found.record.key, Step(key=found.record.key)
        fields = self._scribe.open(key, copy.text, key.name).fields
        self._guard(step, found)
        self._replace(step, key, copy.text.encode(), found.record.fields, fields)
        if copy.lease is not None:
            self._set_lease(step, key, found.record.lease, copy.lease)
        return step

    def overwriting(self, key: Key, text: bytes) -> Step:
        """Put a text there, whatever is there now."""
        step, before = Step(key=key), self.look(key)[0]
        self._replace(step, key, text, self.fields(key, before), self.fields(key, text))
        return step

    def removal(self, key: Key, raw: Raw) -> Step:
        """Take a document away; its lease stays."""
        step, text = Step(key=key, index="drop"), there(key, raw[0])
        step.guard(same_text(text), "HGET", self._keys.document(key), "text")
        step.guard("*", "HGET", self._keys.document(key), "lease")
        step.do("HDEL", self._keys.document(key), "text")
        step.do("INCR", self._keys.removals(key.kind))
        self._sight.document(step, key, self.fields(key, text), None)
        return step

    def _guard(self, step: Step, found: Found) -> None:
        place = self._keys.document(found.record.key)
        step.guard(same_text(found.raw), "HGET", place, "text")
        step.guard(exactly(found.lease), "HGET", place, "lease")

    def _replace(self, step: Step, key: Key, text: bytes, before: Fields, after: Fields) -> None:
        step.index = "put"
        step.do("HSET", self._keys.document(key), "text", text)
        self._sight.document(step, key, before, after)

    def _set_lease(self, step: Step, key: Key, before: Lease | None, after: Lease | None) -> bytes | None:
        self._sight.lease(step, key, before, after)
        if after is None:
            step.do("HDEL", self._keys.document(key), "lease")
            return None
        stored = dump(after.as_dict()).encode()
        step.do("HSET", self._keys.document(key), "lease", stored)
        return stored


def _words(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def there(key: Key, text: bytes | None) -> bytes:
    """The text of a document that is there. Raises NotFound."""
    if text is None:
        raise nothing(key)
    return text


def version(key: Key, text: bytes | None) -> str:
    """The version of a document that is there. Raises NotFound."""
    return digest(there(key, text))


def lease_of(key: Key, text: bytes | None) -> Lease | None:
    """A lease as it is stored. Raises InvalidDocument."""
    try:
        return None if text is None else Lease.from_dict(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidDocument(
            f"the lease of {key.name} cannot be read",
            hint="somebody changed the field `lease` in Redis by hand: put back what it was",
            path=key.name,
        ) from None


def packed(key: Key, text: bytes) -> bytes:
    """A document for the archive, where names do not tell keys for sure."""
    return f"{key.kind}:{key.id}\n".encode() + text


def unpacked(stored: bytes) -> tuple[Key, bytes]:
    """The inverse of `packed`."""
    head, _, text = stored.partition(b"\n")
    kind, _, name = head.decode().partition(":")
    return Key(kind, name), text


def _record(key: Key, text: bytes, draft: Draft, lease: Lease | None) -> Record:
    return Record(key, draft.fields, draft.body, digest(text), lease=lease)
