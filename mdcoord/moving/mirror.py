"""A copy of a workspace in a folder, kept up to date in both directions.

The workspace is the truth. One round brings into the folder what has changed in the workspace, and into the
workspace what people have saved in the folder: by compare-and-set against the version that it was merged
with, so that neither side's work is lost. The folder is an ordinary Markdown store: it knows what was
written into it last and what stale buffers were made from, and merges as it always does. Every step may be
the last one of a process that is killed; the next round goes on from what it finds. What the store itself
merges, of saves that were caught in a swap, is still people's: it knows what it was told to write before.

Nothing is removed: a document that is gone from the workspace goes to the folder's archive, so that the copy
is of use also when a server has lost everything; a file that is gone from the folder is put there again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Final

from mdcoord.backends.base import Backend
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.values import Copy, Listing, Unreadable
from mdcoord.errors import (
    AlreadyExists,
    BackendUnavailable,
    Busy,
    Conflict,
    InvalidDocument,
    InvalidName,
    NotDurable,
    NotFound,
)
from mdcoord.model import DOCUMENTS, Key, Value
from mdcoord.moving.mirrorlog import MirroredLog

NAME: Final = ("mirrored", "data")
"""The memo that names the data, in the workspace and in the folder."""

CONFLICT: Final = "[!conflict]"
"""How the note begins that a merge leaves in a document where both sides changed the same."""

Seen = tuple[object, object]
"""What names a document's state in the workspace and in the folder; None where it is not there."""


@dataclass(slots=True)
class Round:
    """What one round did.

    `written` documents and `events` were brought into the folder, `taken` ones and `published` events out of
    it; `restored` files had been removed there, and `archived` ones are gone from the workspace. `conflicts`
    are documents that both sides changed, by name, with what became of them; `left` files (and documents) are
    as they were, and why.
    """

    written: int = 0
    events: int = 0
    published: int = 0
    taken: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    archived: list[str] = field(default_factory=list)
    conflicts: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def add(self, other: Round) -> None:
        """Count what another round did after this one."""
        self.written += other.written
        self.events += other.events
        self.published += other.published
        self.taken += other.taken
        self.restored += other.restored
        self.archived += other.archived
        self.conflicts |= other.conflicts
        self.left |= other.left

    def as_dict(self) -> dict[str, Value]:
        """As plain JSON data."""
        return asdict(self)


class Mirror:
    """Keeps `folder` a copy of `source`. For one thread, and one process at a time.

    `settled` says whether the last round found nothing that has to wait for the next one.
    """

    def __init__(self, source: Backend, folder: MarkdownBackend) -> None:
        self.settled = False
        self._source = source
        self._folder = folder
        self._seen: dict[Key, Seen] = {}
        self._left: dict[str, str] = {}
        self._logs: dict[str, MirroredLog] = {}
        self._archive: set[str] | None = None
        self._last_texts: dict[Key, str] = {}
        self._round = Round()

    def round(self) -> Round:
        """Make both the same once; what is `left` is told when it is new.

        Raises BackendUnavailable where the workspace cannot be reached.
        """
        self._round, before = Round(), self._left
        self.settled, self._left, self._last_texts = True, {}, {}
        self._require_data()
        self._sweep()
        if self._archive is None:
            self._archive = {*self._folder.archived()}
        self._archived()
        for kind in DOCUMENTS:
            self._documents(kind)
        self._events()
        for path in self._folder.set_aside():
            self._left[path] = "this save could not be merged into its document"
        self._round.left = {name: why for name, why in self._left.items() if before.get(name) != why}
        return self._round

    def _require_data(self) -> None:
        """A server that has lost its data must not take their copy along, also when others work there again.

        The data have a name, which is lost with them.
        """
        name, known = self._source.memo(*NAME), self._folder.memo(*NAME)
        if known is not None and name == known:
            return
        here = (Key(kind, name) for kind in DOCUMENTS for name in _versions(self._folder.list(kind)))
        lost = (key for key in here if not self._source.exists(key) and self._folder.is_own(key))
        if known is not None and (key := next(lost, None)):
            raise BackendUnavailable(
                f"{self._source.location} has lost its data: {key.name} is not there, and there is a copy"
                f" of it in {self._folder.location}",
                hint="`mdcoord import` with that folder brings them back; a new folder mirrors what is there",
            )
        try:
            name = name or self._source.keep(*NAME, lambda named: named or os.urandom(8).hex())
        except BackendUnavailable:
            return  # a server that is full can be copied, too
        self._folder.keep(*NAME, lambda _: name)

    def _sweep(self) -> None:
        """Take in the saves that a killed mirror had just swapped out, or this one could not give back."""
        try:
            self._folder.sweep()
        except (Busy, InvalidDocument):
            pass  # of that document, in this round
        except (BackendUnavailable, NotDurable) as error:
            self._left[self._folder.location] = str(error)

    # -- documents

    def _documents(self, kind: str) -> None:
        there, here = _versions(self._source.list(kind)), _versions(self._folder.list(kind))
        names = there.keys() | here.keys()
        for name in sorted(names):
            key, seen = Key(kind, name), (there.get(name), here.get(name))
            if self._seen.get(key) != seen and (now := self._same(key, seen)) is not None:
                self._seen[key] = now
        for key in [key for key in self._seen if key.kind == kind and key.id not in names]:
            del self._seen[key]

    def _same(self, key: Key, seen: Seen) -> Seen | None:
        """Make one document the same on both sides; what it is then, None for one to be looked at again."""
        try:
            copy = self._source.copy(key)
            if copy is None:
                return self._only_here(key, seen)
            if isinstance(copy, Unreadable):
                raise InvalidDocument(copy.message, hint=copy.hint)
            return self._on_both(copy, seen)
        except (Conflict, NotFound, Busy):
            self.settled = False  # somebody wrote at the same time
        except (InvalidDocument, InvalidName, _Obstacle) as error:
            self._left[key.name] = str(error)
        return None

    def _on_both(self, copy: Copy, seen: Seen) -> Seen | None:
        key, there = copy.key, seen[0]
        try:
            with _here():
                both = self._folder.united(key, copy.text)
        except NotFound:
            return there, self._put_new(key, copy.text)
        except Conflict:
            self._give_way(key)
            return None
        if both.text != copy.text:
            there = self._take(copy, both.text, there)
        if both.done:
            return there, both.version
        with _here():
            version = self._folder.follow(key, both.text, both.version)
        self._round.written += version != both.version
        return there, version

    def _put_new(self, key: Key, text: str) -> str:
        with _here():
            again = self._folder.is_own(key)
            version = self._folder.put(Copy(key, text))
        self._round.written += 1
        self._round.restored += [key.name] if again else []
        return version

    def _take(self, copy: Copy, text: str, version: object) -> str:
        """Take what people saved into the workspace, if nobody has changed the document there meanwhile."""
        if copy.fields is None:
            raise InvalidDocument(f"{copy.key} cannot be read in the workspace", hint="mend it there")
        if not isinstance(version, str):
            raise Conflict(f"{copy.key} was not like this a moment ago")
        taken = self._source.put(Copy(copy.key, text), version)
        self._round.taken.append(copy.key.name)
        if text.count(CONFLICT) > copy.text.count(CONFLICT):
            self._round.conflicts[copy.key.name] = "both sides changed it: a note in it says what gave way"
        return taken

    def _give_way(self, key: Key) -> None:
        """Nobody knows what a file was made from: it makes room, and stays in the archive."""
        with _here():
            name = self._folder.archive(key)
        self._round.conflicts[key.name] = f"another one was here; it is archive/{name}.md now"
        self.settled = False

    def _only_here(self, key: Key, seen: Seen) -> Seen | None:
        with _here():
            own = self._folder.is_own(key)
        if own:
            self._gone(key, seen)
            return None
        with _here():
            text = self._folder.text(key)
            both = self._folder.united(key, text)  # unless it cannot be read
        if not text.removeprefix("\ufeff").strip():
            raise InvalidDocument(f"{key.name}.md is empty")
        if Key.of(*key) != key:
            raise InvalidName(f"{key.name}.md is no name for a document", hint=f"call it {Key.of(*key)}.md")
        version = self._source.put(Copy(key, text))
        self._round.taken.append(key.name)
        with _here():
            return version, self._folder.follow(key, text, both.version)

    def _gone(self, key: Key, seen: Seen) -> None:
        """It has gone from the workspace; in the archive it is as it was there in the end."""
        self._archived()
        last, known = self._last_texts.get(key), self._seen.get(key)
        with _here():
            if last is None or not self._drop(key, last):
                name = self._folder.archive(key)
                if last is not None or (known and known[1] != seen[1]):
                    why = f"changed here, but gone from the workspace: it is archive/{name}.md now"
                    self._round.conflicts[key.name] = why
        self._round.archived.append(key.name)

    def _drop(self, key: Key, last: str) -> bool:
        """Remove a document that has nothing which its last text has not; whether it was so."""
        try:
            both = self._folder.united(key, last)
        except Conflict:
            return False
        if both.text == last:
            self._folder.delete(key, both.version)
        return both.text == last

    # -- the archive and events

    def _archived(self) -> None:
        """Bring the texts of the documents that were archived since."""
        known, names = self._archive or set(), {*self._source.archived()}
        for kind in {name.partition("-")[0] for name in names - known} & {*DOCUMENTS}:
            for copy in self._source.copies(kind, archived=True):
                if isinstance(copy, Copy) and copy.archived not in known:
                    self._put_archived(copy)
        self._archive = known | names

    def _put_archived(self, copy: Copy) -> None:
        try:
            with _here():
                self._folder.put(Copy(copy.key, copy.text, archived=copy.archived))
            self._last_texts[copy.key] = copy.text
        except AlreadyExists:
            pass  # another one of this name stays
        except (_Obstacle, InvalidName) as error:
            self._left[f"archive/{copy.archived}"] = str(error)

    def _events(self) -> None:
        there, here = self._source.channels(), self._folder.channels()
        for name in sorted({*there, *here}):
            log = self._logs.setdefault(name, MirroredLog(self._source, self._folder, name))
            try:
                brought, published = log.bring(in_source=name in there, in_folder=name in here)
            except (Busy, NotFound):
                self.settled = False
                continue
            self._round.events += brought
            self._round.published += published


class _Obstacle(Exception):
    """Something in the folder is in the way: of one document, not of the others."""


@contextmanager
def _here() -> Iterator[None]:
    """What goes wrong in the folder is an obstacle, what goes wrong in the workspace an error."""
    try:
        yield
    except (BackendUnavailable, Busy, NotDurable, FileNotFoundError) as error:
        raise _Obstacle(str(error)) from error


def _versions(listing: Listing) -> dict[str, object]:
    """What names the state of each document, by id: its version, or what keeps it from being read."""
    readable = {record.key.id: record.version for record in listing.records}
    return {**readable, **{bad.key.id: bad for bad in listing.unreadable}}
