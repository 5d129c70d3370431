"""What stores take and give: events, listings, copies of documents, and documents that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from mdcoord.model import Key, Record, Value


class Event(NamedTuple):
    """One published event.

    `cursor` is where it stands in its channel: pass it to `tail` to go on after it. `text` is its exact block
    in the log where that is not what mdcoord would write (a person wrote it, or beside it), in the oldest
    event together with what stands above all events; only `history` has to tell it.
    """

    id: str
    name: str
    time: str
    data: Mapping[str, Any]
    cursor: str = ""
    text: str | None = None


class Unreadable(NamedTuple):
    """A document that cannot be read: reported, left byte for byte as it is, and in nobody's way."""

    key: Key
    path: str
    message: str
    line: int | None = None
    column: int | None = None
    hint: str = ""


class Listing(NamedTuple):
    """All documents of a kind at one moment, and those that could not be read."""

    records: Sequence[Record]
    unreadable: Sequence[Unreadable] = ()


@dataclass(frozen=True, slots=True)
class Copy:
    """A document on its way to another store: its exact text, what that says, and the lease beside it.

    `fields` is None where the text cannot be read. `archived` is its name in the archive, "" for a document
    that is in use.
    """

    key: Key
    text: str
    fields: Mapping[str, Value] | None = None
    lease: Any = None
    archived: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        """Many are sent from one process to another, and this is quicker than what a dataclass does."""
        return Copy, (self.key, self.text, self.fields, self.lease, self.archived)

    @property
    def digest(self) -> str:
        """Names the text and the lease."""
        lease = repr(self.lease.as_dict()) if self.lease is not None else ""
        return sha256(f"{lease}\0{self.text}".encode("utf-8", "surrogatepass")).hexdigest()
