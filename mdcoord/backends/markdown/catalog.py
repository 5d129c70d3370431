"""The documents of a folder as last seen, so that listing ten thousand of them reads only those that changed.

A file is believed to be unchanged when its change time, size and inode are what they were *and* the time was
not young when we looked (clocks of file systems are coarse: two saves can share a stamp). The change time, as
programs set the modification time as they like. Everything else is read again; content decides. The catalog
may be thrown away at any time.
"""

from __future__ import annotations

import gc
import marshal
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.values import Listing, Unreadable
from mdcoord.errors import BackendUnavailable, Busy, InvalidDocument
from mdcoord.model import Key, Record, Value

_FORMAT: Final = 3
RACY: Final = 3_000_000_000
"""Nanoseconds that a stamp must be old to be trusted."""
_WORTH_SAVING: Final = 50

Signature = tuple[int, int, int]
"""Change time (nanoseconds), size and inode of a file."""


class Entry(NamedTuple):
    """One file as it was when it was read. `trusted` is False while its stamp was too young."""

    signature: Signature
    trusted: bool
    record: Record | Unreadable


Load = Callable[[Key, Record | None], Record]
"""Reads a document; gives back the record that is known already if the content is still the same."""


class ListedRecord(Record):
    """A record of a listing. Key, path and body are made when somebody looks at them: listings are long."""

    @property
    def key(self) -> Key:
        """The kind and the id."""
        kind, _, rest = self.__dict__["_name"].partition("-")
        return Key(kind, rest[:-3])

    @property
    def path(self) -> str:
        """The file."""
        return f"{self.__dict__['_folder']}{os.sep}{self.__dict__['_name']}"

    @property
    def body(self) -> str:
        """The text below the front matter, as it is now; empty if the document is gone meanwhile."""
        load: Load = self.__dict__["_load"]
        try:
            return str(load(self.key, None).body)
        except (FileNotFoundError, InvalidDocument, BackendUnavailable):
            return ""


class Catalog:
    """What is known of the documents in one folder; one object a process."""

    def __init__(self, files: FileIO, load: Load) -> None:
        self._files = files
        self._load = load
        self._entries: dict[str, dict[str, Entry]] = {}
        self._looked: dict[str, float] = {}
        self._unsaved: dict[str, int] = {}

    def listing(self, kind: str, max_age: float) -> Listing:
        """All documents of a kind, as they were at most `max_age` seconds ago."""
        looked = self._looked.get(kind)
        if looked is None or max_age <= 0 or time.monotonic() - looked > max_age:
            self._refresh(kind)
        entries = list(self._entries[kind].values())
        return Listing(
            [entry.record for entry in entries if isinstance(entry.record, Record)],
            [entry.record for entry in entries if isinstance(entry.record, Unreadable)],
        )

    def noted(self, record: Record) -> None:
        """Take over a record that this process has just written, without looking at the file again."""
        known = self._entries.get(record.key.kind)
        if known is not None:
            # Its signature is unknown: the next refresh reads the file once more.
            name = record.key.name + ".md"
            known[name] = Entry((0, 0, 0), False, self._listed(name, record.version, record.fields))

    def _refresh(self, kind: str) -> None:
        started = time.monotonic()
        known = self._entries.get(kind)
        if known is None:
            known = self._saved(kind)
        fresh: dict[str, Entry] = {}
        news = 0
        for name, signature in stamps(self._files.root, kind + "-"):
            entry = known.get(name)
            if entry is None or entry.signature != signature or not entry.trusted:
                entry = self._read(Key(kind, name[len(kind) + 1 : -3]), signature, entry)
                news += entry is not None and entry.trusted
            if entry is not None:
                fresh[name] = entry
        self._unsaved[kind] = self._unsaved.get(kind, 0) + news
        self._entries[kind] = {name: fresh[name] for name in sorted(fresh, key=_stem)}
        self._looked[kind] = started

    def _read(self, key: Key, signature: Signature, before: Entry | None) -> Entry | None:
        trusted = time.time_ns() - signature[0] > RACY
        record: Record | Unreadable
        try:
            known = before.record if before and isinstance(before.record, Record) else None
            record = self._load(key, known)
        except FileNotFoundError:
            return None
        except (InvalidDocument, BackendUnavailable) as error:
            record = _unreadable(key, os.path.join(self._files.root, key.name + ".md"), error)
        else:
            if record is not known:
                record = self._listed(key.name + ".md", record.version, record.fields)
        return Entry(signature, trusted, record)

    def save(self) -> None:
        """Keep what was read for later processes, when it is much and nobody else does so now.

        What is too young to be trusted does not count: they would read it again. Only writers call this:
        reads never write. A failure does no harm.
        """
        for kind, count in list(self._unsaved.items()):
            entries = self._entries[kind]
            if count >= max(_WORTH_SAVING, len(entries) // 20):
                try:
                    self._store(kind, entries)
                except (Busy, BackendUnavailable):
                    pass
        self._unsaved.clear()

    def _store(self, kind: str, entries: Mapping[str, Entry]) -> None:
        rows = [
            (name, entry.signature, entry.trusted, entry.record.version, entry.record.fields)
            for name, entry in entries.items()
            if isinstance(entry.record, Record)
        ]
        data = marshal.dumps((_FORMAT, rows))
        with self._files.lock(f"index-{kind}", 0):
            self._files.make_folder(os.path.dirname(self._path(kind)))
            self._files.replace(self._path(kind), _sum(data) + data, sync=False)

    def _saved(self, kind: str) -> dict[str, Entry]:
        collecting = gc.isenabled()
        gc.disable()  # many small objects that all stay: collecting meanwhile costs four times the load
        try:
            with open(self._path(kind), "rb") as file:
                data = memoryview(file.read())
            if data[:4] != _sum(data[4:]):
                return {}  # torn in a power cut; marshal may end the process on such data
            number, rows = marshal.loads(data[4:])
            if number != _FORMAT:
                return {}
            return {
                name: Entry(signature, trusted, self._listed(name, version, fields))
                for name, signature, trusted, version, fields in rows
            }
        except (OSError, ValueError, EOFError, TypeError):
            return {}
        finally:
            if collecting:
                gc.enable()

    def _listed(self, name: str, version: str, fields: Mapping[str, Value]) -> Record:
        record = ListedRecord.__new__(ListedRecord)
        record.__dict__.update(
            _name=name, _folder=self._files.root, _load=self._load, version=version, fields=fields, lease=None
        )
        return record

    def _path(self, kind: str) -> str:
        return os.path.join(self._files.state, "index", kind)


def _stem(name: str) -> str:
    return name[:-3]


def _sum(data: bytes | memoryview) -> bytes:
    import zlib

    return zlib.crc32(data).to_bytes(4, "big")


def stamps(folder: str, prefix: str) -> Iterator[tuple[str, Signature]]:
    """Name and signature of every document file of a kind."""
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            name = entry.name
            if name.startswith(prefix) and name.endswith(".md"):
                try:
                    info = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield name, (info.st_ctime_ns, info.st_size, info.st_ino)


def _unreadable(key: Key, path: str, error: InvalidDocument | BackendUnavailable) -> Unreadable:
    details = error.details
    return Unreadable(key, path, error.message, details.get("line"), details.get("column"), error.hint)
